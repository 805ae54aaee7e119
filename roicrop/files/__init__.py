"""Files in general: what a file is, whether it changed while it was read, HDF5 and NumPy files.

`hdf5` talks to h5py, `origins` finds the other files that a dataset's bytes are in, `written` the
values that were never written, `npy` reads `.npy` and `.npz`, `arrays` a whole array of any of
these, `text` reads text, `numbers` the numbers in it, and `columns` holds columns that were read.
None of them knows what a file means, and each is imported by those who need it.
"""

from __future__ import annotations

from roicrop.files.foreign import numpy_kind, what_it_is
from roicrop.files.specs import HDF5_SUFFIXES, split_spec
from roicrop.files.unchanged import Unchanged

__all__ = [
    "HDF5_SUFFIXES",
    "Unchanged",
    "arrays",
    "columns",
    "hdf5",
    "npy",
    "numbers",
    "numpy_kind",
    "origins",
    "split_spec",
    "text",
    "what_it_is",
    "written",
]
