"""`roicrop conventions`."""

from __future__ import annotations

import dataclasses

import click

from roicrop.cli import declaring
from roicrop.conventions import CONVENTIONS, DEFAULT, LEVEL_RULES, in_words
from roicrop.text import json_line
from roicrop.text import table as in_columns


@declaring.command(epilog="\b\nExample: roicrop conventions --json")
@declaring.running_option(
    "--json", "as_json", is_flag=True, help="Print the whole table as JSON, with every rule."
)
def command(as_json: bool) -> None:
    """List how each framework defines the operators and chooses levels of a pyramid."""
    rows = list(CONVENTIONS.values())
    cells = [in_words.TABLE_HEADER, *map(in_words.table_row, rows)]
    if as_json:
        table = [
            {
                **dataclasses.asdict(row),
                "default_of": row.operator if DEFAULT[row.operator] == row.name else None,
            }
            for row in rows
        ]
        click.echo(json_line(table))
        return
    click.echo("\n".join(in_columns(cells, "l" * len(cells[0]))))
    for row in rows:
        click.echo(f"\n{in_words.named(row)}: {row.program}")
        click.echo(click.wrap_text(row.surprise, 78, "  ", "  "))
        click.echo(click.wrap_text(f"Verified: {row.verified}.", 78, "  ", "  "))
    cells = [("level rule", *in_words.LEVEL_HEADER)]
    cells += [(rule.name, *in_words.level_row(rule)) for rule in LEVEL_RULES.values()]
    click.echo("\n" + "\n".join(in_columns(cells, "l" * len(cells[0]))))
    for rule in LEVEL_RULES.values():
        click.echo(f"\n{rule.name}: {rule.program}")
        click.echo(click.wrap_text(rule.surprise, 78, "  ", "  "))
        click.echo(click.wrap_text(f"Verified: {rule.verified}.", 78, "  ", "  "))
