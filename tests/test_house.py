"""The house stays in order: imports point one way, rooms have one door, tests are short."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "roicrop"
MOST_LINES = 450  # of a file of tests
MOST_LINES_OF = {"boxes": 1900, "features": 1300}  # of a room: producers and layouts are tables

# From the ground up. A room may import from the lines above its own.
FLOORS = (
    ("precision", "text", "undisturbed"),
    ("errors",),
    ("files", "crews"),
    ("chunks", "conventions"),
    ("sampling",),
    ("kernels", "arguments"),
    ("operators",),
    ("features", "boxes", "outputs", "models"),
    ("job",),
    ("explanation",),
    ("draw",),
    ("comparison", "explorer", "identification", "inspection"),
    ("kinds",),
    ("questions",),
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


def test_a_room_is_entered_by_its_door() -> None:
    """What others may use, a package's __init__ hands on; only tests look behind it."""
    places = [PACKAGE, ROOT / "docs", ROOT / "benchmarks", ROOT / "sample_data"]
    behind = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for place in places
        for path in sorted(place.rglob("*.py"))
        for line, name in imported(path)
        if name.count(".") > 1
        and (place != PACKAGE or room_of(path) != name.split(".")[1])
        and not handed_on(name)
    ]
    assert not behind, "\n".join(behind)


def handed_on(name: str) -> bool:
    """Whether a package's __init__ lists this module of its own as one for others."""
    package, _, module = name.rpartition(".")
    door = ast.parse((ROOT / package.replace(".", "/") / "__init__.py").read_text("utf-8"))
    return any(
        isinstance(node, ast.Constant) and node.value == module
        for statement in door.body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__"
        for node in ast.walk(statement.value)
    )


def test_readers_of_plans_ask_the_plan_and_not_which_operator_it_is() -> None:
    """A second kind of plan is one class: only where plans are made and applied are there kinds."""
    asks = re.compile(r"\b(SeparablePlan|AxisPlan|GridTerms)\b|\bplan\.[yx]\b|\.operator [!=]= ")
    asking = [
        f"{path.relative_to(ROOT)}:{number} {line.strip()}"
        for path in MODULES
        if room_of(path) not in ("conventions", "sampling", "kernels", "operators", "cli", "models")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if asks.search(line)
    ]
    assert not asking, "\n".join(asking)


def test_no_file_of_tests_is_long() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if (lines := len(path.read_text("utf-8").splitlines())) > MOST_LINES
    }
    assert not long


@pytest.mark.parametrize("room", MOST_LINES_OF)
def test_a_boundary_of_formats_stays_small(room: str) -> None:
    lines = sum(
        len(path.read_text("utf-8").splitlines()) for path in (PACKAGE / room).rglob("*.py")
    )
    assert lines <= MOST_LINES_OF[room]
