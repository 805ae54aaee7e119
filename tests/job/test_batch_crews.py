"""Whoever carries out the rows of a batch, a row that fails does not affect the others."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from roicrop.conventions import resolve
from roicrop.crews import Crew, Processes, ThisProcess
from roicrop.errors import OutputError
from roicrop.job import Done, Request, Task, carry_out
from roicrop.job.batch import attempt
from tests.command_line import write_boxes, write_maps


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_maps()
    write_boxes()
    return tmp_path


def describe(*_: Any, **__: Any) -> int:
    return os.getpid()


def die(*_: Any, **__: Any) -> None:
    """End the process as a damaged file may, which crashes HDF5."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(*_: Any, **__: Any) -> str:
    """The same, but only the first time."""
    try:
        Path("died").touch(exist_ok=False)
    except FileExistsError:
        return "at last"
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def hang(*_: Any, **__: Any) -> None:
    """Keep Python's lock, as HDF5 does in a loop on a damaged file."""
    sum(range(10**10))


def wait(*_: Any, **__: Any) -> int:
    """Keep Python's lock without computing, as HDF5 does on a slow disk."""
    ctypes.PyDLL(None).usleep(2_500_000)
    return os.getpid()


def compute(*_: Any, **__: Any) -> int:
    """Compute for long, as a row with millions of boxes does."""
    end = time.process_time() + 2.5
    while time.process_time() < end:
        pass
    return os.getpid()


def end_once(*_: Any, **__: Any) -> None:
    """Get SIGTERM, but only the first time."""
    try:
        Path("died").touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGTERM)


def task(output: str, **changes: Any) -> Task:
    request = Request(
        features="maps.h5",
        boxes=changes.pop("boxes", "boxes.csv"),
        convention=resolve("mask-rcnn", "align"),
    )
    return Task(request=request, output=output, retried=True, **{"describe": describe, **changes})


def results(tasks: Sequence[Task], crew: Crew) -> dict[str, Done | BaseException]:
    return {each.task.output: each.result for each in carry_out(tasks, crew)}


def outputs() -> list[str]:
    return sorted(path.name for path in Path().iterdir() if ".csv" not in path.suffixes)


def test_a_process_that_keeps_pythons_lock_costs_only_its_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("roicrop.crews.SILENCE", 1.0)
    found = results([task("good.h5"), task("stuck.h5", describe=hang)], Processes(2))
    assert isinstance(found["good.h5"], Done)
    assert "no sign of life in 1 s of computing" in str(found["stuck.h5"])
    assert not list(Path().glob("*.tmp"))


