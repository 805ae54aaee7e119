"""Who carries out the tasks of a batch: see `roicrop.job.batch.Crew`."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager
from multiprocessing.connection import wait as wait_for_end
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from roicrop.errors import ArgumentError, OutputError

if TYPE_CHECKING:
    from distributed import Client


class ThisProcess:
    """One task after another, here."""

    at_once = 1
    lost: tuple[type[BaseException], ...] = ()

    @contextmanager
    def executor(self, *, alone: bool = False) -> Iterator[Executor]:
        """An executor that does what it is given before it answers."""
        yield _AtOnce()

    def wait(self, futures: Iterable[Future[Any]]) -> set[Future[Any]]:
        """All of them."""
        return set(futures)

    def how_it_ended(self) -> str:
        """Nothing."""
        return ""

    def dismiss(self) -> None:
        """Nothing."""


class _AtOnce(Executor):
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Processes:
    """Processes of this machine, which live and die without this one."""

    lost: tuple[type[BaseException], ...] = (BrokenExecutor,)

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self.at_once = workers + 1  # so that none has to wait for this process
        # Not by a fork of this process, in which HDF5 and threads are in use.
        method = "spawn" if sys.platform == "win32" else "forkserver"
        self._context: Any = multiprocessing.get_context(method)
        if method == "forkserver":
            self._context.set_forkserver_preload(["roicrop.job", "h5py"])
        self._ended: list[BaseProcess] = []

    @contextmanager
    def executor(self, *, alone: bool = False) -> Iterator[Executor]:
        """A pool; when the block fails, what its processes do is undone and they end."""
        before = set(multiprocessing.active_children())
        workers = 1 if alone else self._workers
        pool = ProcessPoolExecutor(workers, self._context, initializer=_begin_worker)
        try:
            yield _Watched(pool, before, self._ended)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            _stop([each for each in multiprocessing.active_children() if each not in before])
            raise
        finally:
            pool.shutdown()

    def wait(self, futures: Iterable[Future[Any]]) -> set[Future[Any]]:
        """Those that are done."""
        return wait(futures, return_when=FIRST_COMPLETED).done

    def how_it_ended(self) -> str:
        """The signal that killed it, or its exit status."""
        for process in self._ended:
            process.join(_PATIENCE)
        codes = {process.exitcode for process in self._ended} - {0, None, -signal.SIGTERM}
        self._ended.clear()
        return "".join(f" ({_name(code)})" for code in sorted(filter(None, codes))[:1])

    def dismiss(self) -> None:
        """Nothing: its processes have ended."""


class _Watched(Executor):
    """A pool whose processes are noted, because it forgets those that died."""

    def __init__(
        self, pool: Executor, before: set[BaseProcess], processes: list[BaseProcess]
    ) -> None:
        self._pool, self._before, self._processes = pool, before, processes

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = self._pool.submit(fn, *args, **kwargs)
        alive = set(multiprocessing.active_children()) - self._before
        self._processes[:] = list(alive)
        return future


def _name(code: int) -> str:
    try:
        return signal.Signals(-code).name if code < 0 else f"status {code}"
    except ValueError:
        return f"signal {-code}"


_PATIENCE: Final = 3.0  # seconds in which a process that is told to end does


def _stop(processes: Iterable[BaseProcess]) -> None:
    processes = list(processes)
    for process in processes:
        process.terminate()
    end = time.monotonic() + _PATIENCE
    for process in processes:
        process.join(max(0.0, end - time.monotonic()))
        process.kill()


def _begin_worker() -> None:
    """Told to end, undo what is half done; and end with the process that this one works for."""
    for name in ("SIGINT", "SIGHUP"):  # which reach the whole group; that process says what to do
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end(number: int, _: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_end([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_PATIENCE)
        os._exit(1)


class Cluster:
    """The workers of a Dask cluster, which see the same files under the same names."""

    at_once = 1000  # for a cluster that grows with what there is to do

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client, KilledWorker
        except ImportError as error:
            raise ArgumentError(
                "--scheduler needs Dask: pip install 'roicrop[dask]', here and on the workers"
            ) from error
        self._address = address
        self.lost: tuple[type[BaseException], ...] = (KilledWorker,)
        try:
            self._client: Client = Client(address, timeout=_CONNECTING, set_as_default=False)
        except (OSError, ValueError) as error:
            raise OutputError(
                f"there is no Dask scheduler at {address}: {error}; start one with `dask scheduler`"
            ) from error

    @contextmanager
    def executor(self, *, alone: bool = False) -> Iterator[Executor]:
        """The cluster's; when the block fails, what nobody has begun is never done."""
        executor = self._client.get_executor(retries=3, pure=False)
        try:
            yield executor
        except BaseException:
            executor.shutdown(wait=False)
            raise

    def wait(self, futures: Iterable[Future[Any]]) -> set[Future[Any]]:
        """Those that are done; OutputError if no worker has been there for long."""
        futures = list(futures)
        alone = 0.0
        while True:
            done = wait(futures, _LOOKING, return_when=FIRST_COMPLETED).done
            if done:
                return done
            alone = 0.0 if self._client.nthreads() else alone + _LOOKING
            if alone >= NO_WORKER:
                raise OutputError(
                    f"{self._address} has had no worker for {NO_WORKER:g} s: start some, under a "
                    "nanny (as `dask worker` does by itself), which starts those that die again"
                )

    def how_it_ended(self) -> str:
        """Whose logs say more."""
        return " (the logs of the Dask workers say how)"

    def dismiss(self) -> None:
        """Leave the cluster, which goes on without this process."""
        self._client.close(timeout=_PATIENCE)


_CONNECTING: Final = 10.0  # seconds
_LOOKING: Final = 1.0  # seconds between two looks at the workers
NO_WORKER = 60.0  # seconds without any worker, until a batch gives up
