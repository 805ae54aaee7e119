"""Files as such, whoever reads them: what a file is, whether it stays as it was, HDF5 and NumPy's.

`hdf5` talks to h5py and `npy` reads `.npy` and `.npz`; neither knows what is in them, and each is
imported by those who need it.
"""

from __future__ import annotations

from roicrop.files.foreign import numpy_kind, what_it_is
from roicrop.files.unchanged import Unchanged

__all__ = ["Unchanged", "numpy_kind", "what_it_is"]
