"""What is odd about files of feature maps and matters only to those who look into them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from roicrop.features import Found
from roicrop.inspection.sample import unpacked_at_once

MOST_UNPACKED: Final = 256 << 20  # bytes, to read one value


def odd_unpacking(dataset: Any) -> Iterator[str]:
    """Whether it can be read in parts."""
    if (unpacked := unpacked_at_once(dataset)) > MOST_UNPACKED:
        yield (
            f"{unpacked >> 20:,} MiB are unpacked for any one value, so none was sampled: "
            "store it in smaller chunks"
        )


def odd_together(found: Sequence[Found]) -> Iterator[str]:
    """Whether datasets were meant as a group of images, and are none."""
    alone = [one for one in found if len(one.shape) == 4 and one.shape[0] == 1]
    shapes = Counter((group_of(one), one.shape) for one in alone)
    for (group, _), count in shapes.items():
        if count > 1:
            yield (
                f"{group} holds {count} datasets of one image each, but a group of images has "
                "datasets of rank 3: leave out their first axis to crop from all of them at once"
            )


def group_of(found: Found) -> str:
    """The path of the group that a dataset is in."""
    return found.path.rpartition("/")[0] or "/"
