"""Fresh Python processes that this one starts, with an environment of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

_ROOT: Final = Path(__file__).parents[1]


def ask(module: str, question: object) -> Any:
    """The answer of `python -m module`, in a process of its own, to one question; both are JSON."""
    with Worker(module) as worker:
        return worker.ask(question)


class Worker:
    """A process that answers questions with `serve` until this is closed."""

    def __init__(self, module: str, environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
            env={**os.environ, **(environment or {})},
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def ask(self, question: object) -> Any:
        """The answer; RuntimeError if the process ended instead: its standard error says why."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the empty answer shows it
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"a worker process ended with status {self._process.wait()}")
        return json.loads(answer)


def serve(answer: Callable[[Any], object]) -> None:
    """The other side: answers the questions on standard input until it ends."""
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
