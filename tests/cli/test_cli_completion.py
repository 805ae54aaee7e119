"""What the shell completes, through click's own protocol."""

from __future__ import annotations

import pytest

from roicrop.cli.main import COMMANDS
from roicrop.conventions import COMMANDS as COMMANDS_OF
from roicrop.conventions import CONVENTIONS
from tests.command_line import run_process

EVERY = list(CONVENTIONS.values())
ALIGN, POOL = (
    list(dict.fromkeys(row.name for row in EVERY if COMMANDS_OF[row.operator][0] == command))
    for command in ("align", "pool")
)


def completed(line: str) -> list[tuple[str, str]]:
    """The kind and the value of each completion of the last word, as bash asks for them."""
    words = line.split(" ")
    environment = {
        "_ROICROP_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    result = run_process(environment=environment)
    assert (result.status, result.err) == (0, "")
    return [(kind, value) for kind, _, value in (c.partition(",") for c in result.out.splitlines())]


def test_commands_are_completed() -> None:
    assert completed("roicrop ") == [("plain", name) for name in COMMANDS]
    assert completed("roicrop con") == [("plain", "conventions")]


@pytest.mark.parametrize(
    "line",
    [
        "roicrop align ma",
        "roicrop align maps.h5 bo",
        "roicrop show maps.h5 ",
        "roicrop identify maps.h5 boxes.csv cro",
        "roicrop inspect one.h5 tw",
        "roicrop align maps.h5 boxes.csv -o cr",
        "roicrop batch jo",
        "roicrop align maps.h5 boxes.csv --photo pi",
        "roicrop align maps.h5 boxes.csv --convention model.on",
    ],
)
def test_files_are_completed_by_the_shell(line: str) -> None:
    assert completed(line) == [("file", line.split(" ")[-1])]


def test_conventions_are_completed_for_the_operator() -> None:
    files = "maps.h5 boxes.csv"
    assert completed(f"roicrop align {files} --convention ") == [("plain", n) for n in ALIGN]
    assert completed(f"roicrop pool {files} --convention ") == [("plain", n) for n in POOL]
    both = [("plain", name) for name in dict.fromkeys(row.name for row in EVERY)]
    assert completed(f"roicrop compare {files} --with ") == both
    assert completed(f"roicrop compare {files} --with det") == [("plain", "detectron2")]


def test_choices_and_options_are_completed() -> None:
    assert completed("roicrop align maps.h5 boxes.csv --mode ") == [
        ("plain", "avg"),
        ("plain", "max"),
    ]
    options = completed("roicrop show maps.h5 boxes.csv --bo")
    assert sorted(options) == [
        ("plain", "--both"),
        ("plain", "--box"),
        ("plain", "--box-format"),
        ("plain", "--boxes-format"),
    ]
