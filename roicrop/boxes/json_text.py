"""JSON in its many shapes, and JSON Lines.

A document becomes records of boxes, with what is said beside them, by the row of `producers` that
it fits. Records are objects, whose keys are read as names of columns are, or lists of numbers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from roicrop.boxes.coco import Coco, CocoImage, coco_of, file_name_of
from roicrop.boxes.columns import Draft, Part, boxes_of, five, numbers_of
from roicrop.boxes.geometry import BOX_FORMATS, BoxFormat
from roicrop.boxes.names import COLUMN_NAMES, PLURALS, SPELLINGS, Reading, Role, find_roles, plain
from roicrop.boxes.producers import PRODUCERS, Entries, Producer
from roicrop.boxes.table import ImageKind, Source
from roicrop.boxes.text import blocks, decoded, parse_json, shown
from roicrop.errors import BoxError
from roicrop.text import listing, printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

_Object: TypeAlias = "dict[str, Any]"

# Objects in a record whose keys are read as its own: `bbox.x` is `bbox_x`.
_NESTED: Final = frozenset(
    plain(name)
    for name in (
        "bbox", "box", "bounding_box", "coordinates", "topleft", "bottomright",
        "shape_attributes", "region_shape_attributes", "region_attributes",
    )
)  # fmt: skip
_MODES: Final[Mapping[object, BoxFormat]] = {
    0: "xyxy", 1: "xywh", "XYXY_ABS": "xyxy", "XYWH_ABS": "xywh",
}  # fmt: skip
_COCO_RESULT_KEYS: Final = frozenset({"image_id", "category_id", "bbox"})
_IMAGE_NAMES: Final = tuple(n for n in map(plain, SPELLINGS["image"]) if n != "imageid")
_CORNERS: Final = ("x1", "y1", "x2", "y2")


@dataclass(slots=True, kw_only=True)
class Document:
    """Records of boxes, and what was said beside them.

    columns: values that stand beside the records, one for each. image: the column of these that
    names images. lines: (n,) the line of each record.
    score_last: whether a list of five ends in a score. The rest is as in `Draft`.
    """

    records: list[Any]
    format: str
    columns: dict[str, list[Any]] = field(default_factory=dict)
    image: str | None = None
    image_kind: ImageKind | None = None
    lines: NDArray[np.int64] | None = None
    producer: Producer | None = None
    origin: str = "keys"
    box_format: BoxFormat | None = None
    score_last: bool = False
    coco: Coco | None = None
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    entries: int | None = None


def read_json(content: bytes, path: str, name: str, reading: Reading) -> Draft:
    """The boxes of a JSON file; see `read_boxes`."""
    text = decoded(content, name)
    del content
    value = parse_json(text, name)
    del text
    return draft_of(_document(value, name, reading), path, name, reading)


def read_json_lines(content: bytes, path: str, name: str, reading: Reading) -> Draft:
    """The boxes of a file with a JSON list or object on each line."""
    whole: Draft | None = None
    line, first = 1, 0
    for block in blocks(content, name):
        numbered = [(n, text) for n, text in enumerate(block, line) if not text.isspace()]
        line += len(block)
        if not numbered:
            continue
        values = [parse_json(text, name, n) for n, text in numbered]
        lines = np.array([n for n, _ in numbered], np.int64)
        draft = draft_of(_document(values, name, reading, lines, first), path, name, reading)
        first += len(values)
        if whole is not None:
            if draft.roles.of != whole.roles.of or draft.roles.coordinates[4:]:
                raise BoxError(f"{name} line {lines[0]}: other keys than in the lines before it")
            whole.parts += draft.parts
            whole.sizes = {**whole.sizes, **draft.sizes}
            whole.entries = (whole.entries or 0) + (draft.entries or 0) or None
        whole = whole or draft
    if whole is None:
        empty = Document(records=[], format="jsonl", lines=np.empty(0, np.int64))
        return draft_of(empty, path, name, reading)
    whole.format = "jsonl" if whole.format.startswith("json") else f"{whole.format}, jsonl"
    return whole


def draft_of(document: Document, path: str, name: str, reading: Reading) -> Draft:
    """The draft of a document's records."""
    kinds = set(map(type, document.records)) - {type(None)}
    where = Source(path, document.lines).where
    if len(kinds) > 1 or not kinds <= {list, dict}:
        first = type(document.records[0])
        row = next((n for n, r in enumerate(document.records) if type(r) is not first), 0)
        raise BoxError(
            f"{where(row)} is {shown(document.records[row])}: write each box alike, "
            "as [x1, y1, x2, y2] or as an object"
        )
    if kinds == {dict}:
        return _of_objects(document, path, name, reading)
    if kinds and document.producer is not None and not document.producer.arrays:
        raise BoxError(f"{where(0)}: {shown(document.records[0])} is not an object with a box")
    return _of_lists(document, path, name, reading)


