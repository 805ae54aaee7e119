"""Pooling many files, in this process, in other processes, or on a cluster.

    tasks ──carry_out──▶ a crew's executor ──attempt──▶ what was done, or why not

A task is data that another process can read; a failure in one does not affect the others.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from threading import Condition
from typing import Any, Final, Protocol

from roicrop.crews import Crew
from roicrop.errors import OutputError, RoicropError
from roicrop.job.cautions import require_scale
from roicrop.job.pipeline import crop, open_job
from roicrop.job.request import Request
from roicrop.job.writing import Reduce
from roicrop.outputs import room_for_pictures

Progress = Callable[[int, str], AbstractContextManager[Callable[[int], object]]]


class Album(Protocol):
    """Pictures that a task draws: see `roicrop.draw.Album`."""

    def __enter__(self) -> Album:
        """Begin the album; returns itself."""

    def __exit__(self, *error: Any) -> None:
        """Remove the pictures again if the work failed."""

    def __len__(self) -> int:
        """The number of figures."""

    def draw(self, progress: Callable[[int], object]) -> Iterable[str]:
        """Draw the figures, reporting how many more are done; yields the files made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Boxes to pool from one file into another.

    album: makes the album of a job, given a place, conventions and `overwrite=`; None draws none.
    viz: where its pictures go.
    describe: makes the record of the job, before it is closed, from the job, the time of
        `time.perf_counter` at which it began, `cropped=` and `pictures=`. A task is carried out in
        other processes only if `album`, `describe` and what `describe` returns can be pickled.
    retried: whether an existing output with the same bytes, and any pictures in `viz`, are taken
        to be the work of an earlier attempt.
    """

    request: Request
    output: str
    describe: Callable[..., Any]
    dtype: str | None = None
    compression: str = "none"
    reduce: Reduce | None = None
    overwrite: bool = False
    album: Callable[..., Album] | None = None
    viz: str | None = None
    retried: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a task. seconds: how long it took. said: what its `describe` made."""

    boxes: int
    seconds: float
    said: Any


def run(task: Task, progress: Progress) -> Done:
    """Carry out one task here.

    progress: takes a number of boxes or figures, and that word; returns a function to call with
        how many more of them are done.

    Raises what `open_job` and `crop` raise.
    """
    start = time.perf_counter()
    with (
        open_job(task.request) as job,
        room_for_pictures(task.viz),
        ExitStack() as undo,
    ):
        require_scale(job)
        album = None
        if task.album is not None and task.viz is not None:
            overwrite = task.overwrite or task.retried
            album = undo.enter_context(
                task.album(job, task.viz, [job.convention], overwrite=overwrite)
            )
        pictures: list[str] = []

        def draw() -> None:
            if album is not None:
                with progress(len(album), "figures") as drawn:
                    pictures.extend(album.draw(drawn))

        with progress(len(job), "boxes") as advance:
            cropped = crop(
                job,
                task.output,
                dtype=task.dtype,
                compression=task.compression,
                reduce=task.reduce,
                overwrite=task.overwrite,
                retried=task.retried,
                progress=advance,
                finish=draw,
            )
        said = task.describe(job, start, cropped=cropped, pictures=pictures)
        return Done(len(job), time.perf_counter() - start, said)


FAILURES: Final = (RoicropError, OSError, MemoryError)
"""The errors of a task that has failed for a reason the user can fix."""


def attempt(task: Task, directory: str) -> Done | BaseException:
    """Carry out one task from a directory; an error is returned, not raised."""
    try:
        with _working_in(directory):
            return run(task, _quietly)
    except FAILURES as error:
        return error


@dataclass(frozen=True, slots=True)
class Outcome:
    """A task and its result: `Done`, or the error."""

    task: Task
    result: Done | BaseException


def carry_out(tasks: Iterable[Task], crew: Crew) -> Iterator[Outcome]:
    """Give tasks to a crew; yields each outcome as its task ends.

    A process that dies may interrupt other tasks, and it is unknown which one was at fault. So all
    tasks in progress are done again, one by one, and the one in which a process dies again fails.
    Tasks are taken from `tasks` only when a worker is free. The crew is dismissed at the end.
    """
    waiting, directory = iter(tasks), os.getcwd()
    try:
        for first in waiting:
            with crew.executor() as executor:
                some = chain([first], waiting)
                lost = yield from _until_lost(some, crew, executor, directory)
            for task in lost:
                yield Outcome(task, _alone(task, crew, directory))
    finally:
        crew.dismiss()


def _alone(task: Task, crew: Crew, directory: str) -> Done | BaseException:
    with crew.executor(alone=True) as executor:
        try:
            future = executor.submit(attempt, task, directory)
            while not future.done():
                crew.wait([future])
            return future.result()
        except crew.lost:
            return OutputError(
                f"{task.output}: the process that made it died, twice"
                f"{crew.how_it_ended()}: an input may be damaged, or memory may be short"
            )


def _until_lost(
    waiting: Iterator[Task], crew: Crew, executor: Executor, directory: str
) -> Generator[Outcome, None, list[Task]]:
    """Give out every task, or stop when a process dies; return the tasks to do again."""
    given: dict[Future[Done | BaseException], Task] = {}
    lost: list[Task] = []
    while True:
        while not lost and len(given) < crew.at_once and (task := next(waiting, None)):
            try:
                given[executor.submit(attempt, task, directory)] = task
            except crew.lost:
                lost.append(task)
        if not given:
            return lost
        for future in crew.wait(given):
            task = given.pop(future)
            try:
                result = future.result()
            except crew.lost:
                lost.append(task)
            else:
                yield Outcome(task, result)


@contextmanager
def _quietly(total: int, unit: str) -> Iterator[Callable[[int], object]]:
    yield lambda done: None


@contextmanager
def _working_in(directory: str) -> Iterator[None]:
    """Resolve names of files from the directory that the batch was started in.

    A process has one working directory, and a cluster's process may serve several batches.
    """
    global _users
    with _turn:
        _turn.wait_for(lambda: not _users or _same(directory))
        if not _same(directory):
            os.chdir(directory)
        _users += 1
    try:
        yield
    finally:
        with _turn:
            _users -= 1
            _turn.notify_all()


def _same(directory: str) -> bool:
    try:
        return os.getcwd() == directory
    except FileNotFoundError:  # it has been removed
        return False


_turn: Final = Condition()
_users = 0
