"""Runs roicrop's command line with its imports done before the clock starts; prints the seconds.

    python -m benchmarks.after_imports MODULES align features.h5 boxes.csv -o pooled.h5

The first run writes the names of the modules that it imported to the file MODULES; later runs
import these first.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import time
from pathlib import Path


def main() -> None:
    modules = Path(sys.argv.pop(1))
    rehearsal = not modules.exists()
    if not rehearsal:
        _import(modules.read_text().split())
    from roicrop.cli.main import main as command_line

    start = time.perf_counter()
    try:
        command_line()
    finally:
        print(time.perf_counter() - start)
        if rehearsal:
            modules.write_text("\n".join(sys.modules))


def _import(names: list[str]) -> None:
    for name in names:
        with contextlib.suppress(ImportError):  # some are in `sys.modules` under another name
            importlib.import_module(name)


if __name__ == "__main__":
    main()
