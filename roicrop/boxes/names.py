"""What columns and keys are called: which hold the box, its image, score and label.

Names are compared without case, spaces, `_`, `-` and `.`, so `bbox.x` (the x of an object under
`bbox`), `bbox_x` and `BBox X` are one name. What is known is data: spellings, in a stated order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from roicrop.boxes.geometry import BoxFormat
from roicrop.errors import BoxError
from roicrop.text import listing, printable

Role = Literal["image", "score", "label", "id"]

# The first that is there is taken.
SPELLINGS: Final[Mapping[Role, tuple[str, ...]]] = {
    "image": (
        "image", "image_id", "image_index", "batch_index", "file_name", "image_name", "image_path",
        "path", "img", "img_name", "img_id", "img_path", "coco_url", "frame",
    ),
    "score": ("score", "confidence", "conf", "probability"),
    "label": (
        "label", "class", "class_name", "name", "category", "category_name", "category_id",
        "label_name", "label_id", "class_id",
    ),
    "id": ("id",),
}  # fmt: skip
# These are indices, whatever the features are; the others may be names or ids.
INDEX_NAMES: Final = frozenset({"imageindex", "batchindex"})
# A column that may be called after many boxes when it holds all of them.
PLURALS: Final[Mapping[str, str]] = {"scores": "score", "labels": "label"}
# What may stand before each of the four: `bbox_x`, or `x` of an object under `bbox`.
PREFIXES: Final = (
    "", "bbox", "box", "bb", "boundingbox", "coordinates", "shapeattributes",
    "regionshapeattributes",
)  # fmt: skip
# One cell or key with all four numbers.
IN_ONE: Final[Mapping[str, BoxFormat]] = {"bbox": "xywh", "box": "xyxy"}
ANGLES: Final = frozenset({"angle", "theta", "rotation", "rot"})

_CORNERS: Final = (
    ("x1", "y1", "x2", "y2"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("x0", "y0", "x1", "y1"),
    ("minx", "miny", "maxx", "maxy"),
    ("left", "top", "right", "bottom"),
    ("xtl", "ytl", "xbr", "ybr"),
    ("topleftx", "toplefty", "bottomrightx", "bottomrighty"),
)
_SIZES: Final = (("w", "h"), ("width", "height"))
_CENTRES: Final = (("cx", "cy"), ("xcenter", "ycenter"), ("centerx", "centery"))
_CENTRES_TOO: Final = (("xc", "yc"), ("xcentre", "ycentre"), ("centrex", "centrey"))
_Spelling = tuple[BoxFormat, tuple[str, ...]]
_FAMILIES: Final[tuple[tuple[_Spelling, ...], ...]] = (
    tuple(("xyxy", names) for names in _CORNERS),
    tuple(("xywh", ("x", "y", *size)) for size in _SIZES),
    tuple(("cxcywh", (*c, *size)) for c in (*_CENTRES, *_CENTRES_TOO) for size in _SIZES),
)
# A corner and a size; where both corners are there, the size is the image's.
_CORNER_AND_SIZE: Final[tuple[_Spelling, ...]] = tuple(
    ("xywh", (*names[:2], *size)) for names in _CORNERS for size in _SIZES
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the command line says of a file of boxes; None leaves it to the file.

    columns: names given to the columns of a file, in order; `_` skips one.
    image, score, label: the names of the columns that hold these.
    images: how many images there are, which tells an index from a coordinate.
    """

    box_format: BoxFormat | None = None
    columns: Sequence[str] | None = None
    image: str | None = None
    score: str | None = None
    label: str | None = None
    images: int | None = None

    @property
    def by_hand(self) -> dict[Role, str]:
        """The columns that were chosen, under the role of each."""
        chosen: dict[Role, str | None] = {
            "image": self.image,
            "score": self.score,
            "label": self.label,
        }
        return {role: name for role, name in chosen.items() if name is not None}


@dataclass(frozen=True, slots=True)
class Roles:
    """Which of a file's names hold what.

    coordinates: four names in the order that `box_format` has, or one that holds all four.
    of: the name that holds each role.
    notes: where two names would do, which was taken.
    """

    coordinates: tuple[str, ...]
    box_format: BoxFormat
    origin: str
    of: dict[Role, str]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())


def plain(name: str) -> str:
    """A name as names are compared."""
    return name.lower().translate(_LEFT_OUT)


def is_known(name: str) -> bool:
    """Whether this could be the name of a column."""
    return plain(name) in _KNOWN


