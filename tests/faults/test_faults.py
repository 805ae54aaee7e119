"""Whatever happens to a run, its output is whole or not there: tried on real processes."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

import roicrop
from tests.command_line import run_process, start

PACKAGE = os.path.dirname(roicrop.__file__)
OUTPUTS = ("out.h5", "out.npz", "out.npy")
IMAGES, BOXES = 24, 2000
LONG = ["--mode", "max", "--sampling-ratio", "64", "--output-size", "32"]  # takes minutes


@pytest.fixture(autouse=True)
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """maps.h5, whose values are all 1, and boxes.csv, in the directory that the test is in."""
    monkeypatch.chdir(tmp_path)
    with h5py.File("maps.h5", "w") as file:
        maps = np.ones((IMAGES, 16, 32, 32), np.float32)
        file.create_dataset("features", data=maps, chunks=(1, 16, 32, 32))
        file["features"].attrs["stride"] = 8
    corners = np.random.default_rng(0).uniform(0, 100, (BOXES, 2))
    lines = (f"{i % IMAGES},{x},{y},{x + 99},{y + 99}" for i, (x, y) in enumerate(corners))
    Path("boxes.csv").write_text("image_index,x1,y1,x2,y2\n" + "\n".join(lines))


def align(output: str, *options: str) -> list[str]:
    return ["align", "maps.h5", "boxes.csv", "-o", output, "--quiet", *options]


def others() -> set[str]:
    """What is there beside the inputs."""
    return set(os.listdir()) - {"maps.h5", "boxes.csv"}


def assert_whole(output: str) -> None:
    if output.endswith(".h5"):
        with h5py.File(output) as file:
            pooled = file["pooled"][()]
    else:
        loaded = np.load(output)
        pooled = loaded["pooled"] if output.endswith(".npz") else loaded
    assert pooled.shape[0] == BOXES
    assert (pooled == 1).all()


def moments(count: int) -> Iterator[float]:
    """Seconds, from the start of a process to about its end."""
    begun = time.monotonic()
    assert run_process(*align("first.npy")).status == 0
    Path("first.npy").unlink()
    whole = time.monotonic() - begun
    rng = random.Random(7)
    yield from (rng.uniform(0.2, 1.1) * whole for _ in range(count))


def test_a_run_that_is_killed_leaves_nothing_half_and_the_next_clears_up() -> None:
    for k, moment in enumerate(moments(9)):
        output = OUTPUTS[k % 3]
        with start(*align(output, "--overwrite")) as process:
            time.sleep(moment)
            process.kill()
        if Path(output).exists():
            assert_whole(output)
    for output in OUTPUTS:
        assert run_process(*align(output, "--overwrite")).status == 0
        assert_whole(output)
    assert others() == {*OUTPUTS}


def test_a_run_that_is_signalled_says_so_and_leaves_nothing() -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for k, moment in enumerate(moments(9)):
        number, output = numbers[k % 3], OUTPUTS[k % 3]
        with start(*align(output)) as process:
            time.sleep(moment)
            process.send_signal(number)
            _, err = process.communicate(timeout=60)
        assert process.returncode in (0, 128 + number, -number)  # the last before Python has begun
        assert ("stopped by" in err) == (process.returncode == 128 + number)
        assert f"{PACKAGE}{os.sep}" not in err  # a traceback, if only through Python's own modules
        if process.returncode == 0 or Path(output).exists():  # it was done when it was stopped
            assert_whole(output)
            Path(output).unlink()
        assert others() == set()


SIGNALLED = """
import os, signal, sys
from roicrop.cli import stop_at_once

class Late:
    def __del__(self, kill=os.kill, own=os.getpid(), number=signal.SIGTERM):
        kill(own, number)

stop_at_once()
late = Late()
if "now" in sys.argv:
    del late
"""


@pytest.mark.parametrize(("when", "status"), [("now", 128 + signal.SIGTERM), ("at the end", 0)])
def test_a_signal_is_told_before_there_is_work_and_ignored_after_it(when: str, status: int) -> None:
    """At the end Python takes objects apart, and has forgotten what to do about signals."""
    code = [sys.executable, "-c", SIGNALLED, when]
    done = subprocess.run(code, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert done.stderr == ("roicrop: stopped by SIGTERM\n" if status else "")


STOPPED_WITHIN = """
import os, signal, sys, time
from roicrop.cli import main

class Late:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)

def work(*_, **__):
    late = Late()
    if "a destructor" in sys.argv:
        del late
        time.sleep(20)
    try:
        del late.__class__.__del__
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(20)
    except BaseException:
        raise ImportError

main.roicrop.main = work
sys.exit(main.main())
"""


@pytest.mark.parametrize("within", ["a destructor", "code that makes another error of it"])
def test_a_signal_is_heard_wherever_it_comes(within: str) -> None:
    code = [sys.executable, "-c", STOPPED_WITHIN, within]
    done = subprocess.run(code, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (143, "roicrop: stopped by SIGTERM\n")


@pytest.mark.parametrize("core", ["compiled", "numpy"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_work_that_would_take_minutes_is_stopped_within_a_second(
    core: str, number: signal.Signals
) -> None:
    """A second of the processor's: how long a busy machine takes is not for a test to say."""
    children = processor_time_of_children()
    with start(*align("out.h5", *LONG), environment={"ROICROP_KERNEL": core}) as process:
        while not others():
            assert process.poll() is None or core == "compiled", "the core is not there"
            if process.poll() is not None:
                pytest.skip("no compiled core")
            time.sleep(0.01)
        time.sleep(0.3)
        before = processor_time(process.pid)
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert processor_time_of_children() - children - before < 1
    assert process.returncode == 128 + number
    assert err.startswith("roicrop: stopped by ")
    assert others() == set()


