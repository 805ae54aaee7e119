"""The content of a page: a job's boxes, maps and photographs as JSON."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from roicrop import __version__
from roicrop.conventions import (
    ALIGNED_OFFSET,
    COMMANDS,
    CONVENTIONS,
    Convention,
    in_words,
    overrides,
)
from roicrop.draw import colour
from roicrop.errors import ArgumentError, BoxError
from roicrop.job import OPTIONS, Job, Photo, Photos, convention_options, option_words
from roicrop.precision import coordinate_dtype
from roicrop.text import plain, printable

Record = dict[str, Any]
MOST_BINS: Final = 32  # along an axis: each bin is a cell of a table on the page


@dataclass(frozen=True)
class Options:
    """What a page shows first.

    channel, bin: None means channel 0, and the bin with the largest value.
    photo: the image's file, instead of the one named in the files.
    boxes: indices of boxes in their file; None means all.
    """

    channel: int | None = None
    bin: tuple[int, int] | None = None
    photo: str | None = None
    boxes: Sequence[range] | None = None


class Content:
    """The boxes of a job with their maps and photographs, image by image.

    beside: a convention that the page first shows beside the job's own.

    Raises BoxError for a box that does not exist or cannot be shown, and ArgumentError for a
    channel, bin, output size or photograph of that kind.
    """

    def __init__(self, job: Job, beside: Convention | None, options: Options) -> None:
        job.check_channel(options.channel)
        job.check_bin(options.bin)
        row = job.convention
        conventions = [row, *([] if beside is None else [beside])]
        job.check_pair(conventions)
        if row.position_sensitive:
            raise ArgumentError(
                f"a page does not support {in_words.OPERATORS[row.operator]}: "
                "draw pictures, with a PLACE that is a folder or ends in .png"
            )
        if max(job.request.output_size) > MOST_BINS:
            raise ArgumentError(
                f"a page shows at most {MOST_BINS} bins along an axis: give a smaller --output-size"
            )
        self._job = job
        self._conventions = conventions
        self._options = options
        self._rows = job.drawable(options.boxes, None)
        if not len(self._rows):
            raise BoxError(f"{job.table.source.name} has no box to show that can be pooled")
        self._photos = Photos(options.photo)
        self._photos.check(job.placed(self._rows))
        self._others = [
            each
            for each in CONVENTIONS.values()
            if each.turned == row.turned and not each.position_sensitive
        ]
        self.by_rule = _jobs_by_rule(job, self._others)
        images = job.image_index[self._rows]
        self.images = list(dict.fromkeys(images.tolist()))
        self._of_image = {i: self._rows[images == i] for i in self.images}
        self.channels = self._channels()

    def head(self) -> Record:
        """Everything that does not belong to a single box, map or image."""
        job, options = self._job, self._options
        given = [
            _convention(each, f"given{n}") for n, each in enumerate(_changed(self._conventions))
        ]
        keys = {each["name"]: each["key"] for each in given}
        return {
            "version": __version__,
            "features": printable(f"{job.source.path}::{job.source.dataset}"),
            "source": printable(job.table.source.name),
            "dtype": job.source.dtype.name,
            "coordinates": coordinate_dtype(job.source.dtype).__name__,
            "normalized": job.request.normalized,
            "angle": job.convention.angle,
            "output_size": job.request.output_size,
            "most_bins": MOST_BINS,
            "defaults": {
                field.name: field.default
                for field in dataclasses.fields(Convention)
                if field.default is not dataclasses.MISSING
            },
            "aligned_offset": ALIGNED_OFFSET,
            "conventions": [
                *given,
                *(_convention(each, each.name) for each in self._others),
            ],
            "start": {
                "conventions": [keys.get(each.name, each.name) for each in self._conventions],
                "bin": options.bin,
                "channel": options.channel or 0,
            },
            "command": {
                "features": job.request.features if job.request.maps is None else None,
                "boxes": job.request.boxes if job.request.given is None else "-",
                "options": option_words(job.request, [n for n in OPTIONS if n not in _NOT_OF_BOX]),
                "of_moved": option_words(job.request, [n for n in OPTIONS if n in _OF_MAPS]),
                "fractions_of": option_words(job.request, ["image_size"]),
                "by_rule": job.level_rule is not None,
                "photo": options.photo,
            },
            "palette": {
                "map": colour.VIRIDIS,
                "bins": [colour.FIRST, colour.SECOND],
                "odd": [colour.NOT_A_NUMBER, colour.INFINITE, colour.MINUS_INFINITE],
            },
        }

    def boxes(self, image: int) -> Iterator[Record]:
        """A record for each box of an image."""
        job, table = self._job, self._job.table
        names = table.coco.categories if table.coco else {}
        for k in self._of_image[image].tolist():
            record: Record = {
                "number": int(table.source_index[k]),
                "image": image,
                "xyxy": job.xyxy_of([k])[0].tolist(),
                "map": {rule: _map_of(each, k) for rule, each in self.by_rule.items()},
            }
            if table.angle is not None:
                record["angle"] = float(table.angle[k])
            if table.id is not None:
                record["id"] = printable(table.id[k])
            if table.label is not None:
                label = str(table.label[k])
                record["label"] = printable(
                    f"{label} {names[label]}" if names.get(label) else label
                )
            if table.score is not None and math.isfinite(table.score[k]):
                record["score"] = float(table.score[k])
            yield record

    def image(self, image: int) -> Record:
        """A record of an image, without its photograph."""
        source = self._job.source
        name = self._job.image_name(image)
        said = name if source.names is not None else image
        return {
            "number": image,
            "name": printable(self._picture(image) or name),
            "on_image": str(said) if source.images > 1 else None,
        }

    def maps(self, image: int) -> Iterator[Record]:
        """A record, without channels, for each map of an image that a box is on."""
        source = self._job.source
        for i in self._maps_of(image):
            frames = next(
                each.frames for each in self.by_rule.values() if i in each.map_index.tolist()
            )
            yield {
                "number": i,
                "level": source.level_names[i % source.levels] if source.level_names else None,
                "size": source.map_size(i),
                "scale": self._job.scale(i).value,
                "input_scale": source.input_scale(i),
                "pixels": frames.pixels[frames.number(i)].tolist(),
            }

    def channel_sizes(self, image: int) -> int:
        """The bytes, as text, of one channel of all maps of an image."""
        source = self._job.source
        sizes = (math.prod(source.map_size(i)) for i in self._maps_of(image))
        return sum(-(-size * source.dtype.itemsize // 3) * 4 + 3 for size in sizes)

    def features(self, images: Sequence[int], channels: Sequence[int]) -> Iterator[list[str]]:
        """Some channels of each map, in the order of `maps`, with their numbers in base 64."""
        source = self._job.source
        numbers = [i for image in images for i in self._maps_of(image)]
        little = source.dtype.newbyteorder("<")
        with closing(source.read_ahead(numbers)) as maps:
            for _, values in maps:
                first = np.moveaxis(values, -1, 0) if source.channels_last else values
                yield [_base64(first[c].astype(little, copy=False).tobytes()) for c in channels]

    def photograph(self, image: int) -> str | None:
        """The photograph of an image as a data URL for HTML, if there is one."""
        photo = self._photo(image)
        if photo is None:
            return None
        small = photo.image.copy()
        small.thumbnail((_MOST_PIXELS, _MOST_PIXELS))
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=88)
        return f"data:image/jpeg;base64,{_base64(buffer.getvalue())}"

    def _photo(self, image: int) -> Photo | None:
        rows = self._of_image[image]
        placed = self._job.placed(rows)[0]
        return self._photos.of(placed, int(placed.rows[0]))

    def _picture(self, image: int) -> str | None:
        table = self._job.table
        if table.coco is not None and table.image is not None:
            row = int(self._of_image[image][0])
            found = table.coco.images.get(str(table.image[row]))
            return found.file_name if found else None
        return None

    def _maps_of(self, image: int) -> list[int]:
        rows = self._of_image[image]
        maps = [_map_of(job, k) for job in self.by_rule.values() for k in rows.tolist()]
        return sorted({i for i in maps if i is not None})

    def _channels(self) -> list[int]:
        """The channels in the order in which they are kept: the one shown, then the others."""
        first = self._options.channel or 0
        return [first, *(c for c in range(self._job.source.channels) if c != first)]


_MOST_PIXELS: Final = 2048  # of a photograph's longer side
_OF_MAPS: Final = (
    "spatial_scale",
    "layout",
    "allow_external",
    "input_scale",
    "levels",
    "strides",
)
_NOT_OF_BOX: Final = ("output_size", "threads", "memory")


def as_text(value: object) -> str:
    """JSON that is safe in a script element: it has no `<` that could end the element."""
    return json.dumps(plain(value), separators=(",", ":")).replace("<", "\\u003c")


def _jobs_by_rule(job: Job, conventions: Sequence[Convention]) -> Mapping[str, Job]:
    """Level rule → the job with its boxes on the maps of that rule; "" if there is no rule."""
    if job.level_rule is None:
        return {"": job}
    found = {job.convention.level_rule: job}
    for row in conventions:
        if row.level_rule not in found:
            try:
                found[row.level_rule] = job.under(row)
            except (ArgumentError, BoxError):
                continue  # the rule refuses these boxes or maps
    return found


def _map_of(job: Job, row: int) -> int | None:
    """The map of a box; None if the rule takes it from none."""
    return int(job.map_index[row]) if job.level[row] >= 0 else None


def _changed(conventions: Sequence[Convention]) -> list[Convention]:
    return [row for row in conventions if overrides(row)]


def _convention(row: Convention, key: str) -> Record:
    """A row for the page: its fields that are not at their defaults, and its names."""
    fields = {
        field.name: getattr(row, field.name)
        for field in dataclasses.fields(row)
        if field.default is not dataclasses.MISSING and getattr(row, field.name) != field.default
    }
    options = [word for pair in convention_options(row).items() for word in pair if word]
    return {
        "key": key,
        "name": row.name,
        "label": " ".join([row.name, *options]),
        "program": row.program,
        "surprise": row.surprise,
        "words": ["--op", COMMANDS[row.operator][0], "--convention", row.name, *options],
        "fields": fields,
    }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
