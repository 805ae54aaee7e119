"""How much of a dataset was ever written: HDF5 reads the fill value in place of the rest."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import h5py

from roicrop.files import hdf5
from roicrop.files.origins import Home, beside


def written(dataset: h5py.Dataset, rows: Sequence[int]) -> dict[int, float]:
    """How much of each of these rows, along the first axis, was written: from 0 (none) to 1 (all).

    The sources of a virtual dataset are checked too, in the folder of its file and below. A row
    counts as written if that cannot be determined.
    """
    if dataset.external or not dataset.shape:
        return dict.fromkeys(rows, 1.0)
    if dataset.is_virtual:
        return _of_virtual(dataset, rows)
    if dataset.chunks is None:
        return dict.fromkeys(rows, float(dataset.id.get_storage_size() > 0))
    grid = [-(-n // size) for n, size in zip(dataset.shape, dataset.chunks, strict=True)]
    there, first = dataset.id.get_num_chunks(), dataset.chunks[0]
    if there in (0, math.prod(grid)) or not hasattr(dataset.id, "chunk_iter"):  # before 1.12.3
        return dict.fromkeys(rows, there / math.prod(grid))
    of_row: Counter[int] = Counter()
    dataset.id.chunk_iter(lambda info: of_row.update([info.chunk_offset[0] // first]))
    return {row: of_row[row // first] / math.prod(grid[1:]) for row in rows}


def _of_virtual(dataset: h5py.Dataset, rows: Sequence[int]) -> dict[int, float]:
    """As `written`, from the sources of a virtual dataset; 0 for a row without sources."""
    found = dict.fromkeys(rows, 0.0)
    for source in dataset.virtual_sources():
        try:
            (low, *_), (high, *_) = source.vspace.get_select_bounds()
            begin, end = 0, high - low
            if source.src_space.get_select_type() != h5py.h5s.SEL_ALL:  # SEL_ALL has no bounds
                (begin, *_), (end, *_) = source.src_space.get_select_bounds()
        except hdf5.H5PY_ERRORS:  # an unlimited selection, perhaps from many files
            return dict.fromkeys(rows, 1.0)
        its = [row for row in rows if low <= row <= high]
        by_row = end - begin == high - low
        shares = _of_source(dataset, source, [row - low + begin for row in its] if by_row else [0])
        for row, share in zip(its, shares if by_row else shares * len(its), strict=True):
            found[row] = max(found[row], share)
    return found


def _of_source(dataset: h5py.Dataset, source: Any, rows: list[int]) -> list[float]:
    own, name = dataset.file.filename, source.file_name
    with suppress(*hdf5.H5PY_ERRORS):
        if name == ".":
            part = hdf5.get(dataset.file, source.dset_name)
            return list(written(part, rows).values())
        if Home.of(own, external=False).why_not(own, name) is None:
            with hdf5.open_as_it_is(beside(own, name)) as file:
                return list(written(hdf5.get(file, source.dset_name), rows).values())
    return [1.0] * len(rows)
