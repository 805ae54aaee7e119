"""Two maps, and boxes on them."""

from __future__ import annotations

import numpy as np

MAP = np.random.default_rng(1).standard_normal((2, 19, 12, 15)).astype(np.float32)
BOXES = np.array(
    [
        [0, 1.5, 2.25, 9.0, 7.5],
        [1, -4.0, 3.0, 20.0, 9.9],
        [1, 6.0, 6.0, 6.0, 6.0],
        [0, 0.3, 0.1, 14.6, 11.9],
    ]
)
BOX = [[0.0, 1.0, 2.0, 9.0, 7.5]]
