"""`file::path`: a file, and a path inside it."""

from __future__ import annotations

import os
from typing import Final

HDF5_SUFFIXES: Final = frozenset({".h5", ".hdf5", ".hdf", ".he5"})


def split_spec(spec: str) -> tuple[str, str]:
    """The file, and the path in it ("" if none): the longest left part that exists is the file."""
    cuts = [i for i in range(len(spec)) if spec.startswith("::", i)] if "::" in spec else []
    for cut in (len(spec), *reversed(cuts)):
        if spec[:cut] and os.path.exists(spec[:cut]):
            return spec[:cut], spec[cut + 2 :]
    file, _, path = spec.partition("::")
    return file, path
