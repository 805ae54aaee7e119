"""Errors that a user can cause.

Each is one line: what is wrong, where (file, line or row, dataset, box index), and what to do.
The command line prints the message and leaves with `exit_status`; nothing prints a traceback.
"""


class RoicropError(Exception):
    """The work failed for a reason the user can mend."""

    exit_status = 1


class FeatureError(RoicropError):
    """A feature file or dataset cannot be used."""


class BoxError(RoicropError, ValueError):
    """A box, or a file of boxes, cannot be used."""


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
