"""The names that programs use for columns and keys of boxes, images, scores and labels.

Names are compared without case, spaces, `_`, `-` and `.`, so that `bbox_x`, `BBox X` and `bbox.x`
(the x of an object under `bbox`) are the same. Known names are data: spellings in order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, product
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from roicrop.boxes.table import BOX_FORMATS, ROTATED, BoxFormat
from roicrop.errors import BoxError
from roicrop.files.text import shown
from roicrop.text import listing, many, printable

Role = Literal["image", "score", "label", "id", "level", "width", "height", "angle"]

# The first that exists is used.
SPELLINGS: Final[Mapping[Role, tuple[str, ...]]] = {
    "image": (
        "image", "image_id", "image_index", "batch_index", "file_name", "image_name", "image_path",
        "path", "img", "img_name", "img_id", "img_path", "coco_url", "image_file", "image_url",
        "file_path", "file", "frame", "frame_id", "frame_number",
    ),
    "score": ("score", "confidence", "conf", "probability", "prob", "scores"),
    "label": (
        "label", "class", "class_name", "name", "category", "category_name", "category_id",
        "label_name", "label_id", "class_id", "labels", "class_title", "tag_name", "bbox_label",
        "categories", "classes", "cls",
    ),
    "id": ("id",),
    "width": ("image_width", "img_width", "width"),  # of the image
    "height": ("image_height", "img_height", "height"),
    "angle": ("angle", "theta", "rotation", "bbox_angle", "box_angle"),  # about the centre
    "level": (),  # only if an option names it: many files use the name for something else
}  # fmt: skip
# These always hold indices; the others may hold names or ids.
INDEX_NAMES: Final = frozenset({"imageindex", "batchindex"})
# Possible prefixes of all four: `bbox_x`, or the x of an object under `bbox`.
PREFIXES: Final = (
    "", "bbox", "box", "bb", "boundingbox", "coordinates", "shapeattributes",
    "regionshapeattributes", "bndbox", "box2d", "rectangle", "points", "relativecoordinates",
)  # fmt: skip
# Objects, or cells of JSON, whose keys are read as columns: `bbox.x` is `bbox_x`.
NESTED: Final = {*PREFIXES[1:], "topleft", "bottomright", "regionattributes"}
# One cell or key with all four numbers.
IN_ONE: Final[Mapping[str, BoxFormat]] = {
    "bbox": "xywh", "box": "xyxy", "points": "xyxy", "pointsexterior": "xyxy",
    "xyxy": "xyxy", "xywh": "xywh", "bboxxyxy": "xyxy", "bboxxywh": "xywh",
}  # fmt: skip
# Keys beside them that may give their format.
FORMAT_NAMES: Final = frozenset({"bboxmode", "boxmode", "bboxformat", "boxformat"})
# Their values, without `BoxMode.` before them.
MODES: Final[Mapping[str, BoxFormat]] = {
    "0": "xyxy", "1": "xywh", "4": ROTATED,
    "XYXY_ABS": "xyxy", "XYWH_ABS": "xywh", "XYWHA_ABS": ROTATED,
    **{name: name for name in (*BOX_FORMATS, ROTATED)},
}  # fmt: skip

CORNERS: Final = ("x1", "y1", "x2", "y2")
_CORNERS: Final = (
    CORNERS, ("xmin", "ymin", "xmax", "ymax"), ("x0", "y0", "x1", "y1"),
    ("minx", "miny", "maxx", "maxy"), ("left", "top", "right", "bottom"),
    ("xtl", "ytl", "xbr", "ybr"), ("topleftx", "toplefty", "bottomrightx", "bottomrighty"),
    ("tlx", "tly", "brx", "bry"), ("startx", "starty", "endx", "endy"),
    ("xstart", "ystart", "xend", "yend"),
)  # fmt: skip
_CENTRES: Final = (
    ("cx", "cy"), ("xc", "yc"), ("xcenter", "ycenter"), ("centerx", "centery"),
    ("xcentre", "ycentre"), ("centrex", "centrey"),
)  # fmt: skip
_SIZES: Final = (("w", "h"), ("width", "height"))
COORDINATES: Final[Mapping[BoxFormat, Sequence[tuple[str, ...]]]] = {
    "xyxy": _CORNERS,
    "xywh": [("x", "y", *size) for size in _SIZES],
    "cxcywh": [(*centre, *size) for centre in _CENTRES for size in _SIZES],
}
# If both corners exist, a size is the image's.
_CORNER_AND_SIZE: Final = [(*names[:2], *size) for names in _CORNERS for size in _SIZES]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The command line's options for reading boxes; None leaves it to the file.

    columns: the names of a file's columns, in order; `_` skips one.
    by_hand: role → the column chosen for it.
    images: the number of images, which distinguishes indices from coordinates.
    """

    box_format: BoxFormat | None = None
    columns: Sequence[str] | None = None
    by_hand: Mapping[Role, str] = field(default_factory=dict)
    images: int | None = None

    def names_of(self, width: int, where: str) -> list[str]:
        """Unique names of `width` columns; BoxError if their number is wrong."""
        names = [f"_{n}" if name == "_" else name for n, name in enumerate(self.columns or ())]
        if len(names) != width:
            raise BoxError(
                f"{where} has {many(width, 'field')}, but --columns names {len(names)}: name every "
                "field, with _ for those to skip"
            )
        return names


