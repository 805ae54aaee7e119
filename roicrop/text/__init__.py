"""Counts, numbers, signs and names as every text of the program writes them."""

from __future__ import annotations

from roicrop.text.names import listing, printable, quoted
from roicrop.text.wording import many, minus, special

__all__ = ["listing", "many", "minus", "printable", "quoted", "special"]
