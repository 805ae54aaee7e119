"""What programs write: a row for each, which says where its boxes lie and how to read one.

Names of columns and keys that mean the same everywhere are in `names`. The first row that a JSON
document fits is taken.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any, Final

from roicrop.boxes.names import plain
from roicrop.errors import BoxError
from roicrop.files.text import shown
from roicrop.text import printable

Said = dict[str, Any]  # of an image
Entries = list[tuple["str | None", Said]]  # with the name it has in the document, if any


@dataclass(frozen=True, slots=True)
class Producer:
    """One program's files.

    name: as summaries and documents say it.
    columns: of its lines without a header; kinds: their cells: t(ext), n(umber), f(raction);
        options: what else the command line has to say of these.
    records: keys under which an entry may have its records. under: that of the entries, if any.
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
    under: str = ""
    marks: Set[str] = frozenset()
    record_marks: Set[str] = frozenset()
    arrays: bool = False
    centre: bool = False
    shape: tuple[str, str] | None = None
    score_last: bool = False

    def entries(self, document: Any) -> Entries | None:
        """The entries of a JSON document, one for each image; None if another program wrote it."""
        entries: Entries = []
        if isinstance(document, dict):
            document = document.get(self.under, document)
        if isinstance(document, dict):
            entries = [(None, document)] if self._fits(document) else list(document.items())
        elif isinstance(document, list) and document and self._fits(document[0]):
            entries = [(None, each) for each in document]
        if not entries or not all(self._fits(said) for _, said in entries):
            return None
        records = (self._records(said)[1] for _, said in entries)
        lists = (its for its in records if isinstance(its, list))
        first = next((each for its in lists for each in its if isinstance(each, dict)), {})
        return entries if self.record_marks <= set(map(plain, first)) else None

    def split(self, name: str | None, entry: Said, file: str) -> tuple[Said, list[Any]]:
        """What an entry says besides its records, and these."""
        key, records = self._records(entry)
        if not isinstance(records, list):
            where = file if name is None else f"{file}: {printable(name)}"
            raise BoxError(f"{where}: {key} is {shown(records)}, not a list")
        return {k: v for k, v in entry.items() if k != key}, records

    def _records(self, entry: dict[str, Any]) -> tuple[str, Any]:
        key = next(key for key in self.records if key in entry)
        value = entry[key]
        return key, list(value.values()) if isinstance(value, dict) else value

    def _fits(self, entry: object) -> bool:
        if not isinstance(entry, dict) or not any(key in entry for key in self.records):
            return False
        return self.marks <= set(map(plain, entry))


VIA: Final = Producer(
    "VIA",
    records=("regions",),
    under="_via_img_metadata",
    marks={"filename"},
    shape=("shape_attributes.name", "rect"),
)
ANY: Final = Producer("", arrays=True)  # one that is not known, and means nothing otherwise
MMDETECTION: Final = Producer("mmdetection", arrays=True, score_last=True)
PRODUCERS: Final[Sequence[Producer]] = (
    Producer("makesense", columns="label,x,y,w,h,image,_,_", kinds="tnnnntnn"),
    Producer("keras-retinanet", columns="image,x1,y1,x2,y2,label", kinds="tnnnnt"),
    Producer("YOLO", "label,cx,cy,w,h", kinds="nffff", options=" --normalized"),
    Producer("YOLO", "label,cx,cy,w,h,score", kinds="nfffff", options=" --normalized"),
    Producer("MOT", columns="frame,_,x,y,w,h,score,_,_,_", kinds="n" * 10),
    Producer("MOT", columns="frame,_,x,y,w,h,score,_,_", kinds="n" * 9),
    VIA,
    Producer("labelme", records=("shapes",), shape=("shape_type", "rectangle")),
    Producer("CreateML", records=("annotations",), record_marks={"coordinates"}, centre=True),
    Producer(
        "Roboflow", records=("predictions",), record_marks={"x", "confidence", "class"}, centre=True
    ),
    Producer("coco instances", records=("annotations",), marks={"images"}),
    Producer("torchvision", records=("boxes",), arrays=True),
    MMDETECTION,
    Producer("detectron2", records=("annotations", "predictions", "instances")),
)