@dataclass(slots=True)
class Roles:
    """What a file's columns hold.

    coordinates: four names in the order of `box_format`, or one that holds all four.
    origin: the source of the box format. of: role → name.
    notes: where two names were possible, which one was used.
    """

    coordinates: tuple[str, ...]
    box_format: BoxFormat
    origin: str
    of: dict[Role, str] = field(default_factory=dict)
    notes: tuple[str, ...] = field(default=(), compare=False)
    warnings: tuple[str, ...] = field(default=(), compare=False)

    def unknown(self, names: Sequence[str]) -> list[str]:
        """Unknown names, one of which may name images; empty if images are named."""
        if "image" in self.of:
            return []
        known = {"", *map(plain, self.coordinates), *map(plain, self.of.values())}
        rest = [name for name in names if plain(name) not in COLUMN_NAMES | known]
        return [name for name in rest if names.count(name) == 1]


@lru_cache(1024)
def plain(name: str) -> str:
    """Normalise a name for comparison."""
    return name.lower().translate(_LEFT_OUT)


def is_known(name: str) -> bool:
    """True if this is a known name of a column."""
    return plain(name) in _KNOWN


def find_roles(names: Sequence[str], reading: Reading, where: str, origin: str) -> Roles:
    """Find the role of each name; BoxError lists the names if coordinates are missing.

    where: the place of the names, for messages. origin: what gives the box format, if the names do.
    """
    by_plain: dict[str, str] = {}
    for name in names:
        by_plain.setdefault(plain(name), name)
    roles = _coordinates(by_plain, reading, where, origin)
    notes = list(roles.notes)
    for role, spellings in SPELLINGS.items():
        there = [by_plain[plain(name)] for name in spellings if plain(name) in by_plain]
        there = [name for name in there if name not in roles.coordinates]
        chosen = reading.by_hand.get(role)
        if chosen is not None:
            if plain(chosen) not in by_plain:
                raise BoxError(
                    f"{where}: no column {printable(chosen)} for --{role}-column: there are "
                    f"{listing(names, most=12)}"
                )
            roles.of[role] = by_plain[plain(chosen)]
        elif there:
            roles.of[role] = there[0]
            if there[1:] and role not in ("width", "height"):
                notes.append(f"{role} is {there[0]}, not {listing(there[1:])}: --{role}-column")
    plains = [plain(name) for name in names]
    for name in (*roles.coordinates, *roles.of.values()):
        if plains.count(plain(name)) > 1:
            raise BoxError(f"{where}: {printable(name)} occurs twice: keep one")
    roles.notes = tuple(map(printable, notes))
    return roles


