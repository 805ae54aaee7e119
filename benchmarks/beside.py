"""`python -m benchmarks.beside OTHER`: this build of roicrop beside another one, in turns.

OTHER is the Python interpreter of an environment in which the other build is installed. Each build
has a process of its own, and the two take turns, so that both have the same machine: A B A B …
A ratio is this build's time by the other's, within a round; what is shown is the median over the
rounds. CPU time is that of all threads.
"""

from __future__ import annotations

import itertools
import json
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import click

from benchmarks import workloads
from benchmarks.timing import median_ratio
from benchmarks.workloads import FULL, Sizes, Workload

Call = tuple[str, Workload, str, str]  # group, workload, dtype, layout

_CHANNELS: Final = (256, 250, 100, 24, 8)


def calls() -> Iterator[Call]:
    """What is timed."""
    six, others = workloads.six(FULL), workloads.others(FULL)
    for workload in (*six, *others):
        yield "align", workload, "f4", "NCHW"
    for group, some in (("RoIPool", workloads.pools(FULL)), ("maximum", workloads.maxima(FULL))):
        for workload in some:
            yield group, workload, "f4", "NCHW"
    corner = [replace(w, name=f"{w.name}, corners", mode="max") for w in six[1::2]]
    for workload in corner:
        yield "corner maximum", workload, "f4", "NCHW"
    for dtype, group in (("f2", "float16"), ("f8", "float64"), ("u1", "integers")):
        for workload in six:
            yield group, workload, dtype, "NCHW"
    for channels, dtype in itertools.product(_CHANNELS, ("f4", "f2")):
        sizes = Sizes(channels, FULL.boxes)
        for workload in (*workloads.six(sizes), *workloads.others(sizes)):
            yield f"channels-last, {channels}, {dtype}", workload, dtype, "NHWC"


class Build:
    """One of the two builds, in a process of its own that answers requests to pool."""

    def __init__(self, python: str) -> None:
        # Isolated, so that only packages installed there are imported.
        self._process = subprocess.Popen(
            [python, "-I", "-c", _WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, **question: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


_WORKER: Final = """
import json, sys, time
import numpy as np
import roicrop
from roicrop import kernels

def lines(shape, dtype):
    memory = np.zeros(int(np.prod(shape)) * np.dtype(dtype).itemsize + 64, np.uint8)
    return memory[-memory.ctypes.data % 64:][: memory.size - 64].view(dtype).reshape(shape)

def prepare(shape, boxes, operator, size, dtype, layout, options):
    global run, out
    run = out = None
    boxes = np.array(boxes, np.float32)
    drawn = np.random.default_rng(1).standard_normal(shape, dtype=np.float32)
    if dtype == "u1":
        drawn = abs(drawn) * 40
    pooled = [len(boxes), shape[1], *size]
    if layout == "NHWC":
        drawn = drawn.transpose(0, 2, 3, 1)
        pooled = [pooled[0], *pooled[2:], pooled[1]]
    features = lines(drawn.shape, dtype)
    features[...] = drawn.astype(dtype)
    out = lines(pooled, dtype if dtype != "u1" else "f4")
    call = getattr(roicrop, "roi_" + operator)
    run = lambda: call(features, boxes, size, layout=layout, out=out, **options)

def pool(calls):
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(calls):
        run()
    return [(time.process_time() - cpu) / calls, (time.perf_counter() - wall) / calls]

for line in sys.stdin:
    question = json.loads(line)
    do = question.pop("do")
    if do == "name":
        answer = kernels.NAME
    elif do == "prepare":
        answer = prepare(**question)
    elif do == "check":
        answer = float(np.abs(out.astype("f8")[:: max(1, len(out) // 7)]).sum())
    else:
        answer = pool(**question)
    print(json.dumps(answer), flush=True)
"""


@click.command()
@click.argument("other")
@click.option("--only", metavar="PATTERN", default="", help="Regex on 'group: workload'.")
@click.option("--seconds", default=2.0, show_default=True, help="Time for each workload.")
@click.option("--threads", default=2, show_default=True)
def main(other: str, only: str, seconds: float, threads: int) -> None:
    """Time this build of roicrop beside the one installed for the interpreter OTHER."""
    builds = Build(sys.executable), Build(other)
    click.echo(" beside ".join(build.ask(do="name") for build in builds))
    for group, some in itertools.groupby(calls(), key=lambda call: call[0]):
        chosen = [call for call in some if re.search(only, f"{group}: {call[1].name}")]
        if not chosen:
            continue
        click.echo(f"\n{group:28}   CPU ratio   wall ratio   ms CPU   ms of the other")
        ratios = [_race(builds, call, seconds, threads) for call in chosen]
        for number, name in enumerate(("CPU", "wall")):
            these = [ratio[number] for ratio in ratios]
            mean = statistics.geometric_mean(these)
            click.echo(f"  {name}: geometric mean {mean:.3f}, most {max(these):.3f}")
    for build in builds:
        build.close()


def _race(builds: Sequence[Build], call: Call, seconds: float, threads: int) -> tuple[float, float]:
    _, workload, dtype, layout = call
    options: dict[str, Any] = {"threads": threads}
    if workload.operator == "align":
        ratio = workload.sampling_ratio
        convention = "onnx" if workload.name.endswith("corners") else "detectron2"
        options |= {"sampling_ratio": ratio, "mode": workload.mode, "convention": convention}
    sums = []
    for build in builds:
        build.ask(
            do="prepare",
            shape=workload.map_shape,
            boxes=workload.boxes.tolist(),
            operator=workload.operator,
            size=workload.output_size,
            dtype=dtype,
            layout=layout,
            options=options,
        )
        first = build.ask(do="pool", calls=2)[1]
        sums.append(build.ask(do="check"))
    if abs(sums[0] - sums[1]) > 1e-4 * abs(sums[1]):
        raise click.ClickException(f"{workload.name}: the builds differ ({sums})")
    at_once = max(1, round(0.02 / first))
    rounds = max(5, round(seconds / (2 * at_once * first)))
    times: list[list[list[float]]] = [[], []]
    for number in range(rounds):
        for which in (0, 1) if number % 2 else (1, 0):
            times[which].append(builds[which].ask(do="pool", calls=at_once))
    (cpu, wall), (other_cpu, other_wall) = (list(zip(*each, strict=True)) for each in times)
    found = median_ratio(cpu, other_cpu), median_ratio(wall, other_wall)
    own_ms, other_ms = (1e3 * statistics.median(times) for times in (cpu, other_cpu))
    ratios = f"{found[0]:9.3f}    {found[1]:9.3f}"
    click.echo(f"  {workload.name:26} {ratios}   {own_ms:8.2f}   {other_ms:8.2f}")
    return found


if __name__ == "__main__":
    main()
