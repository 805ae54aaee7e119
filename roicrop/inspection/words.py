"""Reports on files in lines of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import singledispatch
from itertools import chain, islice
from typing import Final

from roicrop.conventions.in_words import OPERATORS
from roicrop.inspection.boxes import BoxFile
from roicrop.inspection.files import Together
from roicrop.inspection.made import ModelFile, ModelNode, PooledFile
from roicrop.inspection.maps import FeatureFile, MapDataset, Range, Values
from roicrop.text import headed, listing, many, printable

_IN_FULL: Final = 5  # datasets described one by one
_NAMED: Final = 5  # images, labels and the like that are listed
_TOLD: Final = frozenset({"roicrop_version", "operator", "features", "dataset", "boxes", "images"})


@singledispatch
def in_words(report: FeatureFile | PooledFile | BoxFile | ModelFile | Together) -> Iterator[str]:
    """Describe a report: a heading, then lines with a name and a text each."""
    raise TypeError(report)


@in_words.register
def _(file: FeatureFile) -> Iterator[str]:
    yield f"{file.path}: {file.format}, {_bytes(file.size)}"
    yield _line("taken as", file.taken_as or _choice(file))
    yield from _odd(file.odd)
    for dataset in file.datasets[:_IN_FULL]:
        yield f"  {dataset.path}"
        for heading, text in _dataset(dataset):
            yield f"  {_line(heading, text)}"
    yield from _other_datasets(file.datasets[_IN_FULL:])
    if file.more_datasets:
        yield f"  and {file.more_datasets:,} more, which were not read"


@in_words.register
def _(file: ModelFile) -> Iterator[str]:
    operators = many(len(file.nodes), "RoI operator")
    yield f"{file.path}: {file.program} model, {_bytes(file.size)}, {operators}"
    for node in file.nodes:
        yield f"  {node.name}"
        for heading, text in _node(node):
            yield f"  {_line(heading, text)}"


@in_words.register
def _(file: PooledFile) -> Iterator[str]:
    version = file.parameters.get("roicrop_version")
    by = "a tensor of pooled boxes" if version is None else f"pooled by roicrop {version}"
    yield f"{file.path}: {by}, {_bytes(file.size)}"
    said = dict(file.parameters)
    if file.convention:
        changes = [f"{rule} {ran} (instead of {own})" for rule, (own, ran) in file.changed.items()]
        but = f", but {', '.join(changes)}" if changes else ""
        operator = {str(op): name for op, name in OPERATORS.items()}.get(
            str(said.get("operator")), "pooled"
        )
        yield _line("made by", f"{operator} by the convention {file.convention}{but}")
    for name in ("features", "dataset", "boxes", "images"):
        if name in said:
            yield _line(name, str(said[name]))
    rest = [
        f"{name.replace('_', ' ')} {_parameter(value)}"
        for name, value in said.items()
        if name not in _TOLD and value is not False
    ]
    if rest:
        yield _line("with", ", ".join(rest))
    yield _line("pooled", f"{_times(file.shape)} {file.dtype}")
    if file.columns:
        yield _line("beside it", ", ".join(file.columns))
    yield _line("values", _values(file.values))
    yield from _odd(file.odd)


@in_words.register
def _(file: BoxFile) -> Iterator[str]:
    name = "standard input" if file.path == "-" else file.path
    size = "" if file.size is None else f", {_bytes(file.size)}"
    yield f"{name}: {many(file.count, 'box', 'boxes')}, {file.format}{size}"
    order = f"{file.box_format} ({file.box_format_origin})"
    yield _line("coordinates", f"{order}{_ranges({'x': file.x, 'y': file.y})}")
    if file.width and file.height:
        yield _line("sizes", f"{_range(file.width)} wide, {_range(file.height)} high")
    counts = {
        "with zero size": file.zero_size,
        "reversed": file.reversed,
        "not finite": file.not_finite,
    }
    yield _line("degenerate", ", ".join(f"{n:,} {what}" for what, n in counts.items() if n) or "0")
    yield _line("outside", _outside(file))
    if file.image_key:
        count, images = _boxes_each(file.images, file.more_images, file.file_names)
        yield _line("images", f"{count}, by {file.image_key}: {images}")
    else:
        yield _line("images", "not named")
    if "id" in file.columns:
        yield _line("id", "one per box")
    if "score" in file.columns:
        yield _line("score", _range(file.score) if file.score else "no number")
    if "label" in file.columns:
        yield _line("label", ": ".join(_boxes_each(file.labels, file.more_labels, file.categories)))
    yield from _odd(file.odd)


@in_words.register
def _(pair: Together) -> Iterator[str]:
    boxes = "standard input" if pair.boxes == "-" else pair.boxes
    but = f", except for {many(pair.beyond, 'box', 'boxes')}" if pair.beyond else ""
    yield f"{pair.features} with {boxes}: they {f'fit{but}' if pair.fits else 'do not fit'}"
    if pair.problem:
        yield _line("problem", pair.problem)
        return
    have = f"boxes are on {pair.images_with_boxes:,} of {pair.images:,}"
    yield _line("images", f"{have}; {pair.matched}")
    if pair.missing:
        reasons = [f"{image!r}: {why}" for image, why in pair.missing.items()]
        yield _line(
            "missing",
            f"{many(pair.on_no_image, 'box', 'boxes')} on no image: {_some(reasons, '; ')}",
        )
    if pair.scales:
        yield _line("stride", _some([f"{s['stride']:g} ({s['origin']})" for s in pair.scales]))
    yield _line("on the map", _on_map(pair))
    for warning in pair.warnings:
        yield _line("warning", warning)


def _choice(file: FeatureFile) -> str:
    """What to give a command instead of a file that it cannot read."""
    if len(file.sources) <= 1:
        return f"nothing: {file.problem}"
    return f"nothing by itself: choose {_some(file.sources, ' or ')}"


def _dataset(dataset: MapDataset) -> Iterator[tuple[str, str]]:
    height, width = dataset.map_size
    yield "shape", f"{dataset.shape} {dataset.dtype}"
    images = many(dataset.images, "image")
    yield (
        "layout",
        f"{dataset.layout} ({dataset.layout_origin}): {images} of "
        f"{many(dataset.channels, 'channel')}, "
        f"{height}×{width} cells",
    )
    if dataset.stride is not None:
        pixels = f"{height * dataset.stride:g}×{width * dataset.stride:g} pixels"
        yield "stride", f"{dataset.stride:g} ({dataset.stride_origin}): {pixels}"
    if dataset.input_scale is not None:
        y, x = dataset.input_scale
        yield "input scale", f"{x:g} along x, {y:g} along y"
    yield from _stored(dataset)
    for text in dataset.odd:
        yield "odd", text


def _other_datasets(datasets: Sequence[MapDataset]) -> Iterator[str]:
    """A line for each of the remaining datasets, and their oddities, each once."""
    for dataset in datasets:
        yield f"  {dataset.path}  {', '.join(text for _, text in _in_short(dataset))}"
    times = Counter(chain.from_iterable(dict.fromkeys(dataset.odd) for dataset in datasets))
    first = {text: dataset.path for dataset in reversed(datasets) for text in dataset.odd}
    for text, count in times.items():
        where = first[text] if count == 1 else f"{count:,} of these, the first {first[text]}"
        yield f"  {_line('odd', f'{where}: {text}')}"


def _in_short(dataset: MapDataset) -> Iterator[tuple[str, str]]:
    """The facts of `_dataset`, without their origins and consequences."""
    yield "shape", f"{dataset.shape} {dataset.dtype} {dataset.layout}"
    if dataset.stride is not None:
        yield "stride", f"stride {dataset.stride:g}"
    yield from _stored(dataset)


def _stored(dataset: MapDataset) -> Iterator[tuple[str, str]]:
    chunks = f"chunks of {_times(dataset.chunks)}" if dataset.chunks else "contiguous"
    packed = "" if dataset.compression == "none" else f", {dataset.compression}"
    elsewhere = f", in {listing(dataset.files)}" if dataset.files else ""
    yield "stored", chunks + packed + elsewhere
    yield "read", dataset.way
    if dataset.unreadable:
        yield "values", dataset.unreadable
    elif dataset.values:
        yield "values", _values(dataset.values)


def _values(values: Values) -> str:
    looked_at = f"all {values.of:,}"
    if values.is_sample:
        looked_at = f"a sample, {values.looked_at:,} of {values.of:,}"
    if values.minimum is None or values.maximum is None:
        return f"no finite value ({looked_at})"
    return f"{_range((values.minimum, values.maximum))}, mean {values.mean:.6g} ({looked_at})"


def _outside(file: BoxFile) -> str:
    if file.image_sizes is None:
        left = file.outside_partly + file.outside_wholly
        return f"{left:,} begin left of or above the image, whose size is unknown"
    return (
        f"{file.outside_partly:,} partly, {file.outside_wholly:,} wholly outside the image, whose "
        f"size is from {file.image_sizes}"
    )


def _on_map(pair: Together) -> str:
    counts = {"partly outside": pair.outside_partly, "wholly outside": pair.outside_wholly}
    text = ", ".join(
        [
            f"{pair.on_map:,} of {many(pair.count, 'box', 'boxes')}",
            *(f"{count:,} {what}" for what, count in counts.items() if count),
        ]
    )
    if any(counts.values()):
        text += f"; {pair.beyond:,} by more than a cell"
    if pair.beyond and pair.stride_that_fits is not None and not pair.warnings:
        text += f": --stride {pair.stride_that_fits} would fit them all"
    return text


def _boxes_each(counts: Mapping[str, int], more: int, known: Mapping[str, str]) -> tuple[str, str]:
    """The number of names; and the first few, with what is known of them and their boxes."""
    texts = [
        f"{name}{f' {known[name]}' if known.get(name) else ''} ({many(n, 'box', 'boxes')})"
        for name, n in islice(counts.items(), _NAMED)
    ]
    count = len(counts) + more
    others = f" and {count - len(texts):,} more" if count > len(texts) else ""
    return f"{count:,}", ", ".join(texts) + others


def _parameter(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return "×".join(map(_parameter, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _line(heading: str, text: str) -> str:
    return f"  {headed(heading, text)}"


def _odd(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield _line("odd", text)


def _range(ends: Range) -> str:
    low, high = ends
    return f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"


def _ranges(axes: Mapping[str, Range | None]) -> str:
    texts = [f"{axis} {_range(ends)}" for axis, ends in axes.items() if ends]
    return f": {', '.join(texts)}" if texts else ""


def _some(texts: Sequence[str], between: str = ", ") -> str:
    shown = between.join(texts[:_NAMED])
    return shown if len(texts) <= _NAMED else f"{shown} and {len(texts) - _NAMED:,} more"


def _times(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))


def _node(node: ModelNode) -> Iterator[tuple[str, str]]:
    yield "operator", f"{node.operator}, opset {node.opset}"
    for name, value in node.attributes.items():
        yield "", f"{name} = {printable(value)}{' (default)' if name in node.defaulted else ''}"
    if node.stride:
        yield "stride", f"{', '.join(f'{stride:g}' for stride in node.stride)} pixels per cell"
    if node.differs:
        yield "computes", "what no known convention does"
        yield "nearest", f"{node.convention}, but {node.differs}"
    else:
        yield "computes", f"convention {node.convention}"
        yield "command", node.command
    for sentence in node.surprises:
        yield "surprise", sentence


def _bytes(size: int) -> str:
    return many(size, "byte")
