"""Files in general: what a file is, whether it stays as it was, HDF5 and NumPy's.

`hdf5` talks to h5py, `origins` finds the other files that a dataset's bytes are in, `written` what
was never written, `npy` reads `.npy` and `.npz`, `arrays` a whole array of any of these, `text`
reads text, `numbers` the numbers in it, and `columns` holds what was read. None of them knows what
is in a file, and each is imported by those who need it.
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
