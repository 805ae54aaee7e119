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
    return rng.choice((["inspect", name], ["identify", "maps.h5", "b.csv", name]))


def _array(rng: random.Random, folder: Path) -> list[str]:
    name, data = rng.choice(list(seeds.arrays().items()))
    (folder / name).write_bytes(damaged(data, rng))
    return _command(rng, name, "b.csv", "--stride", "8")


def _model(rng: random.Random, folder: Path) -> list[str]:
    name, data = rng.choice(list(seeds.models().items()))
    (folder / name).write_bytes(damaged(data, rng))
    return ["inspect", name]


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
    "crops": (2, _crops),
    "api": (10, _api),
}
_COMMANDS: Final[Sequence[list[str]]] = (
    ["align", "-o", "o.h5"], ["align", "-o", "o.npy"], ["pool", "-o", "o.npz"], ["inspect"],
    ["inspect"], ["inspect", "--json"], ["explain", "--box", "0"], ["explain", "--json"],
    ["show", "-o", "p.png", "--box", "0"], ["compare", "--with", "detectron2"],
)  # fmt: skip
_OPTIONS: Final[Sequence[list[str]]] = (
    [], [], ["--json"], ["--on-bad-box", "drop"], ["--stride", "8"], ["--min-score", "0.1"],
    ["--compression", "gzip"], ["--layout", "NHWC"], ["--label", "cat"], ["--normalized"],
    ["--convention", "tensorflow"], ["--sampling-ratio", "adaptive", "--output-size", "3x2"],
)  # fmt: skip
