"""Make the golden values: what each framework gives for the cases of `cases.py`.

    python tests/golden/make.py --peer torchvision        in an environment that has it
    python tests/golden/make.py --python torchvision=envs/tv/bin/python --python paddle=…

The first writes `torchvision.npz` beside this file, and `torchvision_pyramids.npz` and
`torchvision_operators.npz`; the second does so for each framework, with the interpreter of the
environment that has it. Every case runs in a process of its own, except for pyramids and other
operators, because some frameworks crash or never return on boxes that are only unusual. Needs NumPy
and a system that forks.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import os
import resource
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.golden import operators, pyramids  # noqa: E402
from tests.golden.cases import CASES, Case  # noqa: E402
from tests.golden.peers import PEERS, load  # noqa: E402

SECONDS = 60
MEMORY = 4 << 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    peers = dict.fromkeys([*CASES, *operators.PEERS])
    parser.add_argument("--peer", choices=peers, action="append", default=[])
    parser.add_argument("--python", metavar="PEER=PYTHON", action="append", default=[])
    arguments = parser.parse_args()
    for peer in arguments.peer:
        installed = load(peer)
        if peer in CASES:
            make(peer, installed)
        if peer in operators.PEERS:
            operators.make(peer, installed)
    for pair in arguments.python:
        peer, _, python = pair.partition("=")
        subprocess.run([python, __file__, "--peer", peer], check=True)


def make(peer: str, installed: dict[str, str]) -> None:
    """Run every case of a peer that is installed here, and write its file."""
    arrays: dict[str, Any] = {}
    records = []
    for case in CASES[peer]():
        features, boxes = case.inputs()
        outcome, pooled = run_apart(peer, case)
        keys = {
            "features": f"features/{case.features}/{case.dtype}",
            "boxes": f"boxes/{case.boxes}/{_coordinates(case)}",
        }
        arrays[keys["features"]], arrays[keys["boxes"]] = features, boxes
        if pooled is not None:
            keys["pooled"] = f"pooled/{case.name}"
            arrays[keys["pooled"]] = pooled
        records.append({**dataclasses.asdict(case), **keys, "outcome": outcome})
        if outcome != "pooled":
            print(f"{peer}: {case.name}: {outcome}")
    names = [record["name"] for record in records]
    assert len(set(names)) == len(names), "two cases of one name"
    path = Path(__file__).with_name(f"{peer}.npz")
    about = json.dumps({"versions": installed, "cases": records})
    np.savez_compressed(path, about=np.array(about), **arrays)
    print(f"{path.name}: {len(records)} cases, {path.stat().st_size:,} bytes")
    if peer in pyramids.PEERS:
        pyramids.make(peer, installed)


def run_apart(peer: str, case: Case) -> tuple[str, Any]:
    """The outcome ("pooled", "raised", "died" or "hung") and the pooled array, or None."""
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe(duplex=False)
    process = fork.Process(target=_run, args=(peer, case, there))
    process.start()
    there.close()
    try:
        answer: tuple[str, Any] = here.recv() if here.poll(SECONDS) else ("hung", None)
    except EOFError:
        answer = ("died", None)
    process.kill()
    process.join()
    return answer


def _run(peer: str, case: Case, answer: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    silence = os.open(os.devnull, os.O_WRONLY)  # of the frameworks' last words
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    try:
        answer.send(("pooled", PEERS[peer](case, *case.inputs())))
    except Exception:
        answer.send(("raised", None))


def _coordinates(case: Case) -> str:
    """What tells apart the same boxes in different cases."""
    if case.convention == "tensorflow":
        return f"fractions of {case.features}"
    return f"scale {case.spatial_scale:g}/{case.dtype}"


if __name__ == "__main__":
    main()
