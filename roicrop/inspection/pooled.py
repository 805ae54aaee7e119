"""What a file that roicrop wrote says of itself."""

from __future__ import annotations

import dataclasses
import json
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from roicrop.conventions import CONVENTIONS, overrides
from roicrop.errors import FeatureError
from roicrop.inspection.reports import PooledFile
from roicrop.inspection.values import MOST_VALUES, Values, summarise

_MARK: Final = "roicrop_version"
# What the file says to those who plot it; and what is a field of its own.
_NO_PARAMETERS: Final = frozenset(
    {"NX_class", "signal", "axes", "default_slice", "convention", "rules"}
)


def look_at_pooled_hdf5(path: str) -> PooledFile | None:
    """Look into an HDF5 file; None if roicrop did not write it. FeatureError if it is damaged."""
    from roicrop.files import hdf5
    from roicrop.inspection.sample import sample

    with hdf5.open_file(path) as file, hdf5.named_errors(path):
        if _MARK not in file.attrs or "pooled" not in file:
            return None
        said = {name: _plain(value) for name, value in file.attrs.items()}
        if isinstance(rules := said.get("rules"), str):
            said["rules"] = json.loads(rules)
        return _pooled_file(
            path,
            shape=file["pooled"].shape,
            dtype=file["pooled"].dtype,
            said=said,
            columns={name: file[name].shape for name in file if name != "pooled"},
            values=sample(file["pooled"], f"{path}::/pooled"),
        )


def look_at_pooled_npz(path: str) -> PooledFile:
    """Look into an .npz file; FeatureError if roicrop did not write it, or it is damaged."""
    with _named_errors(path), zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        if not {"pooled", "attributes"} <= {*names}:
            raise FeatureError(
                f"{path} is an .npz that roicrop did not write: feature maps are read from HDF5"
            )
        with archive.open("attributes.npy") as member:
            said = json.loads(str(np.lib.format.read_array(member, allow_pickle=False)))
        headers = {}
        for name in names:
            with archive.open(f"{name}.npy") as member:
                headers[name] = _header(member)
        shape, dtype = headers.pop("pooled")
        del headers["attributes"]
        with archive.open("pooled.npy") as member:
            values = _first_values(member)
    columns = {name: shape for name, (shape, _) in headers.items()}
    return _pooled_file(path, shape=shape, dtype=dtype, said=said, columns=columns, values=values)


def look_at_pooled_npy(path: str) -> PooledFile:
    """Look into an .npy file of rank 4, which need not be roicrop's; else FeatureError."""
    with _named_errors(path), Path(path).open("rb") as stream:
        shape, dtype = _header(stream)
        if len(shape) != 4 or dtype.kind != "f":
            raise FeatureError(
                f"{path} holds {shape} {dtype}, not pooled boxes: feature maps are read from HDF5"
            )
        stream.seek(0)
        values = _first_values(stream)
    return _pooled_file(path, shape=shape, dtype=dtype, said={}, columns={}, values=values)


def _pooled_file(
    path: str,
    *,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    said: Mapping[str, object],
    columns: dict[str, tuple[int, ...]],
    values: Values,
) -> PooledFile:
    convention = said.get("convention")
    changed, strange = _changed(convention, said.get("rules"))
    return PooledFile(
        path=path,
        size=Path(path).stat().st_size,
        shape=shape,
        dtype=dtype.name,
        convention=None if convention is None else str(convention),
        changed=changed,
        parameters={name: said[name] for name in said if name not in _NO_PARAMETERS},
        columns=columns,
        values=values,
        odd=(*strange, *_odd(shape, said, columns, values)),
    )


def _changed(
    convention: object, rules: object
) -> tuple[dict[str, tuple[object, object]], list[str]]:
    """What differs from the convention as this version knows it, and what it does not know."""
    if convention is None:
        return {}, []
    own = CONVENTIONS.get(str(convention))
    if own is None:
        return {}, [f"made by the convention {convention}, which this version does not know"]
    try:
        return overrides(dataclasses.replace(own, **(rules if isinstance(rules, dict) else {}))), []
    except TypeError:
        return {}, ["made by rules that this version does not know"]


def _odd(
    shape: tuple[int, ...],
    said: Mapping[str, object],
    columns: Mapping[str, tuple[int, ...]],
    values: Values,
) -> Iterator[str]:
    if not said:
        yield "does not say how it was made, as .h5 and .npz do"
    if 0 in shape:
        yield "holds no boxes"
    for name in ("boxes", "image_index", "source_index"):
        if name in columns and columns[name][:1] != shape[:1]:
            yield f"{name} has {columns[name][0]} rows, but there are {shape[0]} pooled boxes"
    yield from values.odd()


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type; the stream then is at the first value."""
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    shape, _, dtype = read[np.lib.format.read_magic(stream)](stream)
    return shape, dtype


def _first_values(stream: IO[bytes]) -> Values:
    """What the first values are like: an archive can only be read from its beginning."""
    shape, dtype = _header(stream)
    count = min(math.prod(shape), MOST_VALUES)
    content = stream.read(count * dtype.itemsize)
    return summarise([np.frombuffer(content, dtype, count)], of=math.prod(shape))


def _plain(value: object) -> object:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


@contextmanager
def _named_errors(path: str) -> Iterator[None]:
    """Whatever goes wrong in reading NumPy's files, as one line."""
    try:
        yield
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        reason = " ".join(str(error).split())
        raise FeatureError(f"{path} cannot be read: {reason}") from error
