"""Generated parts of documents, such as the table of conventions and measured figures."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping
from typing import Final

import roicrop
from docs.box_files import BOX_FILES
from docs.documents import ROOT
from docs.tables import table
from roicrop.boxes.names import COORDINATES, SPELLINGS
from roicrop.conventions import CONVENTIONS, LEVEL_RULES, in_words


def conventions() -> str:
    """A table with a row per convention, as `roicrop conventions` words it."""
    name, *rules = in_words.TABLE_HEADER
    rows = []
    for row in CONVENTIONS.values():
        _, *its = in_words.table_row(row)
        rows.append([f"`{row.name}`", row.program, *its])
    return "\n".join(table([name, "reproduces", *rules], rows))


def surprises() -> str:
    """A list of what surprises people about each convention."""
    return "\n".join(f"- **{in_words.named(row)}**: {row.surprise}" for row in CONVENTIONS.values())


def level_rules() -> str:
    """A table with a row per level rule, and what surprises people about it."""
    rows = [
        [f"`{rule.name}`", rule.program, *in_words.level_row(rule), rule.surprise]
        for rule in LEVEL_RULES.values()
    ]
    return "\n".join(table(["rule", "reproduces", *in_words.LEVEL_HEADER, "surprise"], rows))


def functions() -> str:
    """The Python API: each function's signature, and the first line of its docstring."""
    return "\n".join(
        f"- `roicrop.{each.__name__}{_called(each)}`\n  {_first_line(each)}"
        for each in (getattr(roicrop, name) for name in _FUNCTIONS)
    )


def speed() -> str:
    """The speed compared with the frameworks', if the benchmarks have been run."""
    figures = _figures()
    faster = [
        f"{figures[figure]:.0f}× as fast as {name}"
        for name, figure in _PEERS.items()
        if figure in figures
    ]
    if not faster:
        return f"{_HOW} measures it beside the frameworks' own operators."
    return (
        f"On a CPU (geometric mean of six workloads), RoIAlign is\n{', '.join(faster)}.\n"
        f"[benchmarks/results.md](benchmarks/results.md) has all figures, and {_HOW}\n"
        "explains how they were measured."
    )


def box_files() -> str:
    """A table with a row per program that writes boxes."""
    rows = [
        [
            each.program,
            "<br>".join(f"`{line}`" for line in each.example.split("\n")),
            each.taken_for,
            f"`{each.options}`" if each.options else "",
        ]
        for each in BOX_FILES
    ]
    return "\n".join(table(["program", "it writes", "read as", "options"], rows))


def names() -> str:
    """A table of the known names of columns."""
    rows = [[role, ", ".join(f"`{n}`" for n in each)] for role, each in SPELLINGS.items() if each]
    for box_format, spellings in COORDINATES.items():
        rows.append([box_format, "; ".join(f"`{','.join(each)}`" for each in spellings)])
    return "\n".join(table(["", "names"], rows))


PARTS: Final[Mapping[str, Callable[[], str]]] = {
    "conventions": conventions,
    "surprises": surprises,
    "level rules": level_rules,
    "box files": box_files,
    "names": names,
    "functions": functions,
    "speed": speed,
}


_FUNCTIONS: Final = (
    "roi_align", "roi_pool", "multiscale_roi_align", "roi_align_rotated", "ps_roi_align",
    "ps_roi_pool", "assign_levels", "plan",
)  # fmt: skip
_PEERS: Final = {
    "ONNX Runtime (allocating results)": "align in new memory, onnxruntime, mean",
    "ONNX Runtime (preallocated results)": "align, onnxruntime, mean",
    "torchvision": "align, torchvision, mean",
}
_RESULTS: Final = ROOT / "benchmarks" / "results.json"
_HOW: Final = "[benchmarks/README.md](benchmarks/README.md)"


def _figures() -> dict[str, float]:
    """Figure → its measured value."""
    if not _RESULTS.exists():
        return {}
    sections = json.loads(_RESULTS.read_text("utf-8"))["sections"]
    return {name: value for each in sections for name, value in each["figures"].items()}


def _called(function: Callable[..., object]) -> str:
    """A function's parameters, without their types."""
    signature = inspect.signature(function)
    bare = [each.replace(annotation=each.empty) for each in signature.parameters.values()]
    return re.sub(r"<class '([\w.]+)'>", r"\1", str(inspect.Signature(bare)))


def _first_line(function: Callable[..., object]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]
