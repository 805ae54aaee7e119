"""Documents that are run: a block's output is below it, and the file it draws is its picture.

A document is Markdown with three things in it that are made and not written:

- the `text` block that directly follows an `sh` or `python` block is what that block prints;
- what stands between `<!-- made: NAME -->` and `<!-- end -->` is a part, made by a function;
- a picture in `docs/pictures` is what a block writes to a file of that name.

All blocks of a document run in one folder, in turn, beside `sample_data`. An `sh` block that begins
with `make`, `pip` or `git` sets up the reader's machine and is not run; in a block that is, those
programs refuse, so that no document can change the machine that it is checked on.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
PICTURES: Final = ROOT / "docs" / "pictures"


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, what is in it, and the lines of the document that it takes."""

    language: str
    content: str
    lines: slice

    @property
    def sets_up(self) -> bool:
        """Whether it changes the reader's machine, and so must not run here."""
        return self.language == "sh" and self.content.startswith(
            tuple(f"{program} " for program in _SET_UP)
        )

    @property
    def runs(self) -> bool:
        """Whether it is a program."""
        return self.language in _PROGRAMS and not self.sets_up


@dataclass(frozen=True, slots=True)
class Made:
    """A document as it should be, and for each picture in it the file that a block drew."""

    text: str
    pictures: Mapping[Path, Path]


def make(path: Path, folder: Path, parts: Mapping[str, Callable[[], str]]) -> Made:
    """Run a document's blocks in an empty folder.

    parts: what makes each part, by its name. Raises RuntimeError for a block that fails, and
    FileNotFoundError for a picture that none draws.
    """
    environment = _set_up(folder)
    text = _with_parts(path.read_text("utf-8"), parts)
    lines = text.split("\n")
    found = list(blocks(text))
    replaced: list[tuple[slice, list[str]]] = []
    for block, after in zip(found, [*found[1:], None], strict=True):
        if block.runs:
            printed = _run(block, folder, environment, path)
            if after is not None and _is_output(after, block, lines):
                replaced.append((after.lines, _fenced(_same_but_for_times(after.content, printed))))
    for where, new in reversed(replaced):
        lines[where] = new
    return Made("\n".join(lines), {picture: _drawn(picture, folder) for picture in pictures(path)})


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a document."""
    lines = text.split("\n")
    start = None
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if start is None:
            start = number
        else:
            content = "".join(f"{inner}\n" for inner in lines[start + 1 : number])
            yield Block(lines[start][3:].strip(), content, slice(start, number + 1))
            start = None


def pictures(path: Path) -> list[Path]:
    """The pictures of a document that its own blocks draw."""
    named = re.findall(r"!\[[^]]*\]\(([^)]+)\)", path.read_text("utf-8"))
    files = [(path.parent / name).resolve() for name in named]
    return [file for file in files if file.parent == PICTURES]


_SET_UP: Final = ("make", "pip", "git")
_PROGRAMS: Final[Mapping[str, list[str]]] = {
    "sh": ["sh", "-ec"],
    "python": [sys.executable, "-c"],
}
_PART: Final = re.compile(r"(<!-- made: ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_TIME: Final = re.compile(r"in \d+\.\d+ s\b")


def _with_parts(text: str, parts: Mapping[str, Callable[[], str]]) -> str:
    return _PART.sub(lambda found: f"{found[1]}\n{parts[found[2]]()}\n\n{found[3]}", text)


def _set_up(folder: Path) -> dict[str, str]:
    """An environment in which `roicrop` and `python` are the ones running this."""
    programs = folder / ".programs"
    programs.mkdir()
    scripts = {
        "python": f'exec "{sys.executable}" "$@"',
        "roicrop": f'exec "{sys.executable}" -m roicrop "$@"',
        **dict.fromkeys(_SET_UP, 'echo "$0 sets things up: begin the block with it"; exit 1'),
    }
    for name, script in scripts.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n", "utf-8")
        (programs / name).chmod(0o755)
    (folder / "sample_data").symlink_to(ROOT / "sample_data")
    path = os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "PYTHONIOENCODING": "utf-8"}


def _run(block: Block, folder: Path, environment: Mapping[str, str], path: Path) -> str:
    done = subprocess.run(
        [*_PROGRAMS[block.language], block.content],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=60,
    )
    if done.returncode:
        place = f"{path.name} line {block.lines.start + 1}"
        raise RuntimeError(f"{place} ends with status {done.returncode}:\n{done.stdout}")
    return done.stdout


def _is_output(block: Block, program: Block, lines: list[str]) -> bool:
    """Whether the block is `text`, with only empty lines between it and the program."""
    between = lines[program.lines.stop : block.lines.start]
    return block.language == "text" and not "".join(between).strip()


def _same_but_for_times(shown: str, printed: str) -> str:
    """What was printed, or what the document shows if they differ only in seconds."""
    printed = "".join(f"{line.rstrip()}\n" for line in printed.strip("\n").splitlines())
    return shown if _TIME.sub("", shown) == _TIME.sub("", printed) else printed


def _fenced(content: str) -> list[str]:
    return ["```text", *content.splitlines(), "```"]


def _drawn(picture: Path, folder: Path) -> Path:
    drawn = folder / picture.name
    if not drawn.is_file():
        raise FileNotFoundError(f"{picture.relative_to(ROOT)} is drawn by no block of its document")
    return drawn
