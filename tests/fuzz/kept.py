"""Failing inputs, kept as folders: the files, and `command.json` with what fails on them."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.cases import Case
from tests.fuzz.judge import Verdict

_COMMAND = "command.json"


def keep(place: Path, case: Case, verdict: Verdict, name: str) -> None:
    """Copy a case's inputs, and say what failed."""
    folder = place / name
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(case.inputs):
        given = case.folder / path
        if given.is_dir():
            shutil.copytree(given, folder / path, dirs_exist_ok=True)
        else:
            shutil.copy(given, folder / path)
    said = {"kind": case.kind, "arguments": case.arguments, "outputs": sorted(case.outputs)}
    (folder / _COMMAND).write_text(json.dumps({**said, "failure": verdict.failure}, indent=1))
    (folder / "said.txt").write_text(verdict.output, errors="replace")


def kept(place: Path) -> Iterator[tuple[str, Case]]:
    """(name, case) for each kept folder, in a fresh copy."""
    for command in sorted(place.glob(f"*/{_COMMAND}")):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch, "case")
            shutil.copytree(
                command.parent, folder, ignore=shutil.ignore_patterns(_COMMAND, "said.txt")
            )
            said = json.loads(command.read_text())
            yield (
                command.parent.name,
                Case(
                    kind=said["kind"],
                    folder=folder,
                    arguments=said["arguments"],
                    inputs=frozenset(path.name for path in folder.iterdir()),
                    outputs=frozenset(said["outputs"]),
                ),
            )