def _coordinates(by_plain: dict[str, str], reading: Reading, where: str, origin: str) -> Roles:
    if reading.box_format == ROTATED:  # four of its numbers, and the angle
        reading = dataclasses.replace(reading, box_format="cxcywh")
    if any({f"{prefix}x3", f"{prefix}y3"} <= by_plain.keys() for prefix in PREFIXES):
        raise BoxError(f"{where}: x3 and y3 belong to a quadrilateral: write x1,y1,x2,y2 of a box")
    found = {f: sets for f, names in COORDINATES.items() if (sets := _spelled(names, by_plain))}
    found = found or ({"xywh": sets} if (sets := _spelled(_CORNER_AND_SIZE, by_plain)) else {})
    in_one = [name for name in IN_ONE if name in by_plain]
    names = list(by_plain.values())
    if not found and len(in_one) == 1:
        key, chosen = by_plain[in_one[0]], reading.box_format
        origin = "option" if chosen else f"key {printable(key)}"
        return Roles((key,), chosen or IN_ONE[in_one[0]], origin)
    if not found and in_one:
        raise BoxError(f"{where}: {' and '.join(in_one)} both hold a box: keep one")
    if not found:
        raise BoxError(
            f"{where}: no four coordinates among {listing(names, most=12) or 'no names'}: "
            "name the columns in their order, as in --columns image,x1,y1,x2,y2 (_ skips one)"
        )
    if len(found) > 1 and reading.box_format not in found:
        both = " and ".join(",".join(sets[0]) for sets in found.values())
        raise BoxError(f"{where}: has both {both}: choose with --box-format {' or '.join(found)}")
    box_format = next(iter(found)) if reading.box_format is None else reading.box_format
    taken, *others = found.get(box_format) or next(iter(found.values()))
    rest = listing([",".join(each) for each in others] + [by_plain[name] for name in in_one])
    notes = (f"the box is {','.join(taken)}, not {rest}",) if rest else ()
    if box_format not in found:
        # The option contradicts the names, so that only the order of the columns counts.
        taken = tuple(sorted(taken, key=names.index))
    return Roles(taken, box_format, "option" if reading.box_format else origin, notes=notes)


def _spelled(
    spellings: Sequence[tuple[str, ...]], by_plain: Mapping[str, str]
) -> list[tuple[str, ...]]:
    """The spellings that exist, as in the file."""
    return [
        tuple(by_plain[prefix + name] for name in spelling)
        for prefix, spelling in product(PREFIXES, spellings)
        if prefix + spelling[0] in by_plain and all(prefix + name in by_plain for name in spelling)
    ]


def names_of_five(
    matrix: NDArray[np.float64], images: int | None, where: str, named: bool
) -> tuple[str, ...]:
    """The names of five numbers (n, 5): image index first, or score last.

    Index first if the first is whole and below `images` and the last above 1 (as in torchvision,
    Caffe and ONNX); score last if the last is in 0 to 1 and the first is not an index.
    """
    finite = matrix[np.isfinite(matrix).all(axis=1)]
    if not len(finite):
        return (*CORNERS, "_")
    first, last = finite[:, 0], finite[:, 4]
    whole = not named and bool(((first == np.floor(first)) & (first >= 0)).all())
    if whole and first.max() < (images or np.inf) and (last > 1).all():
        return ("image_index", *CORNERS)
    if not (whole and first.max() < (images or 1)) and ((last >= 0) & (last <= 1)).all():
        return (*CORNERS, "score")
    raise BoxError(
        f"{where}: the first of five numbers may be an image index, or the last a score: give "
        "--columns image_index,x1,y1,x2,y2 or --columns x1,y1,x2,y2,score"
    )


_LEFT_OUT: Final = str.maketrans("", "", " _-.")
# Names with a role, and all known names.
COLUMN_NAMES: Final = frozenset(plain(n) for names in SPELLINGS.values() for n in names)
_SPELLED: Final = (*chain(*COORDINATES.values()), *_CORNER_AND_SIZE)
_KNOWN: Final = COLUMN_NAMES | IN_ONE.keys() | {*map("".join, product(PREFIXES, chain(*_SPELLED)))}


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of a JSON document: its name there, its other keys, and its boxes' records."""

    name: str | None
    facts: dict[str, Any]
    records: list[Any]


