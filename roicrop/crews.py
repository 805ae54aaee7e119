"""Who carries out tasks of any kind: this process, others beside it, or a cluster's.

Little is imported here, so that other processes can begin while this one imports the rest.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from roicrop.errors import ArgumentError, OutputError
from roicrop.undisturbed import undisturbed

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
    from types import FrameType

    from distributed import Client


class Crew(Protocol):
    """Who carries out tasks.

    at_once: how many tasks may be given out at a time.
    lost: what the future of a task raises when the process that ran it dies.
    """

    at_once: int
    lost: tuple[type[BaseException], ...]

    def executor(self, *, alone: bool = False) -> AbstractContextManager[Executor]:
        """An executor; `alone`: for one task at a time. It is stopped if the block fails."""

    def wait(self, futures: Iterable[Future[Any]]) -> set[Future[Any]]:
        """Wait for some of the futures; return those that are done."""

    def how_it_ended(self) -> str:
        """How the last process that died ended, for a message."""

    def dismiss(self) -> None:
        """Release the connection to the crew."""


class ThisProcess:
    """Runs one task after another in this process."""

    at_once = 1
    lost: tuple[type[BaseException], ...] = ()

    @contextmanager
    def executor(self, *, alone: bool = False) -> Iterator[Executor]:
        """An executor that runs each task when it is submitted."""
        yield AtOnce()

    def wait(self, futures: Iterable[Future[Any]]) -> set[Future[Any]]:
        """Return all futures: they are done."""
        return set(futures)

    def how_it_ended(self) -> str:
        """Unknown: no process has ended."""
        return ""

    def dismiss(self) -> None:
        """Do nothing: there is no connection."""


class AtOnce(Executor):
    """Runs each task when it is submitted, and raises what it raises."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run the task; returns a finished future."""
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class _ToldToEnd(BaseException):
    """A process that works for this one received SIGTERM."""