def matrix_part(
    matrix: NDArray[np.float64], document: Document, name: str, reading: Reading
) -> tuple[Any, Sequence[str], Part]:
    """Roles, names and rows of a matrix (n, 4), (n, 5), or as wide as `--columns` says."""
    names: Sequence[str] = reading.columns or _CORNERS
    extra: Mapping[Role, NDArray[np.float64]] = {}
    if reading.columns is not None:
        if len(names) != matrix.shape[1]:
            raise BoxError(
                f"{name} has {matrix.shape[1]} numbers a box, and --columns names {len(names)}: "
                "name each, and call those to skip _"
            )
        names = [each if each != "_" else f"_{n}" for n, each in enumerate(names)]
        roles = find_roles(names, reading, "--columns", "--columns")
        where = {each: n for n, each in enumerate(names)}
        extra = {role: matrix[:, where[each]] for role, each in roles.of.items()}
        coords = matrix[:, [where[each] for each in roles.coordinates]]
    else:
        if matrix.shape[1] == 4:
            coords = matrix
        elif document.score_last:
            coords, extra = matrix[:, :4], {"score": matrix[:, 4]}
        else:
            coords, extra = five(matrix, reading.images, name, document.image is not None)
        roles = find_roles(
            _CORNERS,
            dataclasses.replace(reading, image=None, score=None, label=None),
            name,
            "default",
        )
        if document.box_format is not None and reading.box_format is None:
            roles = dataclasses.replace(
                roles, box_format=document.box_format, origin=document.origin
            )
        if "image" in extra:
            roles.of["image"] = "image_index"
        if "score" in extra:
            roles.of["score"] = "score"
    return roles, names, Part(coords=np.ascontiguousarray(coords), columns=dict(extra))


def _of_lists(document: Document, path: str, name: str, reading: Reading) -> Draft:
    records = document.records
    widths = {len(record) for record in records if record}
    width = 5 if 5 in widths and 4 not in widths else 4
    if reading.columns is not None:
        width = len(reading.columns)
    matrix, faults = boxes_of(records, width)
    roles, names, part = matrix_part(matrix, document, name, reading)
    columns = dict(part.columns)
    beside = find_roles([*_CORNERS, *document.columns], Reading(), name, "")
    for role, column in beside.of.items():
        roles.of[role] = column
        columns[role] = document.columns[column]
    part = dataclasses.replace(part, columns=columns, faults=faults, lines=document.lines)
    if document.image is not None:
        roles.of["image"] = document.image
        columns["image"] = document.columns[document.image]
    return _draft(document, path, roles, [*document.columns], part)


