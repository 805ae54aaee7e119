"""Runs roicrop's command line once all that it uses is imported; prints the seconds it took."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import time

import roicrop


def main() -> None:
    from roicrop.cli import main as command_line

    start = time.perf_counter()
    sys.argv[0] = "roicrop"
    try:
        command_line()
    finally:
        print(time.perf_counter() - start)


def _import_all() -> None:
    for package in ("h5py", "tqdm"):  # roicrop imports them where it uses them
        importlib.import_module(package)
    for module in pkgutil.walk_packages(roicrop.__path__, "roicrop."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)


if __name__ == "__main__":
    _import_all()
    main()
