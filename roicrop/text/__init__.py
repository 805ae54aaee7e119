"""Counts, numbers, names, tables and records as every text of the program writes them."""

from __future__ import annotations

from roicrop.text.names import choice, listing, one_line, printable, quoted
from roicrop.text.numbers import brief, exact, in_column, minus, special, tidy, under_one_another
from roicrop.text.records import csv_lines, json_line, json_lines, plain
from roicrop.text.tables import INDENT, headed, table
from roicrop.text.wording import distance, many, measure

__all__ = [
    "INDENT",
    "brief",
    "choice",
    "csv_lines",
    "distance",
    "exact",
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
    "special",
    "table",
    "tidy",
    "under_one_another",
]