class Processes:
    """Processes on this machine, whose death does not end this one."""

    lost: tuple[type[BaseException], ...] = (BrokenExecutor, _ToldToEnd)

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._threads = max(1, (os.cpu_count() or 1) // workers)
        self.at_once = workers + 1  # so that no worker has to wait for this process
        self._ended: list[BaseProcess] = []

    @staticmethod
    def prepare(modules: Sequence[str]) -> None:
        """Begin to load modules in a separate process, from which workers are forked.

        They are not forked from this process, which uses HDF5 and threads.
        """
        if _METHOD == "forkserver":
            from multiprocessing import forkserver, resource_tracker

            forkserver.set_forkserver_preload(list(modules))
            sys.warnoptions.append(_OF_LEFTOVERS)  # what helps pools inherits these
            resource_tracker.ensure_running()  # first: it unblocks signals
            with _group_signals_blocked():
                forkserver.ensure_running()
            sys.warnoptions.remove(_OF_LEFTOVERS)

    @contextmanager
    def executor(self, *, alone: bool = False) -> Iterator[Executor]:
        """A pool; if the block fails, its processes undo their work in progress and end."""
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        before = set(multiprocessing.active_children())
        self._ended.clear()
        workers = 1 if alone else self._workers
        context: Any = multiprocessing.get_context(_METHOD)
        pool = ProcessPoolExecutor(workers, context, _begin_worker, (SILENCE * self._threads,))
        try:
            yield _Watched(pool, workers, before, self._ended)
        except BaseException:
            _stop([each for each in multiprocessing.active_children() if each not in before])
            raise
        finally:
            pool.shutdown()

    def wait(self, futures: Iterable[Future[Any]]) -> set[Future[Any]]:
        """Wait for some of the futures; return those that are done."""
        return wait(futures, return_when=FIRST_COMPLETED).done

    def how_it_ended(self) -> str:
        """The signal that killed it, or its exit status."""
        for process in self._ended:
            process.join(_PATIENCE)
        codes = {process.exitcode for process in self._ended} - {0, None, -signal.SIGTERM}
        self._ended.clear()
        return "".join(f" ({_name(code)})" for code in sorted(filter(None, codes))[:1])

    def dismiss(self) -> None:
        """Do nothing: its processes have ended."""


# Semaphores of a batch that was stopped are cleaned up; no need to say so.
_OF_LEFTOVERS: Final = "ignore:resource_tracker:UserWarning"
_METHOD: Final = "spawn" if sys.platform == "win32" else "forkserver"
# Sent to a whole process group, whose first process decides. Windows has no SIGHUP.
_OF_GROUP: Final = [getattr(signal, name) for name in ("SIGINT", "SIGHUP") if hasattr(signal, name)]


@contextmanager
def _group_signals_blocked() -> Iterator[None]:
    """A process that is started inside never receives group signals."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _OF_GROUP)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Watched(Executor):
    """A pool whose processes are recorded, because the pool forgets those that died."""

    def __init__(
        self, pool: Executor, most: int, before: set[BaseProcess], processes: list[BaseProcess]
    ) -> None:
        self._pool, self._most, self._before, self._processes = pool, most, before, processes

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        from multiprocessing import active_children

        task = partial(self._pool.submit, _undone_if_told_to_end, fn, *args, **kwargs)
        if len(self._processes) == self._most:
            return task()
        try:
            with undisturbed():  # a process interrupted as it begins would be nobody's
                return task()
        except (EOFError, ConnectionError) as error:
            raise BrokenExecutor("the process that workers are forked from has died") from error
        finally:
            self._processes += set(active_children()) - self._before - set(self._processes)


def _name(code: int) -> str:
    if code == -_SILENT:
        return f"no sign of life in {SILENCE:g} s of computing"
    try:
        return signal.Signals(-code).name if code < 0 else f"status {code}"
    except ValueError:
        return f"signal {-code}"


_SILENT: Final = getattr(signal, "SIGPROF", 0)  # Windows has no such timer
_PATIENCE: Final = 3.0  # seconds to wait for a process that is told to end


def _stop(processes: Iterable[BaseProcess]) -> None:
    processes = list(processes)
    for process in processes:
        process.terminate()
    end = time.monotonic() + _PATIENCE
    for process in processes:
        process.join(max(0.0, end - time.monotonic()))
        process.kill()


SILENCE = 120.0  # seconds of computing for which a thread may hold Python's lock


def _begin_worker(silence: float) -> None:
    """Make a worker end with the process that it works for, or if it never releases the lock.

    silence: seconds of computing, of all threads together, without a sign of life.
    """
    for number in _OF_GROUP:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if _SILENT:
        threading.Thread(target=_show_life, args=(silence,), daemon=True).start()


def _show_life(silence: float) -> None:
    """Postpone the end while this thread runs: HDF5 can loop forever, holding Python's lock.

    It is the processor's time that runs out, not the clock's: a slow disk may take any time.
    """
    while True:
        signal.setitimer(signal.ITIMER_PROF, silence)
        time.sleep(silence / 10)


def _end_with_parent() -> None:
    from multiprocessing import connection, parent_process

    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_PATIENCE)
        os._exit(1)


def _undone_if_told_to_end(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a function; if told to end meanwhile, the process cleans up first."""

    def told(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise _ToldToEnd

    def again(lost: sys.UnraisableHookArgs) -> None:
        if isinstance(lost.exc_value, _ToldToEnd):  # a finalizer ran, where Python drops it
            signal.signal(signal.SIGTERM, told)
            threading.Timer(0.01, os.kill, [os.getpid(), signal.SIGTERM]).start()
        else:
            sys.__unraisablehook__(lost)

    try:
        sys.unraisablehook = again
        signal.signal(signal.SIGTERM, told)
        return fn(*args, **kwargs)
    except _ToldToEnd:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
        raise
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        sys.unraisablehook = sys.__unraisablehook__


class Cluster:
    """The workers of a Dask cluster, which see the same files under the same names."""

    at_once = 1000  # for a cluster that grows with the work to do

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
        """The cluster's executor; if the block fails, work that has not begun is cancelled."""
        executor = self._client.get_executor(retries=3, pure=False)
        try:
            yield executor
        except BaseException:
            executor.shutdown(wait=False)
            raise

    def wait(self, futures: Iterable[Future[Any]]) -> set[Future[Any]]:
        """Wait for some of the futures; OutputError if there is no worker for too long."""
        futures = list(futures)
        alone = 0.0
        while True:
            done = wait(futures, _LOOKING, return_when=FIRST_COMPLETED).done
            if done:
                return done
            alone = 0.0 if self._client.nthreads() else alone + _LOOKING
            if alone >= NO_WORKER:
                raise OutputError(
                    f"{self._address} has had no worker for {NO_WORKER:g} s: start some under a "
                    "nanny (the default of `dask worker`), which restarts those that die"
                )

    def how_it_ended(self) -> str:
        """Where to find out, for a message."""
        return " (the logs of the Dask workers say how)"

    def dismiss(self) -> None:
        """Leave the cluster, which goes on without this process."""
        self._client.close(timeout=_PATIENCE)


_CONNECTING: Final = 10.0  # seconds
_LOOKING: Final = 1.0  # seconds between two looks at the workers
NO_WORKER = 60.0  # seconds without any worker before a batch gives up