def _of_objects(document: Document, path: str, name: str, reading: Reading) -> Draft:
    table = _Objects(document, path)
    names = table.names
    if reading.image is not None and document.coco is not None:
        reading = dataclasses.replace(reading, image=None)
    where = Source(path, document.lines).where(0)
    producer = document.producer
    roles = find_roles(
        names, reading, where, document.origin, producer is not None and producer.centre
    )
    if document.image is not None and reading.image is None:
        roles.of["image"] = document.image
    if table.box_format is not None and reading.box_format is None:
        mode, key = table.box_format
        roles = dataclasses.replace(roles, box_format=mode, origin=key)
    columns: dict[Role, Any] = {}
    if len(roles.coordinates) == 1:
        coords, columns = table.boxes(roles.coordinates[0], reading, where)
    else:
        coords = np.stack([table.numbers(each) for each in roles.coordinates], axis=1)
    columns |= {role: table.column(each) for role, each in roles.of.items()}
    if "score" in columns and "score" not in roles.of:
        roles.of["score"] = "score"
    unexplained = {} if "image" in roles.of else table.texts({*roles.of.values()})
    part = Part(
        coords=coords,
        columns=columns,
        lines=document.lines,
        faults=table.faults,
        unexplained=unexplained,
    )
    return _draft(document, path, roles, names, part)


def _draft(document: Document, path: str, roles: Any, names: Sequence[str], part: Part) -> Draft:
    return Draft(
        path=path,
        format=document.format,
        roles=roles,
        names=names,
        parts=[part],
        coco=document.coco,
        sizes=document.sizes,
        image_kind=document.image_kind,
        entries=document.entries,
    )


