"""The harness in `benchmarks/` measures what it says. Timing never decides a test."""

from __future__ import annotations

import dataclasses
import json
import mmap
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks import check, onnx_model, peers, report, targets, timing, workloads
from benchmarks.race import Options, race
from benchmarks.results import Section
from benchmarks.suites.scaling import exponent
from benchmarks.talk import Worker
from benchmarks.workloads import QUICK

_ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a quick run on roicrop alone writes, and the paths of its files."""
    path = tmp_path_factory.mktemp("bench") / "results.json"
    suites = (
        "(align|pool|maximum|variants): small|last: .*small|pyramid|one box|scaling: K|memory|"
        "end to end|reading: gzip, 8 "
    )
    command = ["-m", "benchmarks", "--quick", "--alone", "--only", suites, "--json", str(path)]
    done = subprocess.run([sys.executable, *command], cwd=_ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {**json.loads(path.read_text("utf-8")), "path": path}


def test_a_run_writes_every_promised_field(found: dict[str, Any]) -> None:
    assert {"processor", "python", "numpy", "roicrop", "core", "date", "sizes"} <= set(
        found["machine"]
    )
    assert found["peers"] == found["missing"] == {}
    names = [section["name"] for section in found["sections"]]
    assert names == [
        *("align", "pool", "maximum", "variants", "channels-last", "pyramid"),
        *("one box", "scaling", "memory", "end to end", "reading"),
    ]
    for section in found["sections"]:
        for measurement in section["measurements"]:
            # A tiny call may find all the memory that it needs.
            assert measurement["value"] > 0 or section["name"] == "memory"
            assert set(measurement) == {
                *("workload", "contender", "value", "unit", "ratio", "rounds", "threads")
            }


def test_a_run_writes_its_table_and_its_chart(found: dict[str, Any]) -> None:
    table = found["path"].with_suffix(".md").read_text("utf-8")
    assert "| small, adaptive |" in table
    with Image.open(found["path"].with_name("scaling.png")) as chart:
        assert chart.width > 400


def test_nothing_disagrees_and_what_is_missing_is_named(found: dict[str, Any]) -> None:
    notes = [note for section in found["sections"] for note in section["notes"]]
    assert notes == ["Without torchvision there is nothing to compare with."]


def test_rows_are_measured_for_each_contender(found: dict[str, Any]) -> None:
    align = found["sections"][0]["measurements"]
    assert [(m["workload"], m["contender"], m["rounds"]) for m in align] == [
        (workload, contender, 2)
        for workload in ("small, adaptive", "small, 2")
        for contender in ("roicrop", "roicrop, 1 thread", "memory floor")
    ]


def test_a_target_is_not_judged_by_some_of_its_workloads(found: dict[str, Any]) -> None:
    judged = {target["figure"] for target in found["targets"]}
    assert judged == {"one box, µs", "scaling, K", "memory, MiB"}


@pytest.mark.parametrize(
    ("value", "met"), [(3.9, False), (4.0, True), (4.1, True), (float("nan"), False)]
)
def test_a_target_is_met_from_its_bound_on(value: float, met: bool) -> None:
    assert targets.Target("speed", "fast", at_least=4).judge({"speed": value}).met is met


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    verdict = targets.Target("memory", "little", at_most=32).judge({"speed": 1.0})
    assert verdict.met is None
    assert "not measured" in report.targets_text([verdict])


def test_box_sets_are_what_they_say() -> None:
    for name in workloads.BOX_SETS:
        boxes = workloads.box_set(name, 2000, 128, 100)
        assert np.array_equal(boxes, workloads.box_set(name, 2000, 128, 100))
        assert (boxes >= 0).all()
        assert (boxes <= [100, 128, 100, 128]).all()
    sides = np.diff(workloads.box_set("uniform", 2000, 128, 128).reshape(-1, 2, 2), axis=1)
    assert 10 <= sides.min() < 10.1 < 13.9 < sides.max() <= 14
    corners = workloads.box_set("small", 2000, 128, 128)
    assert (corners.min(axis=0) >= [100, 100, 110, 110]).all()
    assert (corners.max(axis=0) <= [104, 104, 114, 114]).all()


def test_a_contender_that_disagrees_is_noted_and_not_timed() -> None:
    workload = workloads.six(QUICK)[0]
    own = peers.roicrop(workload, 1)
    shifted = dataclasses.replace(own, name="another", convention="mask-rcnn")
    section = Section("align", "", compared_with="roicrop")
    race(section, workload, [own, shifted], Options(pace=timing.Pace(0, 1, 1)))
    assert [m.contender for m in section.measurements] == ["roicrop"]
    assert len(section.notes) == 1
    assert section.notes[0].startswith("small, adaptive: another differs by ")


def test_a_result_of_nan_disagrees() -> None:
    workload = workloads.six(QUICK)[0]
    nothing = np.full(workload.pooled_shape, np.nan, np.float32)
    broken = peers.Contender("broken", 1, lambda: None, lambda: nothing)
    assert check.disagreement(broken, workload) is not None


def test_contenders_take_turns() -> None:
    calls: list[str] = []
    pace = timing.Pace(seconds=0, least_rounds=2, most_rounds=9)
    found = timing.interleave([lambda: calls.append("a"), lambda: calls.append("b")], pace)
    assert "".join(calls) == "ababab"  # one round to warm up, two timed
    assert [len(seconds) for seconds in found] == [2, 2]


@pytest.mark.skipif(sys.platform == "win32", reason="counts pages as POSIX does")
def test_a_call_that_takes_new_memory_is_repeated_and_not_reported() -> None:
    calls: list[str] = []

    def run() -> None:
        calls.append("new memory" if len(calls) == 2 else "")
        if calls[-1]:
            with mmap.mmap(-1, 16 << 20) as memory:
                memory.write(bytes(len(memory)))

    found = timing.interleave([run], timing.Pace(seconds=0, least_rounds=3, most_rounds=3))
    assert len(calls) == 1 + 3 + 1
    assert len(found[0]) == 3


def test_ratios_are_taken_within_rounds() -> None:
    assert timing.median_ratio([2.0, 20.0, 200.0], [1.0, 10.0, 50.0]) == 2.0


def test_growth_is_told_by_its_exponent() -> None:
    assert exponent([1, 2, 4, 8], [3, 6, 12, 24]) == pytest.approx(1.0)
    assert exponent([1, 2, 4, 8], [5, 20, 80, 320]) == pytest.approx(2.0)


def test_a_worker_that_fails_says_so() -> None:
    with (
        Worker("benchmarks.suites.simd") as worker,
        pytest.raises(RuntimeError, match="ended with status 1"),
    ):
        worker.ask(["no such thing"])


def test_a_model_of_one_node_is_a_valid_protocol_buffer() -> None:
    model = onnx_model.one_node(
        "RoiAlign",
        16,
        {"features": (onnx_model.FLOAT, (1, 256, 128, 128))},
        ("pooled", (512, 256, 7, 7)),
        {"mode": "avg", "output_height": 7, "spatial_scale": 0.5, "pooled_shape": (7, 300)},
    )
    top = _fields(model)
    assert [tag for tag, _ in top] == [1, 7, 8]
    graph = dict(_fields(top[1][1]))
    node = _fields(graph[1])
    assert [value for tag, value in node if tag in (1, 2, 4)] == [
        b"features",
        b"pooled",
        b"RoiAlign",
    ]
    attributes = [_fields(value) for tag, value in node if tag == 5]
    assert attributes[0] == [(1, b"mode"), (4, b"avg"), (20, 3)]
    assert attributes[1] == [(1, b"output_height"), (3, 7), (20, 2)]
    assert attributes[2] == [(1, b"spatial_scale"), (2, b"\0\0\0?"), (20, 1)]
    assert attributes[3] == [(1, b"pooled_shape"), (8, 7), (8, 300), (20, 7)]


def _fields(message: Any) -> list[tuple[int, Any]]:
    """The tags and values of a protocol buffer, read independently of how it was written."""
    fields, rest = [], bytes(message)
    while rest:
        key, rest = _number(rest)
        value: Any
        if key & 7 == 0:
            value, rest = _number(rest)
        elif key & 7 == 5:
            value, rest = rest[:4], rest[4:]
        else:
            length, rest = _number(rest)
            value, rest = rest[:length], rest[length:]
        fields.append((key >> 3, value))
    return fields


def _number(data: bytes) -> tuple[int, bytes]:
    value = shift = 0
    for position, byte in enumerate(data):
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, data[position + 1 :]
    raise AssertionError("the buffer ends within a number")