@pytest.mark.parametrize("slow", [wait, compute])
def test_a_row_may_take_any_time(slow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roicrop.crews.SILENCE", 1.0)
    (result,) = results([task("slow.h5", describe=slow)], Processes(2)).values()
    assert isinstance(result, Done)


def test_every_crew_makes_the_same_files() -> None:
    for letter, crew in (("a", ThisProcess()), ("b", Processes(2))):
        found = results([task(f"{letter}{i}.h5") for i in range(3)], crew)
        assert all(isinstance(each, Done) and each.boxes == 3 for each in found.values())
        assert (letter == "a") == all(
            isinstance(each, Done) and each.said == os.getpid() for each in found.values()
        )
    assert len({path.read_bytes() for path in Path().glob("[ab]?.h5")}) == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_a_row_in_which_its_process_dies_fails_alone(workers: int) -> None:
    tasks = [task(f"{i}.h5", describe=die if i in (1, 4) else describe) for i in range(7)]
    found = results(tasks, Processes(workers))
    failed = [name for name, result in found.items() if not isinstance(result, Done)]
    assert sorted(failed) == ["1.h5", "4.h5"]
    assert isinstance(found["1.h5"], OutputError)
    # By SIGKILL, which Python's fork server does not always get to tell.
    assert "1.h5: the process that made it died, twice (" in str(found["1.h5"])
    assert multiprocessing.active_children() == []


def test_a_row_that_is_retried_and_finds_its_own_output_is_done() -> None:
    found = results([task("x.h5", describe=die_once), task("y.h5")], Processes(1))
    assert isinstance(found["x.h5"], Done)
    assert found["x.h5"].said == "at last"
    assert outputs() == ["died", "maps.h5", "x.h5", "y.h5"]


def test_a_row_that_is_retried_does_not_take_anothers_output_for_its_own() -> None:
    Path("x.h5").write_bytes(b"mine")
    (result,) = results([task("x.h5")], ThisProcess()).values()
    assert "x.h5 exists" in str(result)
    assert Path("x.h5").read_bytes() == b"mine"


def test_what_fails_for_a_reason_that_the_user_can_fix_is_told_as_it_is() -> None:
    (result,) = results([task("x.h5", boxes="none.csv")], Processes(1)).values()
    (here,) = results([task("x.h5", boxes="none.csv")], ThisProcess()).values()
    assert type(result) is type(here)
    assert str(result) == str(here)


def test_a_task_is_carried_out_in_the_directory_of_its_batch(tmp_path: Path) -> None:
    os.chdir("/")
    assert isinstance(attempt(task("x.h5"), str(tmp_path)), Done)
    assert (tmp_path / "x.h5").exists()
    assert isinstance(attempt(task("y.h5"), str(tmp_path / "none")), FileNotFoundError)


def test_tasks_are_taken_only_when_there_is_someone_to_do_them() -> None:
    taken = 0

    def tasks() -> Iterator[Task]:
        nonlocal taken
        for i in range(9):
            taken += 1
            yield task(f"{i}.h5")

    outcomes = carry_out(tasks(), Processes(1))
    next(outcomes)
    assert taken <= 4
    outcomes.close()  # type: ignore[attr-defined]
    assert multiprocessing.active_children() == []


def test_a_crew_that_loses_its_pool_between_two_rows_goes_on() -> None:
    class Fragile(Processes):
        """Its first process is killed as soon as it has done a row."""

        killed = False

        def wait(self, futures: Any) -> set[Future[Any]]:
            done = super().wait(futures)
            if not self.killed:
                self.killed = True
                for each in multiprocessing.active_children():
                    each.kill()
                    each.join()
            return done

    found = results([task(f"{i}.h5") for i in range(4)], Fragile(1))
    assert all(isinstance(each, Done) for each in found.values())
    assert len(found) == 4


def test_a_worker_that_is_told_to_end_costs_only_time() -> None:
    found = results([task("x.h5", describe=end_once), task("y.h5")], Processes(2))
    assert all(isinstance(each, Done) for each in found.values())
    assert outputs() == ["died", "maps.h5", "x.h5", "y.h5"]


def test_where_workers_can_no_longer_be_forked_a_new_pool_is_made() -> None:
    """As when the process that they are forked from is killed."""
    refused: list[None] = []

    class Refusing:
        def submit(self, *_: Any) -> None:
            refused.append(None)
            raise EOFError

    class Fragile(Processes):
        @contextmanager
        def executor(self, *, alone: bool = False) -> Iterator[Any]:
            with super().executor(alone=alone) as watched:
                if not refused:
                    watched._pool = Refusing()  # type: ignore[attr-defined]
                yield watched

    found = results([task(f"{i}.h5") for i in range(3)], Fragile(1))
    assert all(isinstance(each, Done) for each in found.values())
    assert len(found) == 3


def end_while_a_finalizer_runs(*_: Any, **__: Any) -> int:
    class Last:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    Last()
    time.sleep(60)
    return 0


def test_a_worker_hears_that_it_is_to_end_while_a_finalizer_runs() -> None:
    (error,) = results([task("x.h5", describe=end_while_a_finalizer_runs)], Processes(1)).values()
    assert isinstance(error, OutputError)


def test_ctrl_c_waits_until_a_process_has_begun() -> None:
    """One that has half begun would find nothing of what it was to work with."""
    begun = []

    class Beginning:
        def submit(self, *_: Any) -> Future[Any]:
            signal.raise_signal(signal.SIGINT)
            begun.append(True)
            return Future()

    with pytest.raises(KeyboardInterrupt), Processes(1).executor() as watched:
        watched._pool = Beginning()  # type: ignore[attr-defined]
        watched.submit(len, ())
    assert begun
