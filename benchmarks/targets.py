"""The targets, in one place, by which the suites' figures are judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Target:
    """A bound on one figure.

    aim: worth reaching, but nothing is broken without it.
    """

    figure: str
    promise: str
    at_least: float | None = None
    at_most: float | None = None
    aim: bool = False

    def judge(self, figures: Mapping[str, float]) -> Verdict:
        value = figures.get(self.figure)
        if value is None:
            return Verdict(self, None, None)
        low = self.at_least if self.at_least is not None else value
        high = self.at_most if self.at_most is not None else value
        return Verdict(self, value, low <= value <= high)

    @property
    def bound(self) -> str:
        if self.at_least is not None:
            return f"at least {self.at_least:g}"
        return f"at most {self.at_most:g}"


@dataclass(frozen=True)
class Verdict:
    """The outcome of a target; `value` and `met` are None if its figure was not measured."""

    target: Target
    value: float | None
    met: bool | None


# A peer's figure is its time divided by roicrop's: "mean" is the geometric mean over a suite's
# workloads, "least" and "most" are the smallest and the largest of them.
TARGETS: Final = (
    Target("align in new memory, onnxruntime, mean", "RoIAlign: times faster than ONNX Runtime", 8),
    Target("align, onnxruntime, mean", "… with results in memory that is there already", 10),
    Target("align, onnxruntime, least", "… on each of the six workloads", 4),
    Target("align, torchvision, mean", "RoIAlign: times faster than torchvision", 20),
    Target("align on one thread, torchvision, mean", "… on one thread", 12),
    Target("align, by memory floor, mean", "RoIAlign: by the memory floor", at_most=2.5, aim=True),
    Target("pool, torchvision, mean", "RoIPool: times faster than torchvision", 20),
    Target("maximum, most", "RoIAlign, maximum: by the time of the average", at_most=4),
    Target("NHWC, most", "Channels-last: by the time of NCHW", at_most=1),
    Target("channels-last, mean", "… with other types and reductions", at_most=1, aim=True),
    Target("channels-last, most", "… at worst", at_most=1, aim=True),
    Target("float16, most", "float16: by the time of float32", at_most=1.3),
    Target("float64, most", "float64: by the time of float32", at_most=2.5),
    Target("pyramid, torchvision", "Pyramid: times faster than torchvision", 15),
    Target("pyramid on one thread, torchvision", "… on one thread", 9),
    Target("rotated, one thread of a peer", "Rotated RoIAlign: times faster than detectron2", 8),
    Target("ps align, torchvision", "Position-sensitive align: times faster than torchvision", 2),
    Target("ps pool, paddle", "Position-sensitive pool: times faster than Paddle", 1),
    Target("simd, avx2, most", "AVX2: by the time of AVX-512", at_most=2.2),
    Target("memory, MiB", "Memory beyond input and output, MiB", at_most=32),
    Target("scaling, K", "Growth with boxes: exponent", at_most=1.1),
    Target("scaling, C", "Growth with channels: exponent", at_most=1.1),
    Target("scaling, bins", "Growth with bins: exponent", at_most=1.1),
    Target("one box, µs", "One box through the Python API, µs", at_most=150),
    Target("end to end, whole process", "End to end: times faster than the script", 4),
    Target("end to end, imports left out", "… with imports left out of both", 2.5),
    Target("end to end, peak memory", "… the script's peak memory by roicrop's", 4),
    *(
        Target(
            f"reading, {workload}, {other}", f"Reading, {workload}: times faster than {other}", n
        )
        for workload, other, n in (
            ("gzip, 800 boxes", "another version", 2.3),
            ("float16, shuffle, gzip, 800 boxes", "another version", 1.7),
            ("lzf, 800 boxes", "another version", 1.5),
            ("contiguous, 800 boxes", "another version", 1),
            ("gzip, 8 boxes", "another version", 7),
            ("float16, shuffle, gzip, 8 boxes", "another version", 5),
            ("gzip, 800 boxes", "another version, without deflate", 1.6),
            ("float16, shuffle, gzip, 800 boxes", "another version, without deflate", 1.3),
            ("gzip, 800 boxes", "h5py and torchvision", 6),
            ("gzip, 800 boxes", "h5py and torchvision, imports left out", 6),
            ("gzip, 800 boxes", "h5py and torchvision, without deflate", 4),
            ("gzip, 800 boxes", "h5py and torchvision, imports left out, without deflate", 4),
            ("gzip, 8 boxes", "h5py and torchvision", 20),
            ("gzip, 8 boxes", "h5py and torchvision, imports left out", 20),
        )
    ),
    *(
        Target(
            f"reading, {storage}, 800 boxes, peak MiB",
            f"… peak memory, {storage}, MiB",
            at_most=105,
        )
        for storage in ("contiguous", "gzip", "lzf", "float16, shuffle, gzip")
    ),
    Target("batch, another version", "Batch, two workers: times faster than another version", 2.2),
    Target("batch, another version, without deflate", "… without deflate", 1.6),
    Target("batch, another version", "… once a file costs half", 2.6, aim=True),
    Target("batch, one worker", "… than one worker", 1.6, aim=True),
)


def judge(figures: Mapping[str, float]) -> list[Verdict]:
    """A verdict on each target, in order."""
    return [target.judge(figures) for target in TARGETS]
