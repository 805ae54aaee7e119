"""One random case: damaged inputs in a folder, and a command line to run on them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from roicrop.conventions import PLAIN
from tests.fuzz import seeds
from tests.fuzz.mutate import damaged, edited


@dataclass(frozen=True)
class Case:
    """A command line and its folder.

    inputs: the files that are there before. outputs: those that must be whole or absent.
    """

    kind: str
    folder: Path
    arguments: list[str]
    inputs: frozenset[str]
    outputs: frozenset[str]


def cases(rng: random.Random, folder: Path) -> Case:
    """A case of a random kind in that empty folder."""
    (kind,) = rng.choices([*_KINDS], [often for often, _ in _KINDS.values()])
    _, make = _KINDS[kind]
    (folder / "b.csv").write_text(seeds.TEXTS["b.csv"])
    (folder / "maps.h5").write_bytes(seeds.features())
    arguments = make(rng, folder)
    return Case(
        kind=kind,
        folder=folder,
        arguments=arguments,
        inputs=frozenset(path.name for path in folder.iterdir()),
        outputs=frozenset({"o.h5", "o.npy", "o.npz", "p.png"}),
    )


def _hdf5(rng: random.Random, folder: Path) -> list[str]:
    (folder / "maps.h5").write_bytes(damaged(rng.choice(seeds.hdf5_seeds()), rng))
    return _command(rng, "maps.h5", "b.csv")


def _text(rng: random.Random, folder: Path) -> list[str]:
    name, text = rng.choice(list(seeds.TEXTS.items()))
    data = edited(text, rng).encode("utf-8", "surrogatepass")
    if rng.random() < 0.5:
        data = damaged(data, rng)
    if rng.random() < 0.1:
        data = data.decode("utf-8", "replace").encode("utf-16")
    (folder / name).write_bytes(data)
    return _command(rng, "maps.h5", name)


def _manifest(rng: random.Random, folder: Path) -> list[str]:
    name, text = rng.choice(list(seeds.MANIFESTS.items()))
    data = edited(text, rng).encode("utf-8", "surrogatepass")
    (folder / name).write_bytes(damaged(data, rng) if rng.random() < 0.3 else data)
    return ["batch", name, "-o", "out"]


def _tensor(rng: random.Random, folder: Path) -> list[str]:
    name, data = rng.choice(list(seeds.tensors().items()))
    (folder / name).write_bytes(damaged(data, rng))
    how = rng.choice(([], ["--json"], ["--stride", "8", "--output-size", "3"]))
    return rng.choice((["inspect", name], ["identify", "maps.h5", "b.csv", name, *how]))


def _array(rng: random.Random, folder: Path) -> list[str]:
    name, data = rng.choice(list(seeds.arrays().items()))
    (folder / name).write_bytes(damaged(data, rng))
    return _command(rng, name, "b.csv", "--stride", "8")


def _model(rng: random.Random, folder: Path) -> list[str]:
    name, data = rng.choice(list(seeds.models().items()))
    (folder / name).write_bytes(damaged(data, rng))
    return ["inspect", name]


def _blocks(rng: random.Random, folder: Path) -> list[str]:
    """Text that is read a few lines at a time, as that of large files is: see `judge`."""
    name, text = rng.choice(list(seeds.TEXTS.items()))
    head, _, rows = text.partition("\n")
    many = f"{head}\n{edited(rows, rng)}" + edited(rows, rng) * rng.choice((1, 3, 30))
    (folder / name).write_bytes(many.encode("utf-8", "surrogatepass"))
    return _command(rng, "maps.h5", name)


def _boxes(rng: random.Random, folder: Path) -> list[str]:
    (folder / "boxes.h5").write_bytes(damaged(rng.choice(seeds.hdf5_boxes()), rng))
    return _command(rng, "maps.h5", rng.choice(("boxes.h5", "boxes.h5::/boxes")))


def _index(rng: random.Random, folder: Path) -> list[str]:
    (folder / "out").mkdir()
    for name, data in seeds.batch().items():
        its = damaged(data, rng) if rng.random() < 0.4 else data
        if rng.random() < 0.95:
            (folder / "out" / name).write_bytes(its)
    if rng.random() < 0.3:
        (folder / "m.csv").write_text(seeds.MANIFESTS["m.csv"].replace("two.npy", "two.h5"))
        return ["batch", "m.csv", "-o", "out", *rng.choice(([], ["--overwrite"]))]
    return ["index", "out", "-o", "o.h5", *rng.choice(([], ["--json"]))]


def _images(rng: random.Random, folder: Path) -> list[str]:
    """A COCO file beside the boxes."""
    text = edited(seeds.TEXTS["coco.json"], rng)
    (folder / "i.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    (folder / "records.json").write_text(seeds.TEXTS["results.json"])
    (folder / "maps.h5").write_bytes(rng.choice(seeds.hdf5_seeds()))
    return ["align", "maps.h5", "records.json", "--images", "i.json", "-o", "o.h5"]


def _command(rng: random.Random, features: str, boxes: str, *more: str) -> list[str]:
    command = rng.choice(_COMMANDS)
    given = (
        [features, boxes]
        if command[0] != "inspect"
        else rng.choice(([features, boxes], [features], [boxes]))
    )
    options = rng.choice(_OPTIONS) if command[0] in ("align", "pool") else []
    return [command[0], *given, *command[1:], *options, *more]


def _crops(rng: random.Random, folder: Path) -> list[str]:
    return ["crops", rng.choice(sorted(PLAIN)), str(rng.getrandbits(32))]


def _api(rng: random.Random, folder: Path) -> list[str]:
    return ["api", str(rng.getrandbits(32))]


# How often each comes; crops take fifty times as long as the others.
_KINDS: Final[Mapping[str, tuple[int, Callable[[random.Random, Path], list[str]]]]] = {
    "hdf5": (30, _hdf5),
    "text": (30, _text),
    "manifest": (15, _manifest),
    "tensor": (15, _tensor),
    "array": (15, _array),
    "model": (10, _model),
    "blocks": (15, _blocks),
    "boxes": (8, _boxes),
    "index": (10, _index),
    "images": (8, _images),
    "crops": (2, _crops),
    "api": (10, _api),
}
_COMMANDS: Final[Sequence[list[str]]] = (
    ["align", "-o", "o.h5"], ["align", "-o", "o.npy"], ["pool", "-o", "o.npz"], ["inspect"],
    ["inspect"], ["inspect", "--json"], ["explain", "--box", "0"], ["explain", "--json"],
    ["show", "-o", "p.html"], ["show", "-o", "pictures", "--both", "--viz-boxes", "0-2"],
    ["explain", "--box", "0", "--format", "csv"], ["compare", "--json", "--with", "tensorflow"],
    ["inspect", "--safe"], ["show", "-o", "p.png", "--box", "0"],
    ["compare", "--with", "detectron2"],
)  # fmt: skip
_OPTIONS: Final[Sequence[list[str]]] = (
    [], [], ["--json"], ["--on-bad-box", "drop"], ["--stride", "8"], ["--min-score", "0.1"],
    ["--compression", "gzip"], ["--layout", "NHWC"], ["--label", "cat"], ["--normalized"],
    ["--reduce", "mean"], ["--reduce", "max", "--dtype", "float16"], ["--memory", "1MB"],
    ["--on-bad-box", "zero"], ["--on-bad-box", "keep"], ["--top-k", "1"], ["--inclusive"],
    ["--columns", "image,x1,y1,x2,y2"], ["--box-format", "xywh"], ["--box-format", "cxcywha"],
    ["--images", "coco.json"], ["--on-image", "0"], ["--ids-are-indices"], ["--angle", "radians"],
    ["--image-size", "80x96"], ["--boxes-format", "csv"], ["--viz", "pictures"],
    ["--convention", "tensorflow"], ["--sampling-ratio", "adaptive", "--output-size", "3x2"],
)  # fmt: skip
