"""`python -m benchmarks`: time roicrop beside its peers, and say which targets are met."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Final

import click

from benchmarks import peers, report, targets, timing
from benchmarks.race import Options
from benchmarks.results import Section
from benchmarks.workloads import FULL, QUICK

SUITES: Final = (
    "align",
    "pool",
    "maximum",
    "variants",
    "channels_last",
    "pyramid",
    "operators",
    "simd",
    "one_box",
    "scaling",
    "memory",
    "end_to_end",
    "reading",
    "batch",
)


@click.command()
@click.option("--only", metavar="PATTERN", default="", help="Regex on 'suite: workload'.")
@click.option("--seconds", default=10.0, show_default=True, help="Time for each workload.")
@click.option("--threads", default=2, show_default=True, help="For roicrop and each peer.")
@click.option("--alone", is_flag=True, help="Without peers.")
@click.option("--quick", is_flag=True, help="Tiny sizes, two rounds: does it run at all?")
@click.option(
    "--json",
    "json_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the results go; beside it a table (.md) and scaling.png. "
    "Whole runs go to benchmarks/results.json unless told otherwise.",
)
def main(
    only: str, seconds: float, threads: int, alone: bool, quick: bool, json_path: Path | None
) -> None:
    """Time roicrop beside every peer that is installed."""
    if json_path is None and not (only or alone or quick):
        json_path = Path(__file__).with_name("results.json")
    missing = {} if alone else {p.name: why for p in peers.PEERS if (why := p.why_missing())}
    present = [] if alone else [peer for peer in peers.PEERS if peer.name not in missing]
    options = Options(
        only,
        QUICK if quick else FULL,
        timing.Pace(0.0, 2, 2) if quick else timing.Pace(seconds),
        threads,
        present,
        json_path.with_name("scaling.png") if json_path else None,
    )
    for name, why in missing.items():
        click.echo(f"{name} is missing: {why}")
    machine = {**report.machine(), "sizes": "tiny" if quick else "full"}
    timing.keep_freed_memory()
    sections = [section for name in SUITES if (section := _run(name, options)) is not None]
    verdicts = targets.judge({k: v for section in sections for k, v in section.figures.items()})
    if only:
        verdicts = [verdict for verdict in verdicts if verdict.met is not None]
    if verdicts:
        heading = (
            "Targets (tiny sizes: these judge the harness, not roicrop)" if quick else "Targets"
        )
        click.echo(f"\n## {heading}\n\n{report.targets_text(verdicts)}")
    if json_path:
        versions = {peer.name: peer.version for peer in present}
        findings = report.Findings(machine, versions, missing, sections, verdicts)
        report.write(json_path, report.as_json(findings))
        report.write(json_path.with_suffix(".md"), report.as_markdown(findings))


def _run(name: str, options: Options) -> Section | None:
    """The suite's findings, shown at once; None when nothing of it was wanted."""
    section: Section = importlib.import_module(f"benchmarks.suites.{name}").run(options)
    if not section.measurements and not section.notes:
        return None
    click.echo(f"\n{report.section_text(section)}")
    return section


if __name__ == "__main__":
    main()
