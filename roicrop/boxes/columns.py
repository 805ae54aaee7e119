"""From what a reader found to a table: names, whole numbers and scores, the same from any format.

Images, ids and labels are whole numbers or names. A column of them is int64 when every value is a
whole number written the plain way (12, or 12.0 as some programs write it, but not 007), else text:
a name such as 000000397133 keeps its zeros.
"""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast, get_args

import numpy as np

from roicrop.boxes.geometry import BoxFormat
from roicrop.boxes.table import BoxFormatOrigin, BoxTable, ImageKey, Source, TableFormat
from roicrop.boxes.text import shown
from roicrop.errors import BoxError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from roicrop.boxes.coco import Coco
    from roicrop.boxes.table import Names

IMAGE_KEYS: Final[tuple[ImageKey, ...]] = get_args(ImageKey)
# These are indices, whatever the features are; the other two may be names or COCO ids.
INDEX_KEYS: Final = frozenset({"image_index", "batch_index"})
# The first that is there is the label.
LABEL_KEYS: Final = ("label", "category_id")
NUMBER_KEYS: Final = INDEX_KEYS | {"score"}
NAME_KEYS: Final = frozenset({*IMAGE_KEYS, *LABEL_KEYS, "id"}) - INDEX_KEYS
COLUMN_KEYS: Final = NUMBER_KEYS | NAME_KEYS

_LARGEST_EXACT_INDEX: Final = 2.0**53


@dataclass(slots=True, kw_only=True)
class Draft:
    """What a reader of one format found.

    coords: (K, 4) float64.
    numbers: the columns of NUMBER_KEYS, (K,) float64.
    names: the columns of NAME_KEYS, K values each: str, int, float or None.
    """

    source: Source
    format: TableFormat
    box_format: BoxFormat
    box_format_origin: BoxFormatOrigin
    coords: NDArray[np.float64]
    numbers: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    names: dict[str, Sequence[object]] = field(default_factory=dict)
    coco: Coco | None = None

    def build(self) -> BoxTable:
        """The table; BoxError names the row whose value does not fit its column."""
        image_key = self._image_key()
        label_key = next((key for key in LABEL_KEYS if key in self.names), None)
        return BoxTable(
            source=self.source,
            format=self.format,
            box_format=self.box_format,
            box_format_origin=self.box_format_origin,
            coords=self.coords,
            image_key=image_key,
            image=None if image_key is None else self._images(image_key),
            id=self._names("id") if "id" in self.names else None,
            score=self.numbers.get("score"),
            label=None if label_key is None else self._names(label_key),
            coco=self.coco,
            source_index=np.arange(len(self.coords)),
        )

    def _image_key(self) -> ImageKey | None:
        keys = [key for key in IMAGE_KEYS if key in self.names or key in self.numbers]
        if len(keys) > 1:
            raise BoxError(
                f"{self.source.name}: {' and '.join(keys)} each name the image of a box: keep one"
            )
        return keys[0] if keys else None

    def _images(self, key: ImageKey) -> Names:
        if key in INDEX_KEYS:
            return self._indices(key)
        images = self._names(key)
        values = images.tolist()
        if "" in values:
            where = self.source.where(values.index(""))
            raise BoxError(f"{where}: {key} is empty: every box needs one")
        return images

    def _indices(self, key: ImageKey) -> NDArray[np.int64]:
        values = self.numbers[key]
        whole = (np.abs(values) < _LARGEST_EXACT_INDEX) & (values == np.floor(values))
        if not whole.all():
            row = int(np.argmin(whole))
            raise BoxError(
                f"{self.source.where(row)}: {key} is {values[row]:g}, not the index of an image"
            )
        return values.astype(np.int64)

    def _names(self, key: str) -> Names:
        values = self.names[key]
        kinds = set(map(type, values))
        if kinds == {int}:
            with contextlib.suppress(OverflowError):
                return np.array(values, dtype=np.int64)
        if kinds <= {str}:
            texts = cast("Sequence[str]", values)
        else:
            texts = [self._text(value, row, key) for row, value in enumerate(values)]
        whole = _whole_numbers(texts)
        # Names are spared what only numbers need: there may be millions of them.
        if whole is None and texts[0].removesuffix(".0").removeprefix("-").isdecimal():
            whole = _whole_numbers([text.removesuffix(".0") for text in texts])
        if whole is not None:
            return whole
        self._check_writable(texts, key)
        column = np.empty(len(texts), dtype=object)
        column[:] = texts
        return column

    def _check_writable(self, texts: Sequence[str], key: str) -> None:
        if _is_writable("".join(texts)):
            return
        row, text = next((row, text) for row, text in enumerate(texts) if not _is_writable(text))
        where = self.source.where(row)
        raise BoxError(f"{where}: {key} is {text!a}, which no file can hold as text")

    def _text(self, value: object, row: int, key: str) -> str:
        if isinstance(value, str):
            return value
        if value is None:
            return ""
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            whole = isinstance(value, float) and value.is_integer()
            return str(int(value) if whole else value)
        raise BoxError(f"{self.source.where(row)}: {key} is {shown(value)}, not a name or a number")


def _whole_numbers(texts: Sequence[str]) -> NDArray[np.int64] | None:
    """The numbers, if each text is one, written the plain way."""
    try:
        numbers = np.fromiter(map(int, texts), np.int64, len(texts))
    except (ValueError, OverflowError):
        return None
    return numbers if all(map(operator.eq, map(str, numbers.tolist()), texts)) else None


def _is_writable(text: str) -> bool:
    """Whether text can be encoded (half a surrogate pair cannot) and holds no NUL."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False
