"""`python -m tests.fuzz --seconds 60`: damaged files through the real command line.

Each input runs in a forked child with limits of memory, time and file size, warnings shown. What
must hold whatever the input: no traceback, no Python warning, no control character on a terminal,
no hang, one line for an error, and an output that is whole or not there. HDF5 itself may crash or
loop on a damaged file: where that happens inside h5py it is counted apart.

Failing inputs are kept in `--keep`, with the command that fails. `--corpus` runs kept ones again.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import count, repeat
from pathlib import Path

from tests.fuzz.cases import cases
from tests.fuzz.judge import judge
from tests.fuzz.kept import keep, kept


def main() -> int:
    arguments = _arguments()
    if arguments.corpus:
        return _run_corpus(arguments.corpus)
    print(f"fuzzing for {arguments.seconds:g} s, seed {arguments.seed}", flush=True)
    with ProcessPoolExecutor(arguments.jobs) as pool:
        counts = list(pool.map(_work, range(arguments.jobs), repeat(arguments)))
    tried: Counter[str] = sum((each[0] for each in counts), Counter())
    failed: Counter[str] = sum((each[1] for each in counts), Counter())
    print("tried", sum(tried.values()), dict(sorted(tried.items())))
    for failure, times in sorted(failed.items()):
        print(f"{times:>6}  {failure}")
    ours = sum(times for failure, times in failed.items() if "in HDF5" not in failure)
    print("failed", ours, "in roicrop,", sum(failed.values()) - ours, "in HDF5")
    return int(ours > 0)


def _work(worker: int, arguments: argparse.Namespace) -> tuple[Counter[str], Counter[str]]:
    """Cases until the time is up: how many of each kind, and how many failed in which way."""
    tried: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    end = time.monotonic() + arguments.seconds
    for number in count(arguments.seed * 1_000_000 + worker, arguments.jobs):
        if time.monotonic() > end:
            return tried, failed
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch, "case")
            folder.mkdir()
            case = cases(random.Random(number), folder)
            verdict = judge(case)
            tried[case.kind] += 1
            if not verdict.fine:
                failed[f"{case.kind}: {verdict.failure}"] += 1
                command = " ".join(case.arguments)
                print(f"{number}: {verdict.failure}: roicrop {command}", flush=True)
                keep(arguments.keep, case, verdict, f"{case.kind}-{number}")
    raise AssertionError


def _run_corpus(place: Path) -> int:
    tried = failed = 0
    for name, case in kept(place):
        tried += 1
        verdict = judge(case)
        if not verdict.fine and not verdict.of_hdf5:
            failed += 1
            print(f"{name}: {verdict.failure}")
    print(f"{tried} inputs, {failed} failed")
    return int(failed > 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"))
    parser.add_argument("--corpus", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
