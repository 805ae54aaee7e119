"""Recognise a file that does not hold feature maps as roicrop reads them, and say what to do."""

from __future__ import annotations

import re
import zipfile
from os.path import isfile
from pathlib import Path, PurePath
from typing import Final

_LOOKED_AT: Final = 512  # bytes at the beginning

# How a file begins → what it is, and what to do.
_BEGINNINGS: Final = (
    (rb"version https://git-lfs", "a Git LFS pointer, not the file itself", "run git lfs pull"),
    (rb"\s*<(!doctype html|html|head|body)", "a web page (HTML)", "download the file itself"),
    (rb"\s*<\?xml", "XML, perhaps a server's error message", "download the file itself"),
    (rb"PK\x03\x04", "a ZIP archive", "unpack it, and name the file in it"),
    (rb"\x1f\x8b|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd", "compressed as a whole", "unpack it first"),
    (rb"MATLAB 5\.0 MAT-file", "a MATLAB file before v7.3", "save it with -v7.3"),
    (rb"CDF[\x01\x02\x05]", "NetCDF before version 4", "convert it with nccopy -k netCDF-4"),
    (rb"\x0e\x03\x13\x01", "HDF4", "convert it with h4toh5"),
    (rb"\x80[\x02-\x05]", "a Python pickle, which could run any code", "write HDF5 with h5py"),
    (rb"\Z", "empty", "write or download it again"),
)
# By suffix: code that opens such a file in Python as a mapping or a tensor x.
_TORCH: Final = "import torch; x = torch.load({path!r}, map_location='cpu', weights_only=True)"
_LOADERS: Final = {
    ".pt": _TORCH,
    ".pth": _TORCH,
    ".safetensors": "from safetensors.torch import load_file; x = load_file({path!r})",
}


def what_it_is(path: str) -> str | None:
    """What a file is, and what to do with it, from its suffix and first bytes; None if unknown."""
    loader = _LOADERS.get(PurePath(path).suffix.lower())
    if loader is not None:
        load, out = loader.format(path=path), f"{PurePath(path).stem}.h5"
        lines = f"{load}; x = x['features'] if isinstance(x, dict) else x"
        return (
            "holds PyTorch tensors, which roicrop does not read: convert them to HDF5 in Python: "
            f"import h5py; {lines}; h5py.File({out!r}, 'w')['features'] = x.float().numpy()"
        )
    if not isfile(path):  # a pipe may never say anything
        return None
    try:
        with Path(path).open("rb") as stream:
            start = stream.read(_LOOKED_AT)
    except OSError:
        return None
    for pattern, what, remedy in _BEGINNINGS:
        if re.match(pattern, start, re.IGNORECASE):
            return f"is {what}: {remedy}"
    return None


def numpy_kind(path: str) -> str | None:
    """The kind, npy or npz, of a file that NumPy wrote, by its content; None for any other."""
    if not isfile(path):
        return None
    try:
        with Path(path).open("rb") as stream:
            start = stream.read(6)
        if start == b"\x93NUMPY":
            return "npy"
        if start.startswith(b"PK\x03\x04"):
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
            return "npz" if any(name.endswith(".npy") for name in names) else None
    except zipfile.BadZipFile:
        return "npz" if PurePath(path).suffix.lower() == ".npz" else None
    except (OSError, ValueError, RuntimeError):
        pass
    return None