class _Objects:
    """Records that are objects, as columns; `faults` says what is wrong with which.

    names: their keys, those of objects in them as `bbox.x`, and the columns beside them.
    box_format: what a key says of each box's coordinates, and that key.
    """

    def __init__(self, document: Document, path: str) -> None:
        self._document = document
        self._records: list[_Object] = [record or {} for record in document.records]
        self._columns: dict[str, list[Any]] = dict(document.columns)
        self._source = Source(path, document.lines)
        self.faults: dict[int, str] = {}
        self.box_format: tuple[BoxFormat, str] | None = None
        self.names = [*document.columns, *self._keys()]
        if document.producer is not None and document.producer.shape is not None:
            self._check_shapes(*document.producer.shape)
        if document.producer is not None and document.producer.points is not None:
            self._add_corners(document.producer.points)
        mode = next((name for name in self.names if plain(name) == "bboxmode"), None)
        if mode is not None:
            self.box_format = self._mode(mode), f"key {mode}"

    def column(self, name: str) -> list[Any]:
        """The values of a key; a record without it, where others have it, is a fault."""
        if name in self._columns:
            return self._columns[name]
        try:
            return [record[name] for record in self._records]
        except KeyError:
            for row, record in enumerate(self._records):
                if name not in record:
                    self.faults.setdefault(row, f"has no {printable(name)}, which others have")
            return [record.get(name) for record in self._records]

    def numbers(self, name: str) -> NDArray[np.float64]:
        """The same as numbers, NaN for null."""
        values, faults = numbers_of(self.column(name))
        for row, fault in faults.items():
            self.faults.setdefault(row, f"{printable(name)} is {fault}")
        return values

    def boxes(
        self, name: str, reading: Reading, where: str
    ) -> tuple[NDArray[np.float64], dict[Role, Any]]:
        """Four numbers from one key; of five the last is the score, where an option allows it."""
        values = self.column(name)
        widths = {len(value) for value in values if isinstance(value, list) and value}
        five_wide = 5 in widths and 4 not in widths
        if five_wide and reading.box_format is None and plain(name) == "bbox":
            raise BoxError(
                f"{where}: {printable(name)} has five numbers: --box-format says what the first "
                "four are (and the fifth is the score)"
            )
        boxes, faults = boxes_of(values, 5 if five_wide else 4)
        for row, fault in faults.items():
            self.faults.setdefault(row, fault)
        return five(boxes, None, where, named=True) if five_wide else (boxes, {})

    def texts(self, known: set[str]) -> dict[str, set[object]]:
        """Two values of each key of text that has no role."""
        if not self._records:
            return {}
        names = [
            name
            for name, value in self._records[0].items()
            if type(value) is str and name not in known and plain(name) not in COLUMN_NAMES
        ]
        return {name: set(sorted(set(map(str, self.column(name))))[:2]) for name in names}

    def _keys(self) -> list[str]:
        shapes = set(map(tuple, self._records))  # few, however many the records
        keys = dict.fromkeys(key for record in self._records[:1] for key in record)
        keys |= dict.fromkeys(key for shape in sorted(shapes) for key in shape)
        names: list[str] = []
        for key in keys:
            if plain(key) not in _NESTED:
                names.append(key)
                continue
            values = [record.get(key) for record in self._records]
            if not any(isinstance(value, dict) and value for value in values):
                names.append(key)
                continue
            names += self._spread(key, values)
        for key in (name for name in names if name in self._document.columns):
            raise BoxError(f"{self._source.name}: {printable(key)} is there twice: keep one")
        return names

    def _spread(self, key: str, values: list[Any]) -> list[str]:
        """Columns for the keys of objects under a key; names of those inside those are joined."""
        objects = [value if isinstance(value, dict) else {} for value in values]
        inner = dict.fromkeys(name for value in objects for name in value)
        names = []
        for each in inner:
            name = f"{key}.{each}" if plain(each) not in _LABELS or plain(key) in _BOXES else each
            if name in self._columns or any(name in record for record in self._records[:1]):
                name = f"{key}.{each}"
            self._columns[name] = [value.get(each) for value in objects]
            names.append(name)
        return names

    def _check_shapes(self, key: str, box: str) -> None:
        for name in (name for name in self.names if plain(name).endswith(plain(key))):
            for row, shape in enumerate(self.column(name)):
                if shape is not None and shape != box:
                    self.faults[row] = f"{printable(name)} is {shown(shape)}, not {box}"

    def _add_corners(self, key: str) -> None:
        """Two points, in any order, as corners."""
        values = self.column(key)
        flat = [
            [*value[0], *value[1]]
            if isinstance(value, list) and list(map(type, value)) == [list, list]
            else value
            for value in values
        ]
        boxes, faults = boxes_of(flat, 4)
        for row in faults:
            self.faults.setdefault(row, f"{printable(key)} is {shown(values[row])}, not two points")
        ends = boxes.reshape(-1, 2, 2)
        corners = np.concatenate([ends.min(axis=1), ends.max(axis=1)], axis=1)
        for n, name in enumerate(_CORNERS):
            self._columns[name] = [None if v != v else v for v in corners[:, n].tolist()]
            self.names.append(name)

    def _mode(self, key: str) -> BoxFormat:
        """What detectron2's bbox_mode says; BoxError for what is not corners or sizes."""
        modes = {
            str(value).rpartition(".")[2] if isinstance(value, str) else value
            for value in self.column(key)
            if not isinstance(value, (list, dict))
        }
        if len(modes) == 1 and (mode := modes.pop()) in _MODES:
            return _MODES[mode]
        row = next((n for n, value in enumerate(self.column(key)) if value not in _MODES), 0)
        raise BoxError(
            f"{self._source.where(row)}: {printable(key)} is {shown(self.column(key)[row])}: it "
            "must be 0 (x1, y1, x2, y2) or 1 (x, y, width, height), the same for all; "
            "fractions (2, 3) go without it and with --normalized, and 4 is rotated"
        )


_LABELS: Final = frozenset(map(plain, SPELLINGS["label"]))
_BOXES: Final = _NESTED - {"regionattributes"}


