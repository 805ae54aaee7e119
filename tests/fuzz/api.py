"""Calls of the Python API with arguments of wrong types and values."""

from __future__ import annotations

import decimal
import inspect
import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

import roicrop
from roicrop.errors import RoicropError
from roicrop.job import OPTIONS
from roicrop.questions import RoicropWarning

CALLS: Final = 40
"""Calls of a case."""

MAPS: Final = np.random.default_rng(3).standard_normal((1, 4, 10, 12)).astype(np.float32)
BOXES: Final = [[0, 8.0, 8, 40, 40], [0, 1, 2, 60, 70]]
TURNED: Final = [[0, 30.0, 30, 20, 10, 15], [0, 40, 40, 30, 30, 80]]
SCALE: Final = 0.125
_LONGEST: Final = 3000


class _Hostile:
    """Raises whatever is asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise OSError("no such thing\n\x1b[31m")

    def __array__(self, *_: object, **__: object) -> Any:
        raise OverflowError("not an array")


def run(arguments: Sequence[str]) -> int:
    """`api SEED`: whatever the arguments are, a result or a RoicropError of one line."""
    rng = random.Random(arguments[1])
    warnings.simplefilter("ignore", RoicropWarning)
    for _ in range(CALLS):
        name, given = rng.choice([*GOOD.items()])
        function: Callable[..., Any] = getattr(roicrop, name)
        known = [*inspect.signature(function).parameters]
        known += [*OPTIONS] if "options" in known else []
        changed = {
            each: rng.choice(_JUNK)
            for each in rng.sample(known, rng.choice((1, 1, 1, 2, 3)))
            if each not in ("options", "labels", "spatial_scale_origin")
        }
        said = ""
        try:
            function(**{**given, **changed})
        except RoicropError as error:
            said = str(error)
        except BaseException as error:
            raise AssertionError(f"{name}({changed}) raised {type(error).__name__}") from error
        assert said.isprintable(), (name, changed, said)
        assert len(said) < _LONGEST, (name, changed)
    return 0


_CROP: Final = {"input": MAPS, "boxes": BOXES, "output_size": 2, "spatial_scale": SCALE}
_ASK: Final = {"input": MAPS, "boxes": BOXES, "spatial_scale": SCALE}
GOOD: Final[Mapping[str, Mapping[str, Any]]] = {
    "roi_align": _CROP,
    "roi_pool": _CROP,
    "ps_roi_align": _CROP,
    "ps_roi_pool": _CROP,
    "roi_align_rotated": {**_CROP, "boxes": TURNED},
    "multiscale_roi_align": {
        "inputs": [MAPS, MAPS[:, :, ::2, ::2]], "boxes": BOXES, "output_size": 2,
        "spatial_scales": [SCALE, SCALE / 2],
    },
    "assign_levels": {"boxes": BOXES, "spatial_scales": [SCALE, SCALE / 2]},
    "plan": {
        "boxes": [[8.0, 8, 40, 40]], "map_size": (10, 12), "output_size": 2, "spatial_scale": SCALE
    },
    "show": _ASK,
    "explain": _ASK,
    "compare": {**_ASK, "conventions": ["mask-rcnn", "detectron2"]},
    "explore": _ASK,
    "identify": {**_ASK, "pooled": np.zeros((2, 4, 2, 2), np.float32)},
}  # fmt: skip
_JUNK: Final[Sequence[Any]] = (
    None, True, False, 0, 1, -1, -5, 2**63, 10**400, 0.5, -0.0, float("nan"), float("inf"), 1e308,
    1j, "", "x", "7", "nan", "avg", "\0", "a\n\x1b[31m", "\ud800", "x" * 100_000, b"x",
    (), [], {}, set(), (1,), [1, 2], (0, 0), [[1, 2], [3]], [None, None], ["a", "b"], {"a": 1},
    frozenset([1]), range(3), range(10**5), iter([1]), object(), object, len, lambda: 1, Ellipsis,
    NotImplemented, slice(3), memoryview(b"abc"), decimal.Decimal("NaN"), decimal.Decimal(2),
    np.float32(2), np.int64(2), np.bool_(True), np.datetime64("NaT"), np.str_("x"), np.array(3),
    np.array([1.5, 2]), np.array([[0, 1, 2, 3, 4]]), np.array(["a"]), np.array([object()]),
    np.zeros((0, 4)), np.zeros((0, 5)), np.zeros((1, 1, 1, 1)), np.full((1, 5), np.nan),
    np.array([[0, 0x7FA00001]], np.uint32).view(np.float32), np.zeros(3, "f4,i4"),
    np.ma.masked_array([[0, 1, 2, 3, 4.0]], True), np.zeros(2, "M8[s]"), bytearray(b"1"),
    np.broadcast_to(np.float32(1), (1, 1, 2**20, 2**20)), 5e-324,
    _Hostile(), [_Hostile()], RoicropError("x"), Exception,
)  # fmt: skip