@dataclass(frozen=True, slots=True)
class Producer:
    """A program that writes boxes, and how to recognise its files.

    name: for summaries and documents.
    columns: the value of `--columns` for lines without a header; kinds: what their cells hold:
        t(ext), n(umber) or f(raction); options: further options that such files need.
    records: keys under which an entry may have its records. under: the key of the entries, if any.
    marks: other keys (see `plain`) that an entry has; record_marks: that a record has.
    arrays: True if an entry holds lists of boxes, scores and labels instead of records.
    box_format: of `bbox`, or of x, y, width and height, if not xywh.
    shape: the key of a record's shape, and the value for a box.
    score_last: True if a fifth number is a score.
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
    box_format: BoxFormat | None = None
    shape: tuple[str, str] | None = None
    score_last: bool = False

    def entries(self, document: Any, file: str) -> list[Entry] | None:
        """The entries of a JSON document, one per image; None if another program wrote it."""
        entries: list[tuple[str | None, dict[str, Any]]] = []
        if isinstance(document, dict):
            document = document.get(self.under, document)
        if isinstance(document, dict):
            entries = [(None, document)] if self._fits(document) else list(document.items())
        elif isinstance(document, list) and document and self._fits(document[0]):
            entries = [(None, each) for each in document]
        if not entries or not all(self._fits(facts) for _, facts in entries):
            return None
        records = (self._records(facts)[1] for _, facts in entries)
        lists = (its for its in records if isinstance(its, list))
        first = next((each for its in lists for each in its if isinstance(each, dict)), {})
        if not self.record_marks <= set(map(plain, first)):
            return None
        return [self._entry(name, facts, file) for name, facts in entries]

    def _entry(self, name: str | None, facts: dict[str, Any], file: str) -> Entry:
        key, records = self._records(facts)
        if not isinstance(records, list):
            where = file if name is None else f"{file}: {printable(name)}"
            raise BoxError(f"{where}: {key} is {shown(records)}, not a list")
        return Entry(name, {k: v for k, v in facts.items() if k != key}, records)

    def _records(self, entry: dict[str, Any]) -> tuple[str, Any]:
        key = next(key for key in self.records if key in entry)
        value = [] if entry[key] is None else entry[key]
        if not isinstance(value, dict):
            return key, value
        columns = list(value.values())  # or records by number
        if {*map(type, columns)} != {list} or len({*map(len, columns)}) > 1:
            return key, columns
        return key, [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]

    def _fits(self, entry: Any) -> bool:
        has_records = isinstance(entry, dict) and any(key in entry for key in self.records)
        return has_records and self.marks <= set(map(plain, entry))


VIA: Final = Producer("VIA", records=("regions",), under="_via_img_metadata", marks={"filename"},
                      shape=("shape_attributes.name", "rect"))  # fmt: skip
ANY: Final = Producer("", arrays=True)  # an unknown program
MMDETECTION: Final = Producer("mmdetection", arrays=True, score_last=True)
PRODUCERS: Final[Sequence[Producer]] = (
    Producer("makesense", columns="label,x,y,w,h,image,_,_", kinds="tnnnntnn"),
    Producer("keras-retinanet", columns="image,x1,y1,x2,y2,label", kinds="tnnnnt"),
    Producer("YOLO", "label,cx,cy,w,h", kinds="nffff", options=" --normalized"),
    Producer("YOLO", "label,cx,cy,w,h,score", kinds="nfffff", options=" --normalized"),
    Producer("MOT", "frame,_,x,y,w,h,score,_,_,_", kinds="n" * 10),
    Producer("MOT", "frame,_,x,y,w,h,score,_,_", kinds="n" * 9),
    Producer("VisDrone", "x,y,w,h,score,label,_,_", kinds="n" * 8),
    Producer("KITTI", "label,_,_,_,x1,y1,x2,y2" + ",_" * 7, kinds="t" + "n" * 14),
    Producer("KITTI", "label,_,_,_,x1,y1,x2,y2" + ",_" * 7 + ",score", kinds="t" + "n" * 15),
    VIA,
    Producer("labelme", records=("shapes",), shape=("shape_type", "rectangle")),
    Producer("CreateML", records=("annotations",), box_format="cxcywh",
             record_marks={"coordinates"}),
    Producer("Roboflow", records=("predictions",), box_format="cxcywh",
             record_marks={"x", "confidence", "class"}),
    Producer("Azure", records=("predictions",), record_marks={"boundingbox", "tagname"}),
    Producer("coco instances", records=("annotations",), marks={"images"}),
    Producer("MegaDetector", records=("detections",), under="images", marks={"file"}),
    Producer("BDD100K", records=("labels",), under="frames", record_marks={"box2d"}),
    Producer("torchvision", records=("boxes",), arrays=True),
    MMDETECTION,
    Producer("mmdetection", records=("bboxes",), marks={"labels", "scores"}, arrays=True),
    Producer("mmdetection", records=("instances",), under="data_list", box_format="xyxy",
             record_marks={"bboxlabel"}),
    Producer("detectron2", records=("annotations", "instances"), record_marks={"bboxmode"}),
    Producer("by image", records=("annotations", "predictions", "instances", "objects"),
             shape=("geometryType", "rectangle")),
)  # fmt: skip
