"""`roicrop conventions`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import click

from roicrop.cli.report import as_text
from roicrop.conventions import CONVENTIONS, DEFAULT, in_words


@click.command(epilog="\b\nExample: roicrop conventions --json")
@click.option("--json", "as_json", is_flag=True, help="The whole table, every rule of each row.")
def command(as_json: bool) -> None:
    """List what each framework means by the operator, and what surprises people about it."""
    rows = list(CONVENTIONS.values())
    if as_json:
        default = {name: operator for operator, name in DEFAULT.items()}
        table = [{**dataclasses.asdict(r), "default_of": default.get(r.name)} for r in rows]
        click.echo(as_text(table))
        return
    click.echo("\n".join(_table([in_words.TABLE_HEADER, *map(in_words.table_row, rows)])))
    for row in rows:
        click.echo(f"\n{row.name}: {row.program}")
        click.echo(click.wrap_text(row.surprise, 78, "  ", "  "))
        click.echo(click.wrap_text(f"Verified: {row.verified}.", 78, "  ", "  "))


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(
            f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)
        ).rstrip()
