"""The room between HDF5 and NumPy: files of feature maps in, one map at a time out.

All that roicrop knows of feature maps in HDF5 is here and in two rooms behind it: `datasets.py`
knows which datasets can be feature maps and what they say of themselves, `hdf5.py` how to talk to
h5py. This one answers for a file that has been opened, and reads from it as fast as it can.
"""

from __future__ import annotations

import math
import os
from collections.abc import Generator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from roicrop.errors import ArgumentError, FeatureError
from roicrop.features import datasets, hdf5
from roicrop.features.chunks import Pieces
from roicrop.features.datasets import Candidate, Scale, StoredMap
from roicrop.features.windows import Windows
from roicrop.precision import pooled_dtype

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

__all__ = ["Candidate", "FeatureSource", "Scale", "candidates", "open_features", "split_spec"]

Features = NDArray[np.floating[Any]]
Kind = Literal["batch", "image", "group"]

_SLAB_BYTES: Final = 1 << 20


def open_features(
    spec: str | os.PathLike[str],
    *,
    layout: str | None = None,
    spatial_scale: float | None = None,
    input_scale: tuple[float, float] | None = None,
    origin: str = "--spatial-scale",
) -> FeatureSource:
    """Open `file.h5` or `file.h5::/path` for reading.

    spec: a file that exists is taken whole, even with `::` in its name. A path is that of a dataset
        of rank 4 (a batch of images) or 3 (one image), or of a group of rank-3 datasets, one for
        each image, named by its path in the group; datasets of rank 2 or less beside them are
        ignored. Without a path: the only dataset that can be a feature map, or the root as a group
        when it holds nothing but rank-3 datasets.
    layout: NCHW, NHWC, CHW or HWC; whether it says N is of no matter. None: the `layout` attribute
        of the dataset, then of its group of images, then channels first.
    spatial_scale: cells a pixel, for every image. None: the attributes `stride` or `spatial_scale`.
    input_scale: (sy, sx), how much the image was resized before the network saw it. None: the
        attribute `input_scale`, one number or sx and sy, as on the command line.
    origin: the option that `spatial_scale` came by, for messages and `Scale.origin`.

    Raises FeatureError (one line: which file, dataset and remedy), and ArgumentError for an option
    that makes no sense.
    """
    if layout is not None and datasets.parse_layout(layout) is None:
        raise ArgumentError(f"layout {layout!r} is not known: choose {datasets.LAYOUTS}")
    if spatial_scale is not None and not 0 < spatial_scale < math.inf:
        raise ArgumentError(f"{origin}: a scale of {spatial_scale} is not a positive number")
    if input_scale is not None and not all(0 < factor < math.inf for factor in input_scale):
        raise ArgumentError(f"an input scale of {input_scale} is not positive numbers")
    with hdf5.named_errors(os.fspath(spec)):
        path, inner = split_spec(os.fspath(spec))
    if not path:
        raise FeatureError(f"{os.fspath(spec)!r} names no file: give file.h5 or file.h5::/path")
    file = hdf5.open_file(path)
    try:
        with hdf5.named_errors(path):
            dataset, thing = datasets.choose(file, inner)
            return FeatureSource(
                file,
                dataset,
                thing,
                layout=None if layout is None else datasets.parse_layout(layout),
                scale=None if spatial_scale is None else Scale(float(spatial_scale), origin),
                input_scale=input_scale,
            )
    except BaseException:
        file.close()
        raise


def candidates(path: str | os.PathLike[str]) -> list[Candidate]:
    """Every dataset of a file that can be a feature map: rank 3 or 4, real numbers, not empty.

    A dataset that can be reached by several links is listed once. Raises FeatureError if the file
    cannot be read.
    """
    name = os.fspath(path)
    with hdf5.open_file(name) as file, hdf5.named_errors(name):
        return datasets.candidates_in(file)