def processor_time_of_children() -> float:
    """In seconds, of those that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def processor_time(process: int) -> float:
    """In seconds, of one that runs; infinite where nothing says it."""
    stat = Path(f"/proc/{process}/stat")
    if not stat.exists():
        return float("inf")
    user, system = stat.read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


IN_A_FINALIZER = """
import signal, time
from roicrop.cli import main as program

class Last:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

def work(*arguments, **options):
    Last()
    time.sleep(20)

program.roicrop.main = work
raise SystemExit(program.main([]))
"""


def test_ctrl_c_that_comes_while_python_drops_exceptions_is_not_lost() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_A_FINALIZER], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "roicrop: stopped by Ctrl-C\n")


IN_A_HELPER = """
import os
from roicrop.crews import Processes

if __name__ == "__main__":
    Processes.prepare(["interrupted"])
    with Processes(1).executor() as crew:
        print(crew.submit(os.path.basename, "a/done").result())
"""


def test_ctrl_c_while_the_processes_of_a_batch_begin_is_for_its_first_one() -> None:
    Path("interrupted.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\n")
    Path("helped.py").write_text(IN_A_HELPER)
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    code = [sys.executable, "helped.py"]
    done = subprocess.run(code, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


IN_PYTHON = """
import numpy as np, roicrop
boxes = np.tile(np.array([[0, 0, 0, 90, 90]], "f4"), (20_000, 1))
print("begun", flush=True)
roicrop.roi_align(np.ones((1, 8, 99, 99), "f4"), boxes, 16, 1.0, 128, mode="max")
"""


def test_ctrl_c_is_heard_inside_an_operator() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", IN_PYTHON],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert err.endswith("KeyboardInterrupt\n")


@pytest.mark.parametrize("output", [*OUTPUTS, "packed.h5"])
def test_a_full_disk_is_one_line_and_nothing_is_left(output: str) -> None:
    packed = ["--compression", "gzip"] if output == "packed.h5" else []
    limit = 2_000 if packed else 1_000_000

    def no_more() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    result = run_process(*align(output, *packed), preexec_fn=no_more)
    assert result.status == 1
    assert "raise the limit" in result.error
    assert others() == set()


@pytest.mark.parametrize("what", ["shrinks", "vanishes", "is replaced"])
def test_an_input_that_changes_while_it_is_read_is_one_line(what: str) -> None:
    with start(*align("out.npy", "--mode", "max", "--sampling-ratio", "32")) as process:
        while not others():
            assert process.poll() is None
            time.sleep(0.002)
        process.send_signal(signal.SIGSTOP)
        if what == "shrinks":
            os.truncate("maps.h5", 100_000)
        else:
            Path("maps.h5").unlink()
        if what == "is replaced":
            Path("maps.h5").write_bytes(b"others")
        process.send_signal(signal.SIGCONT)
        _, err = process.communicate(timeout=100)
    assert process.returncode == 1
    assert err.startswith("roicrop: error: maps.h5")
    assert err.count("\n") == 1
    assert others() == set()


def test_runs_that_write_one_file_leave_a_whole_one() -> None:
    processes = [start(*align("out.h5", "--overwrite")) for _ in range(4)]
    for process in processes:
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
        assert_whole("out.h5")
    assert others() == {"out.h5"}


def test_of_runs_that_may_replace_nothing_one_writes() -> None:
    processes = [start(*align("out.npy")) for _ in range(4)]
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert sorted(process.returncode for process in processes) == [0, 1, 1, 1]
    assert all("out.npy exists" in err for err in errors if err)
    assert_whole("out.npy")
    assert others() == {"out.npy"}


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "a pipe that nobody reads"])
def test_a_standard_error_that_takes_nothing_is_no_reason_to_fail(closed: bool) -> None:
    read, write = os.pipe()
    os.close(read)
    crop = [sys.executable, "-m", "roicrop", "align", "maps.h5", "boxes.csv", "-o", "out.h5"]
    close = (lambda: os.close(2)) if closed else None
    done = subprocess.run(crop, stderr=write, preexec_fn=close, check=False)
    os.close(write)
    assert done.returncode == 0
    assert_whole("out.h5")


def test_the_same_input_gives_the_same_bytes() -> None:
    packed = ["--compression", "gzip"]
    drawn = ["--viz", "drawn", "--viz-boxes", "0"]
    outputs: dict[str, list[str]] = {"a.h5": drawn, "b.h5": packed, "c.npz": packed}
    made = []
    for _ in range(2):
        for output, options in outputs.items():
            assert run_process(*align(output, *options, "--overwrite")).status == 0
        made.append([Path(path).read_bytes() for path in (*outputs, "drawn/align-box-0.png")])
        time.sleep(1.1)  # times in files are often in whole seconds
    assert made[0] == made[1]
