# cython: language_level=3, boundscheck=False, wraparound=False
"""HDF5 filters undone without the interpreter's lock: bytes in, bytes out. See unpack.hpp."""

from libc.stdint cimport uint8_t, uint32_t


cdef extern from "unpack.hpp" namespace "roicrop" nogil:
    bint _undo_lzf "roicrop::undo_lzf"(const uint8_t*, size_t, uint8_t*, size_t)
    void _undo_shuffle "roicrop::undo_shuffle"(const uint8_t*, size_t, size_t, uint8_t*)
    uint32_t _fletcher32 "roicrop::fletcher32"(const uint8_t*, size_t)


def undo_lzf(const uint8_t[::1] raw, uint8_t[::1] out):
    """Decompress `raw` into `out`; returns whether it has exactly as many bytes as `out`."""
    cdef bint fits
    if not raw.shape[0] or not out.shape[0]:
        return raw.shape[0] == out.shape[0]
    with nogil:
        fits = _undo_lzf(&raw[0], raw.shape[0], &out[0], out.shape[0])
    return fits


def undo_shuffle(const uint8_t[::1] raw, size_t item, uint8_t[::1] out):
    """Put the bytes of each item of `item` bytes side by side again, from `raw` to `out`."""
    if item < 1 or out.shape[0] != raw.shape[0]:
        raise ValueError("a shuffled chunk and its place differ in size")
    if raw.shape[0]:
        with nogil:
            _undo_shuffle(&raw[0], raw.shape[0], item, &out[0])


def fletcher32(const uint8_t[::1] raw):
    """Fletcher's checksum as HDF5 computes it."""
    cdef uint32_t sum = 0
    if raw.shape[0]:
        with nogil:
            sum = _fletcher32(&raw[0], raw.shape[0])
    return sum
