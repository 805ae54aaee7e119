"""The core that pools boxes, chosen once, at import.

There are two cores, with the same functions and the same results: `_compiled`, if it was built, and
`numpy_core`, everywhere. The environment variable ROICROP_KERNEL=compiled|numpy overrides this.
Nothing outside this folder knows which core runs, except to tell the user its `NAME`.
"""

from __future__ import annotations

import importlib
import os
from typing import Any, Final, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from roicrop.conventions import Convention
from roicrop.errors import KernelError

__all__ = ["NAME", "WORK_AT_ONCE", "Core", "crop"]

_VARIABLE: Final = "ROICROP_KERNEL"


class Core(Protocol):
    """The interface of a core's module.

    NAME: "numpy", or "compiled" and its vector instructions in brackets.
    WORK_AT_ONCE: how many samples or cells, over all channels, are surely read within a second.
    """

    NAME: str
    WORK_AT_ONCE: int

    def crop(
        self,
        features: NDArray[Any],
        image_index: NDArray[np.int64],
        boxes: NDArray[Any],
        out: NDArray[Any],
        *,
        convention: Convention,
        spatial_scale: float,
        threads: int,
        map_size: tuple[int, int] | None = None,
        origin: tuple[int, int] = (0, 0),
        places: tuple[NDArray[np.int32], NDArray[np.int32]] | None = None,
        rows: NDArray[np.int64] | None = None,
    ) -> None:
        """Pool every box into `out`.

        features: (N, C, H, W) real numbers, with any strides and in any byte order.
        image_index: (K,) the image of each box.
        boxes: (K, 4) xyxy, or (K, 5) with an angle; float64 for float64 features, else float32.
        out: (K, C, PH, PW) of the features' dtype, in this machine's byte order, if that is
            float16, float32 or float64, else float32; with any strides.
        spatial_scale: cells per pixel.
        threads: how many may run at once; never changes the result.
        map_size, origin: `features` may be a window of a larger map of (H, W) cells. The plan is
            for the whole map, and the result is the same to the last bit; `origin` is the cell at
            which the window begins. Cells outside the window are never read.
        places: instead of `origin`, for a window of only some rows and columns of the map: the
            place in the window of each row (H,) and each column (W,), contiguous; −1 if missing.
        rows: (K,) the row of `out` for each box, contiguous; None means row k for box k. Rows
            without a box are left unchanged.

        Raises ValueError if a box reads a cell that the window lacks.
        """


def _choose(wanted: str | None) -> Core:
    if wanted not in (None, "", "compiled", "numpy"):
        raise KernelError(f"{_VARIABLE}={wanted} names no core: choose compiled or numpy")
    if wanted != "numpy":
        try:
            return cast(Core, importlib.import_module("roicrop.kernels._compiled"))
        except ModuleNotFoundError as error:
            if wanted == "compiled":
                raise KernelError(
                    f"{_VARIABLE}=compiled, but this installation has no compiled core: "
                    "reinstall roicrop with a C++ compiler, or unset the variable"
                ) from error
        except ImportError as error:
            raise KernelError(
                f"the compiled core does not load ({error}): "
                f"install roicrop again, or set {_VARIABLE}=numpy"
            ) from error
    return cast(Core, importlib.import_module("roicrop.kernels.numpy_core"))


_core: Final = _choose(os.environ.get(_VARIABLE))
NAME: Final = _core.NAME
WORK_AT_ONCE: Final = _core.WORK_AT_ONCE
crop: Final = _core.crop
