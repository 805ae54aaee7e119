"""The content of an output file, in values that all formats can hold."""

from __future__ import annotations

import json
import numbers
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from roicrop.errors import ArgumentError
from roicrop.files.columns import Texts

Array = NDArray[Any]
Column: TypeAlias = Array | Texts


@dataclass(frozen=True, slots=True)
class Compression:
    """A method, "none", "lzf" or "gzip", and gzip's level (None means its default)."""

    method: str
    level: int | None

    @classmethod
    def parse(cls, text: str) -> Compression:
        """From "none", "lzf", "gzip" or "gzip:LEVEL"; ArgumentError otherwise."""
        found = re.fullmatch(r"(none|lzf|gzip)(?:(?<=gzip):([0-9]))?", text)
        if not found:
            raise ArgumentError(f"compression {text!r} is not one of none, lzf, gzip, gzip:0 to 9")
        return cls(found[1], int(found[2]) if found[2] else None)


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """The pooled array of an output file.

    shape: (K, C, PH, PW), or (K, PH, PW, C) with `channels_last`; or (K, C), one vector per box.
    dtype: a float type, to which values are converted as they are written.
    compression: "none", "lzf" (HDF5 only), "gzip", or "gzip:LEVEL" with 0 to 9; .npy takes none.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    channels_last: bool = False
    compression: str = "none"

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the axes."""
        if len(self.shape) == 2:
            return ("box", "channel")
        return ("box", "y", "x", "channel") if self.channels_last else ("box", "channel", "y", "x")

    @property
    def row_bytes(self) -> int:
        """The bytes of one pooled box."""
        _, *inner = self.shape
        return int(np.prod(inner, dtype=np.int64)) * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Content:
    """Everything in a file except its pooled rows; path: for messages."""

    path: str
    spec: OutputSpec
    compression: Compression
    columns: Mapping[str, Column]
    attributes: Mapping[str, object]


def plain_column(column: Column) -> Column:
    """Numbers, or texts."""
    if isinstance(column, Texts):
        return column
    array = np.asarray(column)
    if array.dtype.kind in "biuf":
        return array
    values = array.tolist()
    for kind, dtype in ((numbers.Integral, np.int64), (numbers.Real, np.float64)):
        if values and all(isinstance(value, kind) for value in values):
            try:
                return np.array(values, dtype=dtype)
            except OverflowError:  # identifiers over 64 bits
                break
    return Texts.of(["" if value is None else plain_text(str(value)) for value in values])


def plain_text(text: str) -> str:
    """Text that all formats can hold as UTF-8, without NULs or undecodable bytes of file names."""
    return text.replace("\0", "?").encode("utf-8", "replace").decode("utf-8")


def as_json(value: object) -> str:
    """One line of JSON, with arrays as lists, and types that JSON lacks as text."""
    return plain_text(json.dumps(value, ensure_ascii=False, default=_simpler))


def _simpler(value: object) -> object:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else str(value)
