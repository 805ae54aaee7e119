"""The sampling points of a box as CSV."""

from __future__ import annotations

from pathlib import Path

from roicrop.draw.subject import Subject
from roicrop.sampling import Plan


def write_points(
    plan: Plan, k: int, path: str | Path, *, subject: Subject, overwrite: bool = False
) -> None:
    """Every sample of box k (every cell of every bin, for RoIPool) as CSV."""
    raise NotImplementedError
