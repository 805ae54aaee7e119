"""Which kind of file it is, and which files go together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING, Final, Literal

from roicrop.boxes import BOX_SUFFIXES, BoxTable
from roicrop.errors import FeatureError
from roicrop.inspection.boxes import look_at_boxes
from roicrop.inspection.pooled import (
    look_at_pooled_hdf5,
    look_at_pooled_npy,
    look_at_pooled_npz,
)
from roicrop.inspection.reports import BoxFile, FeatureFile, ModelFile, PooledFile, Together
from roicrop.models import is_model

if TYPE_CHECKING:
    from roicrop.job import Request

_HDF5: Final = b"\x89HDF\r\n\x1a\n"
_NPY: Final = b"\x93NUMPY"
_ZIP: Final = b"PK\x03\x04"
_HDF5_SUFFIXES: Final = frozenset({".h5", ".hdf5", ".hdf", ".he5"})


@dataclass(frozen=True, eq=False, slots=True)
class Looked:
    """A file that was looked at; `table` is what was read, where it holds boxes."""

    report: FeatureFile | PooledFile | BoxFile | ModelFile
    table: BoxTable | None = None

    @property
    def unreadable(self) -> list[str]:
        """What in the file cannot be read, and why, a line each."""
        return self.report.unreadable if isinstance(self.report, FeatureFile) else []


def look_at(path: str, how: Request) -> Looked:
    """Look into a file of features, of pooled boxes, of boxes ("-" is standard input) or a model.

    path: may be `file.h5::/path`.
    how: what the command line says of files; which ones it names does not matter.

    Raises FeatureError, BoxError or OSError if it cannot be read, ArgumentError if `how` is wrong.
    """
    if is_model(path):
        from roicrop.inspection.models import look_at_model

        return Looked(look_at_model(path))
    kind = _kind(path)
    if kind == "npy":
        return Looked(look_at_pooled_npy(path))
    if kind == "npz":
        return Looked(look_at_pooled_npz(path))
    if kind == "hdf5":
        from roicrop.inspection.maps import look_at_maps

        whole = Path(path).exists()
        return Looked((look_at_pooled_hdf5(path) if whole else None) or look_at_maps(path, how))
    if kind is None and how.boxes_format is None:
        raise FeatureError(
            f"{path} is neither HDF5 nor boxes: if it holds boxes, --boxes-format says which kind"
        )
    table = how.read_boxes(path)
    return Looked(look_at_boxes(table, how), table)


def look_together(looked: Sequence[Looked], how: Request) -> Iterator[Together]:
    """Hold boxes against features.

    Boxes go with the features whose file has the same name but for its suffix, and, where there are
    none, with all.
    """
    for spec, table in _pairs(looked):
        from roicrop.inspection.together import hold_together  # imports h5py: only for pairs

        yield hold_together(spec, table, how)


def _pairs(looked: Sequence[Looked]) -> Iterator[tuple[str, BoxTable]]:
    features = [one.report for one in looked if isinstance(one.report, FeatureFile)]
    for table in (one.table for one in looked if one.table is not None):
        namesakes = [file for file in features if _stem(file.path) == _stem(table.path)]
        for file in namesakes or features:
            for source in file.sources:
                yield source, table


def _stem(path: str) -> str:
    return PurePath(path.partition("::")[0]).stem


def _kind(path: str) -> Literal["hdf5", "npz", "npy", "boxes"] | None:
    """What a file is by its first bytes, else by its name; None where neither says."""
    place = Path(path)
    if path == "-":
        return "boxes"
    if place.is_dir():
        raise FeatureError(f"{path} is a directory: name the files in it")
    if not place.exists():
        if "::" in path:
            return "hdf5"
        raise FeatureError(f"{path} does not exist")
    with place.open("rb") as stream:
        if _is_hdf5(stream) or place.suffix.lower() in _HDF5_SUFFIXES:
            return "hdf5"
        stream.seek(0)
        start = stream.read(len(_NPY))
    if start == _NPY:
        return "npy"
    if start.startswith(_ZIP):
        return "npz"
    inner = place.with_suffix("") if place.suffix.lower() == ".gz" else place
    return "boxes" if inner.suffix.lower() in BOX_SUFFIXES else None


def _is_hdf5(stream: IO[bytes]) -> bool:
    """Whether HDF5 begins at 0, or after a block of the user's own: at 512, 1024, 2048 and on."""
    end, place = stream.seek(0, 2), 0
    while place < end:
        stream.seek(place)
        if stream.read(len(_HDF5)) == _HDF5:
            return True
        place = 2 * place or 512
    return False
