"""A feature map, or a batch of them, as a file holds it: its axes, numbers and attributes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from roicrop.errors import FeatureError
from roicrop.files import hdf5
from roicrop.text import printable, quoted

LAYOUTS: Final = ("NCHW", "NHWC", "CHW", "HWC", "NCWH", "NWHC", "CWH", "WHC")
KNOWN_LAYOUTS: Final = f"{', '.join(LAYOUTS[:-1])} or {LAYOUTS[-1]}"


@dataclass(frozen=True, slots=True)
class Scale:
    """Feature cells per image pixel, and its source.

    origin: "--stride" or "--spatial-scale", "attribute stride" or "attribute spatial_scale", or
        "default".
    """

    value: float
    origin: str


@dataclass(frozen=True, slots=True)
class StoredMap:
    """What is known of a feature map, or a batch of them, before any of it is read.

    axes: of one image's map: CHW, HWC, or, where x comes before y, CWH or WHC.
    origin: its source: "--layout", "attribute layout", "attribute layout of /group" or "default".
    """

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    axes: str = "CHW"
    origin: str = "default"

    @property
    def map_shape(self) -> tuple[int, ...]:
        """The shape of one image's map, as stored."""
        return self.shape[-3:]

    @property
    def layout(self) -> str:
        """The order of the axes, with an N if there is one."""
        return f"N{self.axes}"[-len(self.shape) :]

    @property
    def channels_last(self) -> bool:
        """Whether it is read as (H, W, C)."""
        return self.axes.endswith("C")

    @property
    def channels(self) -> int:
        """How many channels it has."""
        return self.map_shape[self.axes.index("C")]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, in cells."""
        return self.map_shape[self.axes.index("H")], self.map_shape[self.axes.index("W")]


def parse_layout(text: str) -> str | None:
    """A layout in capitals, or None if it is not one."""
    return text.upper() if text.upper() in LAYOUTS else None


def layout_attribute(thing: Any, where: str) -> str | None:
    """The attribute `layout`; FeatureError if it is not a layout."""
    text = hdf5.text_attribute(thing, "layout")
    if text is None:
        return None
    layout = parse_layout(text)
    if layout is None:
        raise FeatureError(
            f"{where}: attribute layout is {quoted(text)}, not {KNOWN_LAYOUTS}: fix it or give "
            "--layout"
        )
    return layout


def scale_attribute(thing: Any, where: str) -> Scale | None:
    """The attribute `stride` or `spatial_scale`; FeatureError if they contradict each other."""
    stride, scale = (_one_number(thing, name, where) for name in ("stride", "spatial_scale"))
    if stride is None:
        return None if scale is None else Scale(scale, "attribute spatial_scale")
    if scale is not None and not math.isclose(stride * scale, 1, rel_tol=1e-6):
        raise FeatureError(
            f"{where}: attribute stride is {stride:g}, but spatial_scale is {scale:g}, which is a "
            f"stride of {1 / scale:g}: give --stride"
        )
    return Scale(1 / stride, "attribute stride")


def input_scale_attribute(thing: Any, where: str) -> tuple[float, float] | None:
    """The attribute `input_scale`, one number or (sx, sy), as (sy, sx)."""
    numbers = hdf5.number_attribute(thing, "input_scale", where)
    if numbers is None:
        return None
    if len(numbers) > 2:
        raise FeatureError(f"{where}: attribute input_scale is {numbers}: one number or x and y")
    return numbers[-1], numbers[0]


def _one_number(thing: Any, name: str, where: str) -> float | None:
    numbers = hdf5.number_attribute(thing, name, where)
    if numbers is None:
        return None
    if len(set(numbers)) > 1:
        raise FeatureError(
            f"{where}: attribute {name} is {numbers}, but must be the same on both axes"
        )
    return numbers[0]


def why_no_map(
    shape: tuple[int, ...] | None, dtype: np.dtype[Any] | None, ranks: tuple[int, ...] = (3, 4)
) -> str | None:
    """Why a dataset cannot be a feature map, as what comes after its name."""
    if shape is None or len(shape) not in ranks:
        wanted = " or ".join({3: "3 (CHW or HWC)", 4: "4 (NCHW or NHWC)"}[rank] for rank in ranks)
        return f"has rank {len(shape or ())}, shape {shape or ()}: its rank must be {wanted}"
    if dtype is None or not (
        dtype.kind in "iub" or (dtype.kind == "f" and dtype.itemsize <= 8) or is_opaque(dtype)
    ):
        return f"holds {type_name(dtype)}: it must hold float16, float32, float64 or integers"
    if 0 in shape:
        return f"is empty: its shape is {shape}"
    return None


def type_name(dtype: np.dtype[Any] | None) -> str:
    """What to call a type in messages."""
    if dtype is None:
        return "a type that NumPy lacks"
    if is_opaque(dtype):
        return "bfloat16"
    return {"V": "compound", "O": "objects", "S": "bytes"}.get(dtype.kind, dtype.name)


def is_opaque(dtype: np.dtype[Any]) -> bool:
    """Whether values are two bytes without a type, as h5py and NumPy read bfloat16."""
    return dtype.kind == "V" and dtype.itemsize == 2 and dtype.names is None


def number_type(dataset: Any) -> str:
    """The type of a dataset's numbers: its own, or the type of floats stored as words."""
    dtype: np.dtype[Any] = dataset.dtype
    if dtype.itemsize == 2 and (dtype.kind in "iu" or is_opaque(dtype)):
        said = (hdf5.text_attribute(dataset, "dtype") or "").lower().rpartition(".")[2]
        said = {"bf16": "bfloat16", "f16": "float16"}.get(said, said)  # as safetensors has them
        if said in _FROM_WORDS:
            return said
    return type_name(dtype)


def floats_of(words: NDArray[Any], name: str) -> NDArray[np.floating[Any]]:
    """What words of two bytes are as floats of that name."""
    words = words.view("<u2" if words.dtype.kind == "V" else words.dtype.str.replace("i", "u"))
    values: NDArray[np.floating[Any]] = _FROM_WORDS[name](words.astype(np.uint16, copy=False))
    return values


_FROM_WORDS: Final = {
    "bfloat16": lambda words: (words.astype(np.uint32) << 16).view(np.float32),
    "float16": lambda words: words.view(np.float16),
}


def numbers_at(dataset: Any, place: Any) -> NDArray[Any]:
    """The numbers at an index of a dataset, decoded if they are stored as something else."""
    values: NDArray[Any] = dataset[place]
    decode = decoder(dataset)
    return decode(values) if decode else values


def decoder(dataset: Any) -> Callable[[NDArray[Any]], NDArray[Any]] | None:
    """A function that decodes the numbers; None if they are stored as such."""
    name = number_type(dataset)
    if dataset.dtype.kind == "f" or name not in _FROM_WORDS:
        return None
    return lambda words: floats_of(words, name)


def where_in(file: Any, path: str) -> str:
    """`file.h5::/path`, as the user would type it."""
    return f"{file.filename}::{printable(path)}"
