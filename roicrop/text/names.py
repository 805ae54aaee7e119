"""Names that come from files, as messages, summaries and tables show them: they are data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

LONGEST_NAME: Final = 200


def printable(name: object, most: int = LONGEST_NAME) -> str:
    """The text on one line, without control characters, and not longer than `most`."""
    text = str(name)
    text = text if len(text) <= most else text[: most - 1] + "…"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def quoted(name: object, most: int = LONGEST_NAME) -> str:
    """The same in quotes, for names whose ends matter."""
    text = str(name)
    return repr(text if len(text) <= most else text[: most - 1] + "…")


def listing(names: Sequence[object], most: int = 5) -> str:
    """The first few of many names, and how many more there are."""
    shown = ", ".join(map(printable, names[:most]))
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
