"""`roicrop conventions`."""

from __future__ import annotations

import dataclasses

import click

from roicrop.conventions import CONVENTIONS, DEFAULT, Convention
from roicrop.text import json_line, minus
from roicrop.text import table as in_columns


@click.command(epilog="\b\nExample: roicrop conventions --json")
@click.option("--json", "as_json", is_flag=True, help="The whole table, every rule of each row.")
def command(as_json: bool) -> None:
    """List what each framework means by the operator, and what surprises people about it."""
    rows = list(CONVENTIONS.values())
    if as_json:
        default = {name: operator for operator, name in DEFAULT.items()}
        table = [{**dataclasses.asdict(r), "default_of": default.get(r.name)} for r in rows]
        click.echo(json_line(table))
        return
    click.echo("\n".join(in_columns([HEADER, *map(cells, rows)], "l" * len(HEADER))))
    for row in rows:
        click.echo(f"\n{row.name}: {row.program}")
        click.echo(click.wrap_text(row.surprise, 78, "  ", "  "))
        click.echo(click.wrap_text(f"Verified: {row.verified}.", 78, "  ", "  "))


HEADER = ("convention", "for", "shift", "at least", "samples", "reduction", "outside", "corners")


def cells(row: Convention) -> tuple[str, ...]:
    """The row as the table shows it. The shift is in pixels before and in cells after scaling."""
    before = minus(f"{row.offset_before:+g} px, ") if row.offset_before else ""
    after = minus(f"{row.offset_after:+g}") if row.offset_after else "0"
    pool = row.operator == "pool"
    least = (
        "" if row.min_size is None else f"{row.min_size:g} cell{'' if row.min_size == 1 else 's'}"
    )
    return (
        row.name,
        row.operator,
        "rounded" if pool else before + after,
        "1 cell" if pool else least,
        "cells" if pool else str(row.sampling_ratio),
        row.mode,
        "left out" if pool else row.border,
        row.order + (" fractions" if row.normalized else ""),
    )
