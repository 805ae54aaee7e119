"""Progress bars on standard error, for what takes over a second, on a terminal only."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def progress(
    total: int | None, *, quiet: bool, unit: str = "boxes"
) -> Iterator[Callable[[int], object]]:
    """A bar on a terminal for what takes over a second; call it with how many more are done.

    total: how many there are to do, None where nobody knows.
    """
    with _bar(quiet, total=total, unit=f" {unit}", unit_scale=True) as bar:
        yield (lambda done: None) if bar is None else bar.update


class Rows:
    """A bar on a terminal for the rows of a batch: rows, boxes a second, time left."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._boxes = 0
        self._start = time.perf_counter()

    def __call__(self, boxes: int) -> None:
        """Say that one more row is settled, with so many boxes pooled."""
        if self._bar is not None:
            self._boxes += boxes
            speed = self._boxes / (time.perf_counter() - self._start)
            self._bar.set_postfix_str(f"{speed:,.0f} boxes/s", refresh=False)
            self._bar.update()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Inside, other lines may be printed."""
        if self._bar is None:
            yield
        else:
            with self._bar.external_write_mode(file=sys.stderr):
                yield


@contextmanager
def rows_progress(rows: int, *, quiet: bool) -> Iterator[Rows]:
    """The bar, where there is a terminal."""
    with _bar(quiet, total=rows, unit=" rows") as bar:
        yield Rows(bar)


@contextmanager
def _bar(quiet: bool, **how: Any) -> Iterator[Any]:
    """A tqdm that shows after a second and leaves nothing; None without a terminal."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    # tqdm shows nothing on a terminal that does not know its size; this takes 80×24 then.
    columns, lines = shutil.get_terminal_size()
    with tqdm(**how, delay=1, leave=False, ncols=columns, nrows=lines) as bar:
        yield bar