def split_spec(spec: str) -> tuple[str, str]:
    """The file, and the path in it ("" if none): the longest left part that exists is the file."""
    cuts = [i for i in range(len(spec)) if spec.startswith("::", i)]
    for cut in (len(spec), *reversed(cuts)):
        if spec[:cut] and Path(spec[:cut]).exists():
            return spec[:cut], spec[cut + 2 :]
    file, _, path = spec.partition("::")
    return file, path


class FeatureSource:
    """Feature maps of one dataset, or of one group of datasets; a context manager.

    path: the file, as it was given.
    dataset: the dataset, or the group, in it.
    kind: "batch" (rank 4), "image" (rank 3) or "group" (rank 3 each).
    names: the images' names, for a group; None otherwise.
    channels: the same for every image.
    channels_last: whether maps are (H, W, C).
    stored_dtype: as in the file, the widest if a group has several.
    dtype: of what is read: float16, float32 or float64, native; float32 for integers.

    Images are numbered from 0. `len()` is how many there are.
    """

    def __init__(
        self,
        file: h5py.File,
        dataset: str,
        thing: h5py.Dataset | h5py.Group,
        *,
        layout: str | None,
        scale: Scale | None,
        input_scale: tuple[float, float] | None,
    ) -> None:
        self.path: str = file.filename
        self.dataset = dataset
        self.kind: Kind
        self.names: list[str] | None = None
        if isinstance(thing, h5py.Dataset):
            where = f"{self.path}::{dataset}"
            layout = layout or datasets.layout_attribute(thing, where)
            self._maps = [datasets.stored_map(dataset, thing, layout, where)]
            self.kind = "batch" if thing.ndim == 4 else "image"
        else:
            self._maps = datasets.images_of(thing, dataset, layout, file)
            self.kind = "group"
            self.names = [stored.path.removeprefix(dataset).lstrip("/") for stored in self._maps]
        self.channels = self._maps[0].channels
        self.channels_last = self._maps[0].channels_last
        stored = {stored.dtype for stored in self._maps}
        self.stored_dtype = self._maps[0].dtype if len(stored) == 1 else np.result_type(*stored)
        self.dtype = np.result_type(*map(pooled_dtype, stored))
        self._file = file
        self._thing = thing
        self._scale = scale
        self._input_scale = input_scale
        self._attributes: dict[str, tuple[Scale, tuple[float, float]]] = {}
        self._readers: set[ThreadPoolExecutor] = set()
        self._latest: tuple[str, Windows] | None = None

    @property
    def name(self) -> str:
        """`file.h5::/path`, or the file alone where it is all of it."""
        return self.path if self.dataset == "/" else f"{self.path}::{self.dataset}"

    def __len__(self) -> int:
        return self._maps[0].shape[0] if self.kind == "batch" else len(self._maps)

    def __enter__(self) -> FeatureSource:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading ahead and close the file; harmless when done twice."""
        for reader in tuple(self._readers):
            reader.shutdown(wait=True, cancel_futures=True)
        self._file.close()

    def map_size(self, i: int) -> tuple[int, int]:
        """Height and width of image i's map, in cells."""
        return self._map(i).size

    def dataset_of(self, i: int) -> str:
        """The path in the file of the dataset that holds image i."""
        return self._map(i).path

    def scale(self, i: int) -> Scale:
        """Cells a pixel of image i: the option's, else the attributes' of the dataset or its group.

        FeatureError if an attribute is not a positive number, or if the two contradict each other.
        """
        return self._said_of(i)[0]

    def input_scale(self, i: int) -> tuple[float, float]:
        """(sy, sx) by which image i was resized before its features were computed; else (1, 1)."""
        return self._said_of(i)[1]

    def read(self, i: int) -> Features:
        """Image i's map, (C, H, W) or (H, W, C) as stored: contiguous, and the caller's to keep."""
        with hdf5.named_errors(self._where(i)):
            out: Features = np.empty(self._map(i).map_shape, self.dtype)
            self._read_into(i, out)
        return out

    def windows(self, i: int) -> tuple[Windows, int]:
        """The maps of the dataset that image i is in, and its number among them.

        Windows of them are read in `dtype`, by any number of threads. FeatureError if the dataset
        cannot be read.
        """
        stored, where = self._map(i), f"{self.path}::{self.dataset_of(i)}"
        if self._latest is None or self._latest[0] != stored.path:
            with hdf5.named_errors(where):
                pieces = Pieces(self._open(stored.path), where)
            layout = "NHWC" if stored.channels_last else "NCHW"
            windows = Windows(pieces, layout[-len(stored.shape) :], self.dtype, where)
            self._latest = stored.path, windows
        return self._latest[1], i if self.kind == "batch" else 0

    def read_ahead(self, indices: Sequence[int]) -> Generator[tuple[int, Features], None, None]:
        """(i, map) for each index in turn, the next being read while the caller works on this one.

        A map is valid only until the next is asked for: two buffers take turns, and no more than
        two maps are ever in memory. Errors of the reading thread are raised here, in their turn.
        Closing the generator, or the source, waits for that thread to end.
        """
        from concurrent.futures import ThreadPoolExecutor  # imports logging: not for everyone

        order = list(indices)
        if not order:
            return
        cells = max(math.prod(self._map(i).map_shape) for i in order)
        with hdf5.named_errors(f"{self.path}::{self.dataset}"):
            buffers = [np.empty(cells, self.dtype) for _ in order[:2]]

        def load(turn: int) -> Features:
            i = order[turn]
            with hdf5.named_errors(self._where(i)):
                shape = self._map(i).map_shape
                out = buffers[turn % 2][: math.prod(shape)].reshape(shape)
                self._read_into(i, out)
            return out

        with ThreadPoolExecutor(1, "roicrop-read") as reader:
            self._readers.add(reader)
            try:
                coming = reader.submit(load, 0)
                for turn, i in enumerate(order):
                    features = coming.result()
                    if turn + 1 < len(order):
                        coming = reader.submit(load, turn + 1)
                    yield i, features
            finally:
                self._readers.discard(reader)

    def _map(self, i: int) -> StoredMap:
        i = range(len(self))[i]  # an IndexError for an image that does not exist
        return self._maps[i if self.kind == "group" else 0]

    def _where(self, i: int) -> str:
        where = f"{self.path}::{self.dataset_of(i)}"
        return f"{where} image {i}" if self.kind == "batch" else where

    def _open(self, path: str) -> h5py.Dataset:
        # A lone dataset stays open, for its chunk cache; a thousand of a group would each have one.
        return self._file[path] if self.kind == "group" else self._thing

    def _read_into(self, i: int, out: Features) -> None:
        dataset = self._open(self.dataset_of(i))
        _read(dataset, (i,) if self.kind == "batch" else (), out)

    def _said_of(self, i: int) -> tuple[Scale, tuple[float, float]]:
        """Scale and input scale: the caller's, else the dataset's, else its group's, else 1."""
        path = self.dataset_of(i)
        if path not in self._attributes:
            scale, input_scale = self._scale, self._input_scale
            places = [(path, self._open(path))]
            if self.kind == "group":
                places.append((self.dataset, self._thing))
            for place, thing in places:
                where = f"{self.path}::{place}"
                with hdf5.named_errors(where):
                    scale = scale or datasets.scale_attribute(thing, where)
                    input_scale = input_scale or datasets.input_scale_attribute(thing, where)
            self._attributes[path] = scale or Scale(1.0, "default"), input_scale or (1.0, 1.0)
        return self._attributes[path]


def _read(dataset: h5py.Dataset, index: tuple[int, ...], out: Features) -> None:
    """One map, converted to out's type on the way."""
    if dataset.dtype.kind == "f":
        dataset.read_direct(out, source_sel=index)
        return
    # HDF5 takes 200 times as long as NumPy over integers of the other byte order: convert here, in
    # slabs of whole chunks, so that no second copy of the map is made.
    row = out[:1].size * dataset.dtype.itemsize
    step = dataset.chunks[len(index)] if dataset.chunks else 1
    step *= max(1, _SLAB_BYTES // (row * step))
    for start in range(0, len(out), step):
        slab = slice(start, start + step)
        out[slab] = dataset[(*index, slab)]
