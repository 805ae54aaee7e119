"""The findings as text, as a Markdown table, and as JSON."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import roicrop
from benchmarks.results import Measurement, Section
from benchmarks.targets import Verdict, judge
from roicrop import arguments, kernels


@dataclass(frozen=True)
class Findings:
    """All that a run found.

    peers: the version of each that took part.
    missing: why each of the others could not take part.
    """

    machine: Mapping[str, Any]
    peers: Mapping[str, str]
    missing: Mapping[str, str]
    sections: Sequence[Section]
    verdicts: Sequence[Verdict]


def machine() -> dict[str, Any]:
    """Where and when this runs, and how many other processes wanted a processor just before."""
    return {
        "processor": _processor(),
        "processors": arguments.default_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "roicrop": roicrop.__version__,
        "core": kernels.NAME,
        "date": time.strftime("%Y-%m-%d"),
        "load before": round(os.getloadavg()[0], 2),
    }


def added_to(path: Path, found: Findings) -> Findings:
    """The complete run in a file, with a partial run's sections in place of its own.

    Each of these gets a note that says when it was taken, and under what load.
    """
    whole = json.loads(path.read_text("utf-8"))
    taken = (
        f"Taken by itself on {found.machine['date']}, load before {found.machine['load before']}."
    )
    sections = {
        each["name"]: Section(
            **{**each, "measurements": [Measurement(**one) for one in each["measurements"]]}
        )
        for each in whole["sections"]
    }
    for section in found.sections:
        section.notes.append(taken)
        sections[section.name] = section
    return Findings(
        whole["machine"],
        whole["peers"] | found.peers,
        whole["missing"],
        list(sections.values()),
        judge({k: v for each in sections.values() for k, v in each.figures.items()}),
    )


def as_json(findings: Findings) -> str:
    """Everything that was found; `benchmarks/README.md` says what each field is."""
    found = asdict(findings)
    found["targets"] = [
        {**asdict(verdict.target), "value": verdict.value, "met": verdict.met}
        for verdict in findings.verdicts
    ]
    del found["verdicts"]
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def as_markdown(findings: Findings) -> str:
    """The findings as Markdown, for people."""
    lines = [
        "# roicrop's benchmarks",
        "",
        ", ".join(f"{key} {value}" for key, value in findings.machine.items()) + ".",
        "",
        "Beside: " + (", ".join(f"{n} {v}" for n, v in findings.peers.items()) or "nobody") + ".",
        *(f"{name} is missing: {why}." for name, why in findings.missing.items()),
        "",
    ]
    for section in findings.sections:
        lines += [section_text(section), ""]
    lines += ["## Targets", "", targets_text(findings.verdicts), ""]
    return "\n".join(lines)


def section_text(section: Section) -> str:
    """A table with a row for each workload and a column for each contender, and the notes."""
    rows = list(dict.fromkeys(m.workload for m in section.measurements))
    columns = list(dict.fromkeys(m.contender for m in section.measurements))
    cells = {(m.workload, m.contender): m for m in section.measurements}
    table = [["", *columns]]
    table += [[row, *(_cell(cells.get((row, c)), section) for c in columns)] for row in rows]
    heading = f"## {section.title}\n"
    if section.compared_with in columns:
        heading += f"\nIn brackets: how many times that of {section.compared_with}.\n"
    notes = "".join(f"\n{note}" for note in section.notes)
    return heading + ("\n" + _table(table) if rows else "") + (f"\n{notes}" if notes else "")


def targets_text(verdicts: Sequence[Verdict]) -> str:
    table = [["", "bound", "measured", ""]]
    for verdict in verdicts:
        target, value = verdict.target, verdict.value
        missed = "missed" if target.aim else "MISSED"
        word = {None: "not measured", True: "met", False: missed}[verdict.met]
        measured = "" if value is None else _number(value)
        promise = f"{target.promise} (an aim)" if target.aim else target.promise
        table.append([promise, target.bound, measured, word])
    return _table(table)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _cell(measurement: Measurement | None, section: Section) -> str:
    if measurement is None:
        return "–"
    text = f"{_number(measurement.value)} {measurement.unit}"
    if measurement.ratio is None or measurement.contender == section.compared_with:
        return text
    return f"{text} ({_number(measurement.ratio)}×)"


def _number(value: float) -> str:
    """A number with three digits, or with all those before the point."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:#.3g}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns are aligned in plain text too."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in [rows[0], rule, *rows[1:]]
    )


def _processor() -> str:
    """The processor's name and vector instructions, if the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    fields = (line.partition(":") for line in lines)
    found = {key.strip(): value.strip() for key, _, value in fields}
    flags = found.get("flags", "").split()
    levels = [level for level in ("avx2", "f16c", "avx512f") if level in flags]
    return " ".join([found.get("model name", platform.processor()), *levels])
