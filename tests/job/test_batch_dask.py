"""A batch on a Dask cluster: a real scheduler, and two real workers under nannies, on loopback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import pytest

from roicrop.conventions import resolve
from roicrop.crews import Cluster
from roicrop.errors import OutputError
from roicrop.job import Done, Request, Task, carry_out
from tests.command_line import Result, run, write_boxes, write_maps

distributed = pytest.importorskip("distributed", reason="roicrop[dask] is not installed")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="by signals")

ROOT = Path(__file__).parents[2]
OTHER_ROWS = 4


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a scheduler with two workers, of one thread each."""
    folder = tmp_path_factory.mktemp("dask")
    with _scheduler(folder) as address, _dask(folder, "worker", address, *WORKERS):
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield address


WORKERS = ("--nworkers", "2", "--nthreads", "1", "--no-dashboard", "--death-timeout", "60")


class _dask:
    """`dask` with these arguments, in a process that ends with the block."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._log = (folder / "log").open("ab")
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments],
            cwd=folder,
            stdout=self._log,
            stderr=self._log,
            env={**environment, "DASK_TEMPORARY_DIRECTORY": str(folder)},
        )

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


class _scheduler(_dask):
    def __init__(self, folder: Path) -> None:
        self._file = folder / "scheduler.json"
        super().__init__(
            folder,
            *("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show"),
            *("--scheduler-file", str(self._file)),
        )

    def __enter__(self) -> str:  # type: ignore[override]
        for _ in range(600):
            if self._file.exists() and (found := self._file.read_text().split('"tcp://')[1:]):
                return "tcp://" + found[0].partition('"')[0]
            time.sleep(0.1)
        raise AssertionError("the scheduler has not begun")


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for i in range(OTHER_ROWS):
        write_maps(f"{i}.h5")
        write_boxes(f"{i}.csv")
    return tmp_path


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(*_: Any, **__: Any) -> None:
    try:
        Path("died").touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def describe(*_: Any, **__: Any) -> int:
    return os.getpid()


def task(i: int, **changes: Any) -> Task:
    convention = resolve("mask-rcnn", "align")
    request = Request(features=f"{i}.h5", boxes=f"{i}.csv", convention=convention, threads=1)
    given = {"describe": describe, "output": f"out-{i}.h5", "retried": True}
    return Task(request=request, **{**given, **changes})


def batch(*options: object, directory: str) -> Result:
    features = ("--features", "[0-9].h5", "--boxes", "{stem}.csv")
    return run("batch", *features, "-o", directory, *options)


def test_a_cluster_makes_what_one_process_makes(cluster: str) -> None:
    there = batch("--scheduler", cluster, "--compression", "gzip", directory="there")
    assert there.status == 0, there.err
    assert f"{OTHER_ROWS} of {OTHER_ROWS} rows done" in there.err
    batch("--compression", "gzip", directory="here")
    for i in range(OTHER_ROWS):
        assert Path(f"there/{i}.h5").read_bytes() == Path(f"here/{i}.h5").read_bytes()
    again = batch("--scheduler", cluster, "--compression", "gzip", directory="there")
    assert f"0 of {OTHER_ROWS} rows done, {OTHER_ROWS} skipped" in again.err


def test_a_row_that_fails_there_is_the_line_that_it_is_here(cluster: str) -> None:
    Path("2.csv").unlink()
    there = batch("--scheduler", cluster, "-q", directory="there")
    assert there.status == 1
    assert there.err == batch("-q", directory="here").err


def test_a_worker_that_dies_costs_only_time_and_a_row_that_kills_them_all_fails_alone(
    cluster: str,
) -> None:
    """The first row dies once, after its output has appeared, and the second whenever it is run."""
    tasks = [task(0, describe=die_once), task(1, describe=die), task(2), task(3)]
    results = {each.task.output: each.result for each in carry_out(tasks, Cluster(cluster))}
    assert {name for name, result in results.items() if not isinstance(result, Done)} == {
        "out-1.h5"
    }
    assert isinstance(results["out-1.h5"], OutputError)
    assert "the process that made it died" in str(results["out-1.h5"])
    files = {path.name for path in Path().iterdir() if "out-" in path.name}
    assert files == {f"out-{i}.h5" for i in range(OTHER_ROWS)}
    for i in (0, 2, 3):
        with h5py.File(f"out-{i}.h5") as file:
            assert file["pooled"].shape == (3, 4, 7, 7)


def test_a_cluster_without_workers_is_an_error_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roicrop.crews.NO_WORKER", 2.0)
    with _scheduler(tmp_path) as address:
        assert (
            "has had no worker for 2 s: start some under a nanny"
            in batch("--scheduler", address, directory="crops").error
        )


def test_where_there_is_no_scheduler_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roicrop.crews._CONNECTING", 0.5)
    result = batch("--scheduler", "tcp://127.0.0.1:9", directory="crops")
    assert "there is no Dask scheduler at tcp://127.0.0.1:9" in result.error


def test_without_distributed_one_line_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['distributed'] = None; from roicrop.cli.main import main; "
        "sys.exit(main(['batch', '--features', '0.h5', '--boxes', '{stem}.csv', '-o', 'crops', "
        "'--scheduler', 'tcp://127.0.0.1:9']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'roicrop[dask]'" in done.stderr
    assert done.stderr.count("\n") == 1