def _document(
    value: object,
    name: str,
    reading: Reading,
    lines: NDArray[np.int64] | None = None,
    first: int = 0,
) -> Document:
    """The records of a JSON value, by the row of PRODUCERS that it fits, or as they lie.

    lines: of each element of the value, where it is a list of lines. first: the number of the
    first of them.
    """
    for producer in PRODUCERS:
        entries = producer.entries(value)
        if entries is not None:
            return _from_entries(producer, entries, name, reading, lines, first)
    if isinstance(value, dict) and value and all(map(_holds_boxes, value.values())):
        return _by_image(list(value.items()), "json lists by name")
    if not isinstance(value, list):
        keys = f" with {listing(list(value))}" if isinstance(value, dict) else ""
        raise BoxError(
            f"{name} holds {shown(value)}{keys}: boxes are a list, or an object with boxes or "
            "(COCO) annotations"
        )
    kinds = set(map(type, value))
    depth = _depth(value) if kinds == {list} else 0
    if depth == 4:  # images, classes, boxes
        images = [(None, list(_by_class(classes, name))) for classes in value]
        return _by_image(images, "mmdetection's results", first, lines)
    if depth == 3 and lines is None:
        innermost = next((len(box) for boxes in value for box in boxes if box), 0)
        if innermost == 5:
            return _by_image([(None, list(_by_class(value, name)))], "mmdetection's results")
        return _by_image([(None, boxes) for boxes in value], "json lists by image")
    if kinds == {dict}:
        keys_of_all = set().union(*set(map(frozenset, value)))
        format = "coco results" if keys_of_all >= _COCO_RESULT_KEYS else "json objects"
        return Document(records=value, format=format, lines=lines)
    return Document(records=value, format="json list", origin="default", lines=lines)


def _holds_boxes(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, (list, dict)) for each in value[:1])


def _depth(value: list[Any]) -> int:
    """How deep lists are nested, as far as the first number."""
    inner = (_depth(each) for each in value if isinstance(each, list) and each)
    return 1 + next((depth for depth in inner if depth), 0)


def _by_class(classes: list[Any], name: str) -> Iterable[tuple[list[Any], int]]:
    for label, boxes in enumerate(classes):
        if not isinstance(boxes, list):
            raise BoxError(f"{name}: class {label} is {shown(boxes)}, not a list of boxes")
        for box in boxes:
            yield box, label


def _by_image(
    images: Sequence[tuple[str | None, list[Any]]],
    format: str,
    first: int = 0,
    lines: NDArray[np.int64] | None = None,
) -> Document:
    """Lists of boxes, or of boxes with their class, for each image by its name or position."""
    classes = format.startswith("mmdet")
    document = Document(records=[], format=format, origin="default", score_last=classes)
    identities: list[Any] = []
    labels: list[Any] = []
    counts = []
    for n, (key, boxes) in enumerate(images):
        identities += [first + n if key is None else key] * len(boxes)
        counts.append(len(boxes))
        document.records += [box for box, _ in boxes] if classes else boxes
        labels += [label for _, label in boxes] if classes else []
    if classes:
        document.columns["label"] = labels
    if lines is not None:
        document.lines = np.repeat(lines, counts)
    _name_images(document, "name", identities, all(key is None for key, _ in images), len(images))
    return document


def _name_images(
    document: Document, key: str, identities: list[Any], by_position: bool, count: int
) -> None:
    """Add the column of images; one image by its position only names none."""
    if by_position:
        if count == 1:
            return
        key, document.image_kind, document.entries = "position", "position", count
    document.columns[key] = identities
    document.image = key


def _from_entries(
    producer: Producer,
    entries: Entries,
    name: str,
    reading: Reading,
    lines: NDArray[np.int64] | None,
    first: int,
) -> Document:
    document = Document(records=[], format=producer.name, producer=producer)
    beside: dict[str, list[Any]] = {}
    counts = []
    for key, entry in entries:
        where = f"{name}: {printable(key)}" if key is not None else name
        its_key, records = producer.records_of(entry)
        if not isinstance(records, list):
            raise BoxError(f"{where}: {its_key} is {shown(records)}, not a list")
        if producer.arrays:
            for column, values in _arrays(entry, its_key, len(records), where):
                beside.setdefault(column, [None] * len(document.records)).extend(values)
            if "box_format" in entry:
                document.box_format = _box_format(entry["box_format"], name)
        document.records += records
        counts.append(len(records))
        for values in beside.values():
            values += [None] * (len(document.records) - len(values))
    if producer.arrays:
        document.origin = "default" if document.box_format is None else "key box_format"
    document.columns = beside
    if lines is not None:
        document.lines = np.repeat(lines, counts)
    if len(entries) == 1 and "images" in entries[0][1]:
        document.coco = coco_of(entries[0][1], name)
    elif not any(plain(column) in _IMAGE_NAMES or plain(column) == "imageid" for column in beside):
        _identify(document, entries, counts, reading, name, first)
    if document.coco is not None:
        document.sizes = document.coco.sizes
    return document


