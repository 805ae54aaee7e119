"""Counts, numbers and signs as every text of the program writes them."""

from __future__ import annotations

from roicrop.text.wording import many, minus, special

__all__ = ["many", "minus", "special"]
