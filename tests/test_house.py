"""The house stays in order: imports point one way."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "roicrop"

# From the ground up. A room may import from the lines above its own.
FLOORS = (
    ("errors", "precision", "text"),
    ("conventions",),
    ("sampling",),
    ("kernels",),
    ("operators",),
    ("features", "boxes", "outputs", "models"),
    ("job",),
    ("explanation",),
    ("draw",),
    ("comparison", "identification", "inspection"),
    ("cli",),
    ("__main__",),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Every module of roicrop that a file imports, wherever in it, and the line."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [_module(node.module or "", alias.name) for alias in node.names]
        else:
            continue
        yield from ((node.lineno, name) for name in names if name.startswith("roicrop."))


def _module(package: str, name: str) -> str:
    """The module that `from package import name` reads: the package, unless the name is one."""
    folder = ROOT / package.replace(".", "/")
    inner = (folder / f"{name}.py").exists() or (folder / name / "__init__.py").exists()
    return f"{package}.{name}" if inner else package


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_from_no_room_above_its_own(path: Path) -> None:
    room = room_of(path)
    assert room in FLOOR, f"give {room} a place in FLOORS, and in CONTRIBUTING.md"
    for line, name in imported(path):
        other = name.split(".")[1]
        below = FLOOR[other] < FLOOR[room] or other == room
        assert below, f"{path}:{line} imports {name}, which is not below {room}"