def _identify(
    document: Document,
    entries: Entries,
    counts: Sequence[int],
    reading: Reading,
    name: str,
    first: int,
) -> None:
    """The image of each entry: by an id, a file name, its key in the document, or its position."""
    keys = [{plain(key): key for key in entry} for _, entry in entries]

    def values(wanted: Sequence[str]) -> tuple[str, list[Any]] | None:
        for each in wanted:
            found = [
                entry.get(its[each]) if each in its else None
                for its, (_, entry) in zip(keys, entries, strict=True)
            ]
            if all(type(value) in (str, int, float) for value in found):
                return keys[0][each], found
        return None

    by_hand = None if reading.image is None else values([plain(reading.image)])
    ids, names = values(["imageid"]), values(_IMAGE_NAMES)
    mapped = None if any(key is None for key, _ in entries) else ("name", [k for k, _ in entries])
    chosen = by_hand or ids or names or mapped
    if chosen is None:
        some = [n for n, its in enumerate(keys) if set(its) & {*_IMAGE_NAMES, "imageid"}]
        scalar = [n for n in some if not isinstance(entries[n][1].get("image"), dict)]
        if scalar and len(entries) > 1:
            row = next((n for n in range(len(entries)) if n not in some), scalar[0])
            raise BoxError(f"{name}: image {row} of the list has no name, which others have")
        chosen = ("position", [first + n for n in range(len(entries))])
    key, identities = chosen
    if plain(key) == "cocourl":
        identities = [str(each).rpartition("/")[2] for each in identities]
    repeated = [i for i, n in zip(identities, counts, strict=True) for _ in range(n)]
    _name_images(document, key, repeated, key == "position", len(entries))
    images: dict[str, CocoImage] = {}
    for n, (identity, its, (_, entry)) in enumerate(zip(identities, keys, entries, strict=True)):
        size = [entry.get(its.get(side) or its.get(f"image{side}")) for side in ("height", "width")]
        height, width = (each if isinstance(each, int) else None for each in size)
        text = str(int(identity) if isinstance(identity, float) else identity)
        if height and width:
            document.sizes[text] = height, width
        images.setdefault(text, CocoImage(n, file_name_of(entry), height, width))
    if chosen is ids and names is not None:
        document.coco = Coco(name, images, {})


def _arrays(entry: _Object, boxes: str, count: int, where: str) -> Iterable[tuple[str, list[Any]]]:
    """The columns beside the boxes of an entry; a single value is every box's."""
    met = set()
    for key, values in entry.items():
        column = PLURALS.get(key, key)
        if key == boxes or plain(column) not in COLUMN_NAMES:
            continue
        if not isinstance(values, list):
            if plain(column) not in _IMAGE_NAMES and plain(column) != "imageid":
                yield column, [values] * count
            continue
        if column in met:
            raise BoxError(f"{where}: {printable(key)} is there twice: keep one")
        met.add(column)
        if len(values) != count:
            raise BoxError(f"{where}: {printable(key)} has {len(values)} values for {count} boxes")
        yield column, values


def _box_format(value: object, name: str) -> BoxFormat:
    for known in BOX_FORMATS:
        if value == known:
            return known
    raise BoxError(f"{name}: box_format is {shown(value)}: choose from {', '.join(BOX_FORMATS)}")