def find_roles(
    names: Sequence[str], reading: Reading, where: str, origin: str, centre: bool = False
) -> Roles:
    """What each name holds; BoxError lists the names where the four coordinates are not there.

    where: the place of the names, for messages. origin: what says the box format.
    centre: whether x and y are the centre of a box.
    """
    by_plain: dict[str, str] = {}
    for name in names:
        by_plain.setdefault(plain(name), name)
    box_format, coordinates, origin = _coordinates(by_plain, names, reading, where, origin)
    if centre and box_format == "xywh":
        box_format = "cxcywh"
    of, notes = _others(by_plain, names, reading, where)
    wanted = [*coordinates, *of.values()]
    seen = [plain(name) for name in names]
    for name in wanted:
        if seen.count(plain(name)) > 1:
            raise BoxError(f"{where}: {printable(name)} is there twice: keep one")
    angles = [name for name in names if plain(name).removeprefix("bbox") in ANGLES]
    warnings = tuple(
        f"{where}: {printable(name)} is not read: these boxes are taken as not rotated"
        for name in angles
    )
    return Roles(coordinates, box_format, origin, of, notes, warnings)


def _coordinates(
    by_plain: Mapping[str, str],
    names: Sequence[str],
    reading: Reading,
    where: str,
    origin: str,
) -> tuple[BoxFormat, tuple[str, ...], str]:
    found: dict[BoxFormat, tuple[str, ...]] = {}
    for family in (*_FAMILIES, _CORNER_AND_SIZE):
        if not found or family is not _CORNER_AND_SIZE:
            for box_format, spelling in _spelled(family, by_plain):
                found.setdefault(box_format, spelling)
                break
    if not found:
        in_one = [name for name in IN_ONE if name in by_plain]
        if len(in_one) > 1:
            raise BoxError(f"{where}: {' and '.join(in_one)} both hold a box: keep one")
        if in_one:
            box_format = reading.box_format or IN_ONE[in_one[0]]
            said = "option" if reading.box_format else f"key {by_plain[in_one[0]]}"
            return box_format, (by_plain[in_one[0]],), said
        raise BoxError(
            f"{where}: no four coordinates among {listing(names, most=12) or 'no names'}: "
            "name the columns in their order, as in --columns image,x1,y1,x2,y2 (_ skips one)"
        )
    if reading.box_format in found:
        return reading.box_format, found[reading.box_format], "option"
    if len(found) > 1:
        both = " and ".join(",".join(spelling) for spelling in found.values())
        raise BoxError(f"{where}: {both} are there: choose with --box-format {' or '.join(found)}")
    box_format, spelling = next(iter(found.items()))
    if reading.box_format is None:
        return box_format, spelling, origin
    # The option contradicts the names, so only the order of the columns is left to go by.
    return reading.box_format, tuple(sorted(spelling, key=list(names).index)), "option"


def _spelled(
    family: Sequence[_Spelling], by_plain: Mapping[str, str]
) -> Iterator[tuple[BoxFormat, tuple[str, ...]]]:
    for prefix in PREFIXES:
        for box_format, spelling in family:
            if all(prefix + name in by_plain for name in spelling):
                yield box_format, tuple(by_plain[prefix + name] for name in spelling)


def _others(
    by_plain: Mapping[str, str], names: Sequence[str], reading: Reading, where: str
) -> tuple[dict[Role, str], tuple[str, ...]]:
    of: dict[Role, str] = {}
    notes = []
    for role, spellings in SPELLINGS.items():
        there = [by_plain[plain(name)] for name in spellings if plain(name) in by_plain]
        chosen = reading.by_hand.get(role)
        if chosen is not None:
            if plain(chosen) not in by_plain:
                raise BoxError(
                    f"{where}: no column {printable(chosen)} for --{role}-column: there are "
                    f"{listing(names, most=12)}"
                )
            of[role] = by_plain[plain(chosen)]
        elif there:
            of[role] = there[0]
            if len(there) > 1:
                others = listing(there[1:])
                notes.append(
                    f"{role} is {printable(there[0])}, not {others} (--{role}-column chooses)"
                )
    return of, tuple(notes)


_LEFT_OUT: Final = str.maketrans("", "", " _-.")
_KNOWN: Final = frozenset(
    {plain(name) for spellings in SPELLINGS.values() for name in spellings}
    | {
        prefix + name
        for prefix in PREFIXES
        for family in (*_FAMILIES, _CORNER_AND_SIZE)
        for _, spelling in family
        for name in spelling
    }
    | IN_ONE.keys()
)
# Names that have a role, other than coordinates.
COLUMN_NAMES: Final = frozenset(
    plain(name) for spellings in SPELLINGS.values() for name in spellings
)
