"""Names that come from files, as messages, summaries and tables show them: they are data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONGEST_NAME: Final = 200
LONGEST_MESSAGE: Final = 2000
_LONGEST_WORD: Final = 300  # the path of a file, or a name in quotes with the text around it


def printable(name: object, most: int = LONGEST_NAME) -> str:
    """The text on one line, without control characters, and not longer than `most`."""
    text = _shortened(str(name), most)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def quoted(name: object, most: int = LONGEST_NAME) -> str:
    """The same in quotes, for names whose ends matter."""
    return repr(_shortened(str(name), most))


def one_line(message: str) -> str:
    """A message as it is printed: on one line, with limits on its length and on each word's.

    What is left out is in the middle: a message ends with what to do about it.
    """
    if len(message) > LONGEST_NAME:
        message = " ".join(_shortened(word, _LONGEST_WORD) for word in message.split(" "))
    return printable(message, LONGEST_MESSAGE)


def _shortened(text: str, most: int) -> str:
    """The text, or its first and last characters."""
    if len(text) <= most:
        return text
    kept = most - 1
    return f"{text[: kept - kept // 3]}…{text[len(text) - kept // 3 :]}"


def choice(name: str, known: Iterable[str]) -> str:
    """What to choose instead of an unknown name: similar names, or else any of the names."""
    from difflib import get_close_matches  # only needed here

    names = sorted(known)
    alike = get_close_matches(name.lower(), names, n=3)
    return f"did you mean {' or '.join(alike)}?" if alike else f"choose from {', '.join(names)}"


def listing(names: Sequence[object] | NDArray[Any], most: int = 5) -> str:
    """The first few of many names, and how many more there are."""
    shown = ", ".join(map(printable, names[:most]))
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
