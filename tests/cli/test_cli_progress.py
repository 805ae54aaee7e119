"""The bar of a batch, on a real terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command_line import write_boxes, write_maps

pty = pytest.importorskip("pty")

# A second passes whenever the bar looks at the clock.
BATCH = """
import itertools, sys
import tqdm.std
tqdm.std.time = map(float, itertools.count()).__next__
from roicrop.__main__ import main
sys.exit(main())
"""


def on_a_terminal(*arguments: str) -> str:
    """What a batch writes on a terminal."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-c", BATCH, "batch", *arguments]
    done = subprocess.run(command, stderr=follower, stdout=subprocess.DEVNULL, check=False)
    os.close(follower)
    written = b""
    try:
        while some := os.read(leader, 1 << 16):
            written += some
    except OSError:  # the other end is closed
        pass
    os.close(leader)
    assert done.returncode == 0
    return written.decode()


@pytest.mark.parametrize("crew", [(), ("--workers", "2")])
def test_a_batch_shows_rows_boxes_a_second_and_the_time_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crew: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "maps").mkdir()
    for name in "abcd":
        write_maps(f"maps/{name}.h5")
    write_boxes()
    rows = ("--features", "maps/*.h5", "--boxes", "boxes.csv", "-o", "crops")
    shown = on_a_terminal(*rows, *crew)
    bars = [line for line in shown.replace("\r", "\n").splitlines() if "/4" in line]
    assert bars, shown
    assert any("3/4" in bar and "boxes/s" in bar and "<" in bar for bar in bars), bars
    assert "4 of 4 rows done" in shown


def test_a_quiet_batch_shows_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_maps()
    write_boxes()
    rows = ("--features", "maps.h5", "--boxes", "boxes.csv", "-o", "crops", "--quiet")
    assert on_a_terminal(*rows) == ""
