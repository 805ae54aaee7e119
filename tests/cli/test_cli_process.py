"""What only a real process shows: streams, signals, pipes, imports, and leftovers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import roicrop
from tests.command_line import (
    BOXES,
    MAPS,
    STRIDE,
    Result,
    pooled,
    run,
    run_process,
    start,
    write_boxes,
)

pytestmark = pytest.mark.usefixtures("work")

CROP = ["align", "maps.h5", "boxes.csv", "-o", "out.h5"]


def test_results_messages_and_json_go_to_separate_places() -> None:
    result = run_process(*CROP, "--json")
    assert result.status == 0
    assert result.json["output"]["path"] == "out.h5"
    assert result.err.startswith("align ")
    np.testing.assert_array_equal(
        pooled("out.h5"), roicrop.roi_align(MAPS, np.array(BOXES), 7, 1 / STRIDE)
    )


def test_boxes_come_from_standard_input() -> None:
    crop = ["align", "maps.h5", "-", "-o", "out.h5"]
    text = Path("boxes.csv").read_text()
    result = run_process(*crop, "--boxes-format", "csv", input=text)
    assert "standard input: 3 boxes" in result.err
    assert len(pooled("out.h5")) == 3
    assert "--boxes-format" in run_process(*crop, input=text).error


def test_a_standard_input_that_is_closed_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    result = run("align", "maps.h5", "-", "-o", "out.h5", "--boxes-format", "csv")
    assert result.status == 1
    assert "standard input is closed" in result.error


def test_failures_leave_status_1_and_wrong_command_lines_2() -> None:
    assert run_process("align", "none.h5", "boxes.csv", "-o", "out.h5").status == 1
    assert run_process(*CROP, "--stride", "-1").status == 2
    assert sorted(os.listdir()) == ["boxes.csv", "maps.h5"]


def test_a_missing_core_is_one_line() -> None:
    result = run_process(*CROP, environment={"ROICROP_KERNEL": "fortran"})
    assert result.status == 1
    assert "ROICROP_KERNEL=fortran" in result.error


# Stopping


@pytest.mark.parametrize(
    ("number", "words"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")]
)
def test_a_stopped_run_says_so_in_one_line_and_leaves_nothing(
    number: signal.Signals, words: str
) -> None:
    write_boxes(boxes=BOXES * 20_000)
    with start(*CROP, environment={"ROICROP_KERNEL": "numpy"}) as process:
        _wait_for(lambda: len(os.listdir()) > 2)  # the temporary file: pooling has begun
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert (out, err) == ("", f"roicrop: stopped by {words}\n")
    assert sorted(os.listdir()) == ["boxes.csv", "maps.h5"]


def test_a_run_stopped_while_modules_load_says_so_in_one_line(tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "click.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)\n"
    )
    path = os.pathsep.join([str(slow), *filter(None, [os.environ.get("PYTHONPATH")])])
    result = run_process("--version", environment={"PYTHONPATH": path})
    assert result == Result(128 + signal.SIGINT, "", "roicrop: stopped by Ctrl-C\n")


def _wait_for(condition: object) -> None:
    assert callable(condition)
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_reader_that_goes_away_causes_no_traceback() -> None:
    read, write = os.pipe()
    os.close(read)
    with start("conventions", "--json", stdout=write) as process:
        os.close(write)
        _, err = process.communicate(timeout=60)
    assert err == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_under_standard_output_is_one_line_and_status_1() -> None:
    with Path("/dev/full").open("w") as full:
        result = run_process("conventions", "--json", stdout=full)
    assert result.status == 1
    assert "No space left" in result.error


def test_characters_that_a_terminal_cannot_print_are_escaped() -> None:
    latin = {"PYTHONIOENCODING": "latin-1"}
    result = run_process("conventions", environment=latin, encoding="latin-1")
    assert result.status == 0
    assert r"\u221210000" in result.out


# Starting


def modules_after(*arguments: str) -> set[str]:
    """The modules that a command imports besides those that Python itself starts with."""
    code = (
        "import sys; before = set(sys.modules); from roicrop.cli.main import main;"
        "status = main(sys.argv[1:]);"
        "print(*set(sys.modules) - before, file=sys.stderr); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stderr.splitlines()[-1].split())


def test_help_imports_nothing_heavy_but_click() -> None:
    modules = modules_after("--help")
    assert "click" in modules
    assert modules.isdisjoint({"numpy", "h5py", "PIL", "tqdm"})


def test_cropping_imports_neither_pictures_nor_progress_nor_masked_arrays() -> None:
    modules = modules_after(*CROP)
    assert modules.isdisjoint({"PIL", "tqdm", "numpy.ma", "roicrop.draw", "roicrop.explanation"})
    assert {"h5py", "roicrop.job"} <= modules


def test_conventions_import_no_arrays() -> None:
    assert modules_after("conventions").isdisjoint({"numpy", "h5py"})


def test_help_starts_in_at_most_twice_the_time_of_click_and_numpy() -> None:
    def fastest(*command: str) -> float:
        times = []
        for _ in range(5):
            begun = time.perf_counter()
            subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
            times.append(time.perf_counter() - begun)
        return min(times)

    assert fastest("-m", "roicrop", "--help") < 2 * fastest("-c", "import click, numpy")
