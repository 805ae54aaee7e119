"""A batch that is stopped at any moment, and run again, leaves what an undisturbed one does.

One moment of each kind here; `ROICROP_MOMENTS=50` tries as many, as `make fuzz` does.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.command_line import run_process, start, write_boxes, write_maps

MOMENTS = int(os.environ.get("ROICROP_MOMENTS", 0))  # 0: as few as there can be
ROWS = 6
ALL_CREWS: list[tuple[object, ...]] = [(), ("--workers", 1), ("--workers", 2)]
CREWS = ALL_CREWS if MOMENTS else [(), ("--workers", 2)]


@dataclass(frozen=True)
class Undisturbed:
    """What a batch makes that nobody disturbs: its files, and how long it takes, for each crew."""

    files: dict[str, bytes]
    seconds: dict[tuple[object, ...], float]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Maps and boxes for rows that take some time each."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "maps").mkdir()
    maps = np.random.default_rng(1).standard_normal((2, 64, 40, 40), dtype=np.float32)
    for i in range(ROWS):
        write_maps(folder / f"maps/{i}.h5", maps + i)
    random_boxes = np.random.default_rng(2).uniform(0, 150, (200, 4))
    write_boxes(
        folder / "boxes.csv",
        [(i % 2, x, y, x + w, y + h) for i, (x, y, w, h) in enumerate(random_boxes.tolist())],
    )
    return folder


@pytest.fixture(scope="module")
def undisturbed(folder: Path) -> Undisturbed:
    seconds: dict[tuple[object, ...], float] = {}
    found: list[dict[str, bytes]] = []
    for crew in CREWS:
        begin = time.monotonic()
        assert again(folder, "whole", crew) == ""
        seconds[crew] = time.monotonic() - begin
        found.append(files(folder / "whole"))
        shutil.rmtree(folder / "whole")
    assert len(found[0]) == ROWS
    assert all(each == found[0] for each in found)
    return Undisturbed(found[0], seconds)


@pytest.fixture(autouse=True)
def work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(folder)
    yield
    shutil.rmtree("crops", ignore_errors=True)


def arguments(directory: str, crew: tuple[object, ...]) -> tuple[object, ...]:
    rows = ("--features", "maps/*.h5", "--boxes", "boxes.csv")
    return ("batch", *rows, "-o", directory, "--threads", 1, "-q", *crew)


def again(folder: Path, directory: str, crew: tuple[object, ...]) -> str:
    """Run a batch to its end; what it says."""
    result = run_process(*arguments(directory, crew), cwd=folder)
    assert result.status == 0, result.err
    return result.err


def files(directory: Path) -> dict[str, bytes]:
    """The outputs; the only other file is a sound ledger, which has them all."""
    found = {path.name: path.read_bytes() for path in directory.iterdir()}
    ledger = [json.loads(line) for line in found.pop("batch.jsonl").splitlines()]
    assert {line["output"] for line in ledger} == found.keys()
    return found


def stop(crew: tuple[object, ...], moment: float, number: signal.Signals) -> subprocess.Popen[str]:
    """Begin a batch, and stop it after so many seconds."""
    process = start(*arguments("crops", crew))
    with process:
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        process.communicate(timeout=30)
    return process


def moments(seconds: float) -> Iterator[float]:
    """After the interpreter has begun, and until a little after the end."""
    chance = random.Random()
    for _ in range(MOMENTS or 1):
        yield seconds * chance.uniform(0.2, 1.1)


@pytest.mark.parametrize("crew", CREWS)
def test_after_kill_9_the_same_command_finishes_all_and_leaves_nothing_else(
    crew: tuple[object, ...], undisturbed: Undisturbed
) -> None:
    for moment in moments(undisturbed.seconds[crew]):
        stop(crew, moment, signal.SIGKILL)
        again(Path(), "crops", crew)
        assert files(Path("crops")) == undisturbed.files, f"killed after {moment} s"
        shutil.rmtree("crops")


@pytest.mark.parametrize("crew", CREWS)
def test_sigterm_leaves_no_temporary_file_and_the_same_command_finishes(
    crew: tuple[object, ...], undisturbed: Undisturbed
) -> None:
    for moment in moments(undisturbed.seconds[crew]):
        process = stop(crew, moment, signal.SIGTERM)
        if process.returncode == -signal.SIGTERM:  # before Python has begun
            assert not Path("crops").exists()
        else:
            assert process.returncode in (0, 128 + signal.SIGTERM), moment
        assert list(Path().glob("crops/.*.tmp")) == [], f"stopped after {moment} s"
        again(Path(), "crops", crew)
        assert files(Path("crops")) == undisturbed.files, f"stopped after {moment} s"
        shutil.rmtree("crops")


@pytest.mark.parametrize("crew", CREWS)
def test_a_full_disk_fails_rows_and_costs_nothing_that_was_done(
    crew: tuple[object, ...], undisturbed: Undisturbed
) -> None:
    """The limit stands for the disk: the ledger has room, and an output has not."""
    size = len(undisturbed.files["0.h5"])

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))

    result = run_process(*arguments("crops", crew), preexec_fn=limit)
    assert result.status == 1
    lines = result.err.splitlines()
    assert len(lines) == ROWS
    assert all("cannot be written: File too large" in line for line in lines)
    assert [path.name for path in Path("crops").iterdir()] == ["batch.jsonl"]
    again(Path(), "crops", crew)
    assert files(Path("crops")) == undisturbed.files


@pytest.mark.parametrize("crew", CREWS)
def test_an_input_that_vanishes_fails_its_row_which_is_done_when_it_is_back(
    crew: tuple[object, ...], undisturbed: Undisturbed
) -> None:
    for moment in moments(undisturbed.seconds[crew]):
        with start(*arguments("crops", crew)) as process:
            time.sleep(moment)
            Path("maps/5.h5").rename("away.h5")
            _, err = process.communicate(timeout=30)
            Path("away.h5").rename("maps/5.h5")
        assert "Traceback" not in err
        assert process.returncode == bool(err), err
        again(Path(), "crops", crew)
        assert files(Path("crops")) == undisturbed.files
        shutil.rmtree("crops")
