"""Counts, numbers, names, tables and records as every text of the program writes them."""

from __future__ import annotations

from roicrop.text.names import choice, listing, one_line, printable, quoted
from roicrop.text.numbers import brief, exact, in_column, minus, special, tidy, under_one_another
from roicrop.text.records import csv_lines, json_line, json_lines, plain
from roicrop.text.scales import Format, fitting, format_for, round_step, ticks
from roicrop.text.tables import INDENT, headed, table
from roicrop.text.wording import distance, many, measure

__all__ = [
    "INDENT",
    "Format",
    "brief",
    "choice",
    "csv_lines",
    "distance",
    "exact",
    "fitting",
    "format_for",
    "headed",
    "in_column",
    "json_line",
    "json_lines",
    "listing",
    "many",
    "measure",
    "minus",
    "one_line",
    "plain",
    "printable",
    "quoted",
    "round_step",
    "special",
    "table",
    "ticks",
    "tidy",
    "under_one_another",
]
