"""Run one case in a forked child, and say whether it kept all promises."""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import io
import linecache
import os
import pkgutil
import re
import resource
import select
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from roicrop import cli
from roicrop.boxes import json_text
from roicrop.cli.main import main as roicrop
from roicrop.files import columns, text
from tests.fuzz import api, crops
from tests.fuzz.cases import Case

for name in (
    *(f"cli.{module.name}" for module in pkgutil.iter_modules(cli.__path__)),
    *("comparison", "draw.album", "explanation", "identification", "inspection", "job", "models"),
):
    importlib.import_module(f"roicrop.{name}")  # here, not in each child
with contextlib.suppress(ImportError):
    importlib.import_module("onnx")

SECONDS: Final = 20  # of the processor
WAITING: Final = 120  # for it
MEMORY: Final = 4 << 30
FILE_SIZE: Final = 1 << 30
_LONGEST_LINE: Final = 3000
_MOST_TEXT: Final = 200_000


def _by_few_bytes(arguments: Sequence[str]) -> int:
    """The command line, reading text by a few bytes, and columns by a few rows, at a time."""
    text._BLOCK = 64  # type: ignore[misc]  # in a child, which ends with it
    columns._AT_ONCE = 3  # type: ignore[misc]
    json_text._LONGEST_LINE = 64  # type: ignore[misc]
    return roicrop(arguments)


_RUNNERS: Final = {"crops": crops.run, "api": api.run, "blocks": _by_few_bytes}


@dataclass(frozen=True)
class Verdict:
    """failure: what did not hold, or nothing. of_hdf5: whether it is HDF5's own."""

    failure: str = ""
    of_hdf5: bool = False
    output: str = ""

    @property
    def fine(self) -> bool:
        return not self.failure


def judge(case: Case) -> Verdict:
    """Fork, run, and look at what is left."""
    said, status, stack = _run(case)
    in_hdf5 = _is_in_hdf5(stack)
    if status is None:
        place = "in HDF5" if in_hdf5 else "in roicrop"
        return Verdict(f"hangs {place}", in_hdf5, stack)
    if status < 0:
        place = "in HDF5" if in_hdf5 else "in roicrop"
        name = signal.Signals(-status).name
        return Verdict(f"{name} {place}", in_hdf5, stack)
    for failure in _failures(case, said, status):
        return Verdict(failure, False, said)
    return Verdict()


def _is_in_hdf5(stack: str) -> bool:
    """Whether a frame at the top is h5py's, or calls it: compiled code has no frames of its own."""
    frames = re.findall(r'File "(.+)", line (\d+)', stack)[:2]
    lines = [linecache.getline(file, int(line)) for file, line in frames[:1]]
    return any("h5py" in text for text in (*(file for file, _ in frames), *lines))


def _failures(case: Case, said: str, status: int) -> list[str]:
    failures = []
    if "Traceback" in said:
        failures.append("traceback: " + said.strip().splitlines()[-1][:120])
    if "Warning:" in said:
        failures.append("a Python warning")
    if status not in (0, 1, 2, 3):
        failures.append(f"status {status}")
    text = said.replace("\n", "")
    if any(not character.isprintable() for character in text):
        failures.append("control characters")
    errors = [line for line in said.splitlines() if line.startswith("roicrop: error: ")]
    most = 20 if case.arguments[0] in ("batch", "inspect") else 1  # a line a row, or a file
    if status in (1, 2) and not 1 <= len(errors) <= most:
        failures.append(f"{len(errors)} lines of error")
    too_much = len(said) > _MOST_TEXT and not {"--json", "csv"} & {*case.arguments}
    if any(len(line) > _LONGEST_LINE for line in errors) or too_much:
        failures.append("a message too long to read")
    left = {path.name for path in case.folder.rglob("*") if path.is_file()} - case.inputs
    if any(name.endswith(".tmp") for name in left):
        failures.append("a temporary file left")
    if status != 0 and case.arguments[0] != "batch" and left & case.outputs:
        failures.append("an output in spite of an error")
    return failures


def _run(case: Case) -> tuple[str, int | None, str]:
    """What it printed, its status (negative: a signal; None: a hang), and its last stack."""
    reading, writing = os.pipe()
    stack = case.folder.with_name(case.folder.name + ".stack")
    child = os.fork()
    if child == 0:
        os.close(reading)
        _child(case, writing, stack)
    os.close(writing)
    said = bytearray()
    end = time.monotonic() + WAITING
    while time.monotonic() < end:
        if select.select([reading], [], [], 0.2)[0]:
            piece = os.read(reading, 1 << 16)
            if not piece:
                break
            said += piece[: _MOST_TEXT + 1 - len(said)]
    os.close(reading)
    status: int | None = None
    while time.monotonic() < end + 1:
        done, raw = os.waitpid(child, os.WNOHANG)
        if done:
            status = os.waitstatus_to_exitcode(raw)
            break
        time.sleep(0.005)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    text = stack.read_text() if stack.exists() else ""
    stack.unlink(missing_ok=True)
    if status == -signal.SIGXCPU:
        status = None
    return said.decode("utf-8", "replace"), status, text


def _child(case: Case, writing: int, stack: Path) -> None:
    status = 99
    try:
        file = open(stack, "w")  # noqa: SIM115  (open for as long as the process runs)
        faulthandler.enable(file, all_threads=False)
        faulthandler.dump_traceback_later(WAITING - 2, file=file)
        faulthandler.register(signal.SIGXCPU, file, all_threads=False, chain=True)
        os.dup2(writing, 1)
        os.dup2(writing, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", 0), "utf-8", write_through=True)
        sys.stderr = io.TextIOWrapper(os.fdopen(2, "wb", 0), "utf-8", write_through=True)
        os.chdir(case.folder)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_SIZE, FILE_SIZE))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        warnings.simplefilter("always")
        status = _RUNNERS.get(case.kind, roicrop)(case.arguments)
    except BaseException:
        with contextlib.suppress(BaseException):
            traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)
