"""Errors that a user can cause.

Each is one line: what is wrong, where (file, line or row, dataset, box index), and what to do.
The command line prints the message and leaves with `exit_status`; nothing prints a traceback.
"""

from __future__ import annotations

from roicrop.text import one_line


class RoicropError(Exception):
    """The work failed for a reason the user can fix."""

    exit_status = 1

    def __str__(self) -> str:
        """The message, on one line of limited length, whatever names are in it."""
        return one_line(super().__str__())


class FeatureError(RoicropError):
    """A feature file or dataset cannot be used."""


class BoxError(RoicropError, ValueError):
    """A box, or a file of boxes, cannot be used.

    said: what is wrong and what to do.
    box: index of the offending box, counted from 0; None if there is no such box, or `said`
        names it.
    """

    def __init__(self, said: str, box: int | None = None) -> None:
        super().__init__(said if box is None else f"box {box} {said}")
        self.said = said
        self.box = box


class TextError(RoicropError):
    """A file of text cannot be read."""


class PooledError(RoicropError):
    """A file of pooled boxes cannot be used."""


class OutputError(RoicropError):
    """A result cannot be written."""


class ArgumentError(RoicropError, ValueError):
    """An argument or option makes no sense, alone or beside another."""

    exit_status = 2


class KernelError(RoicropError):
    """The core that was asked for is not available here."""


class ManifestError(RoicropError):
    """A list of jobs cannot be read."""


class ModelError(RoicropError):
    """An exported model cannot be read, or its RoI operator cannot be used."""
