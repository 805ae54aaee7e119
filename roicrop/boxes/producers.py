"""What programs write: a row for each, which says where its boxes lie and how to read one.

Names of columns and keys that mean the same everywhere are in `names`. The first row that a JSON
document fits is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from roicrop.boxes.names import plain

# The name of an image in a document, if it has one there, and what is said of it.
Entries = list[tuple["str | None", dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Producer:
    """One program's files.

    name: as summaries and documents say it.
    columns: of its lines without a header; kinds: their cells: t(ext), n(umber), f(raction).
        options: what else the command line has to say of these.
    records: keys under which an image's entry has its records; the first that is there.
    under: the key of the document under which the entries lie.
    marks: other keys, as names are compared, that an entry has; record_marks: that a record has.
    arrays: whether an entry holds boxes, scores and labels side by side instead of records.
    centre: whether a record's x and y are the box's centre.
    shape: the key of a record that says its shape, and the shape that is a box.
    score_last: whether a fifth number is a score.
    """

    name: str
    columns: str = ""
    kinds: str = ""
    options: str = ""
    records: tuple[str, ...] = ()
    under: str | None = None
    marks: frozenset[str] = frozenset()
    record_marks: frozenset[str] = frozenset()
    arrays: bool = False
    centre: bool = False
    shape: tuple[str, str] | None = None
    score_last: bool = False

    def entries(self, document: Any) -> Entries | None:
        """The entries of a JSON document, one for each image; None if another program wrote it."""
        if self.under is not None:
            document = document.get(self.under) if isinstance(document, dict) else None
        if isinstance(document, dict):
            single = self._fits(document)
            names: Sequence[str | None] = [None] if single else list(document)
            values = [document] if single else list(document.values())
        else:
            values = document if isinstance(document, list) else []
            names = [None] * len(values)
        if not values or not all(isinstance(each, dict) and self._fits(each) for each in values):
            return None
        first = next(self._records(values), {}) if self.record_marks else {}
        fits = self.record_marks <= set(map(plain, first))
        return list(zip(names, values, strict=True)) if fits else None

    def records_of(self, entry: dict[str, Any]) -> tuple[str, Any]:
        """The key under which an entry's records lie, and what lies there."""
        key = next(key for key in self.records if key in entry)
        value = entry[key]
        return key, list(value.values()) if isinstance(value, dict) else value

    def _fits(self, entry: dict[str, Any]) -> bool:
        return self.marks <= set(map(plain, entry)) and any(key in entry for key in self.records)

    def _records(self, entries: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for entry in entries:
            _, records = self.records_of(entry)
            if isinstance(records, list):
                yield from (record for record in records if isinstance(record, dict))


_VIA: Final = frozenset({"filename"})
_RECT: Final = ("shape_attributes.name", "rect")

PRODUCERS: Final[Sequence[Producer]] = (
    Producer("makesense", columns="label,x,y,w,h,image,_,_", kinds="tnnnntnn"),
    Producer("keras-retinanet", columns="image,x1,y1,x2,y2,label", kinds="tnnnnt"),
    Producer("YOLO", "label,cx,cy,w,h", kinds="nffff", options=" --normalized"),
    Producer("YOLO", "label,cx,cy,w,h,score", kinds="nfffff", options=" --normalized"),
    Producer("MOT", columns="frame,_,x,y,w,h,score,_,_,_", kinds="n" * 10),
    Producer("MOT", columns="frame,_,x,y,w,h,score,_,_", kinds="n" * 9),
    Producer("VIA", records=("regions",), marks=_VIA, shape=_RECT),
    Producer("VIA", records=("regions",), marks=_VIA, shape=_RECT, under="_via_img_metadata"),
    Producer("labelme", records=("shapes",), shape=("shape_type", "rectangle")),
    Producer(
        "CreateML", records=("annotations",), record_marks=frozenset({"coordinates"}), centre=True
    ),
    Producer(
        "Roboflow",
        records=("predictions",),
        record_marks=frozenset({"x", "y", "width", "height", "confidence", "class"}),
        centre=True,
    ),
    Producer("coco instances", records=("annotations",), marks=frozenset({"images"})),
    Producer("torchvision", records=("boxes",), arrays=True),
    Producer("mmdetection", arrays=True, score_last=True),
    Producer("detectron2", records=("annotations", "predictions", "instances")),
)
VIA: Final = next(each for each in PRODUCERS if each.shape == _RECT)
MMDETECTION: Final = next(each for each in PRODUCERS if each.score_last)
