"""`roicrop pool`."""

from __future__ import annotations

from typing import Any

from roicrop.cli import cropping, declaring, options


@declaring.command(
    epilog="\b\nExample: roicrop pool maps.h5 boxes.json -o crops.h5 --output-size 7x7"
)
@options.FILES
@options.OUTPUT
@options.POOL
@options.READING
@options.TENSOR
@options.VIZ
@options.MEMORY
@options.RUNNING
def command(**params: Any) -> None:
    """Pool every box to a fixed grid by RoIPool.

    Each box is rounded to cells, and each bin takes the maximum, or the average, of the cells that
    it covers. Row k of the output is box k of BOXES. What an option leaves open comes from the
    attributes of the dataset (stride or spatial_scale, layout, input_scale).
    """
    cropping.run(params, "pool")
