# cython: language_level=3, boundscheck=False, wraparound=False
"""The compiled core's boundary: NumPy arrays in, pointers out, the interpreter's lock released.

The arithmetic is in kernel.cpp (the kernel) and plan.hpp (the plan), the order of work in crop.cpp.
ROICROP_SIMD=baseline|avx2|avx512 forces a level of vector instructions.
"""

import os

import numpy as np

from roicrop.errors import KernelError
from roicrop.sampling import plan

from libc.stdint cimport int32_t, int64_t, uint8_t
from libcpp.vector cimport vector


cdef extern from "plan_turned.hpp" namespace "roicrop" nogil:
    cdef enum class Element: half, single, real64
    cdef enum class Reduction: sum, sample_maximum, corner_maximum, maximum
    cdef enum class Operator: align, pool
    cpdef enum class Positions: scaled_step, step_scaled, fraction, corners
    cpdef enum class Border: clamp, repeat, inside, continued, zero, extrapolate
    cpdef enum class Rounding: half_away, half_even, none
    cpdef enum class Pixels: as_given, rounded, moved_and_rounded
    cdef enum class Ratio: fixed, adaptive, exact

    cdef cppclass Convention:
        Operator op
        Positions positions
        Border border
        Rounding rounding
        Pixels pixels
        Ratio ratio
        Reduction reduction
        int64_t unread, samples, min_samples, points_apart
        bint end_cell, nearest, normalized, clipped
        double added_pixel, added_cell, sample_at, offset_before, offset_after
        double min_size, maximum_start, void_value

    cdef cppclass Number:
        char kind
        int bytes
        bint swapped

    cdef cppclass Arguments:
        Convention convention
        double spatial_scale
        int64_t map_size[2], origin[2]
        const int32_t* places[2]
        Element element
        Number number
        const char* features
        Py_ssize_t shape[4], strides[4], out_strides[4]
        const int64_t *image_index, *rows, *counts
        const void *boxes, *turned
        int64_t count
        char* out
        int bins_y, bins_x, threads
        Py_ssize_t own_channels

    cdef cppclass AxisPlan[Sum]:
        vector[int32_t] bin_ptr, row_ptr, cells
        vector[Sum] weights
        vector[uint8_t] is_void, zero

    cdef cppclass Kernel:
        const char* level

    void crop_boxes "roicrop::crop"(const Arguments&, const Kernel&) except +
    cdef cppclass WholePlan[Sum]:
        AxisPlan[Sum] y, x
        WholePlan(const Arguments&) except +

    const Kernel* kernel_for(const char*)


_wanted = os.environ.get("ROICROP_SIMD", "")
cdef const Kernel* _kernel = kernel_for(_wanted.encode())
if _kernel is NULL:
    raise KernelError(
        f"ROICROP_SIMD={_wanted} is not to be had: choose baseline, avx2 or avx512, "
        f"of which this processor's best is {kernel_for(b'').level.decode()}"
    )
NAME = f"compiled ({_kernel.level.decode()})"
WORK_AT_ONCE = 1 << 31


def crop(features, image_index, boxes, out, *, convention, spatial_scale, threads,
         map_size=None, origin=(0, 0), places=None, rows=None):
    """Pool every box into `out`: see `roicrop.kernels.crop`."""
    cdef Arguments a
    cdef int d
    kept = _set_plan(&a, boxes, map_size or features.shape[2:], out.shape[2:], convention, spatial_scale)
    a.origin[0], a.origin[1] = origin
    a.places[0] = a.places[1] = NULL
    if places is not None:
        for d in range(2):
            if places[d].dtype != np.int32 or len(places[d]) != a.map_size[d]:
                raise ValueError("places are an int32 for each row and each column of the map")
            a.places[d] = <const int32_t*> _memory(places[d])
    a.element = {"e": Element.half, "f": Element.single, "d": Element.real64}[out.dtype.char]
    a.number.kind = ord(features.dtype.kind)
    a.number.bytes = features.dtype.itemsize
    a.number.swapped = not features.dtype.isnative
    a.threads = threads
    for d in range(4):
        a.shape[d] = features.shape[d]
        a.strides[d] = features.strides[d]
        a.out_strides[d] = out.strides[d]
    if convention.position_sensitive:
        a.own_channels = a.strides[1]
        a.strides[1] *= a.bins_y * a.bins_x
        a.shape[1] = out.shape[1]
    a.features = <const char*> _memory(features)
    a.image_index = <const int64_t*> _memory(image_index)
    a.rows = <const int64_t*> _memory(rows)
    a.out = <char*> _memory(out)
    with nogil:
        crop_boxes(a, _kernel[0])


def plan_arrays(boxes, map_size, output_size, *, convention, spatial_scale):
    """This core's own plan, to compare with `roicrop.sampling.plan`.

    boxes: (K, 4), or (K, 5) with an angle, float32 or float64, contiguous.
    Returns, for y and for x, the lists bin_ptr, row_ptr, cells, weights, void and zero, as in
    `sampling.AxisPlan`. For boxes with an angle, x has all bins; its cells are columns, and y's
    are the rows of the same cells.
    """
    cdef Arguments a
    kept = _set_plan(&a, boxes, map_size, output_size, convention, spatial_scale)
    return _planned[double](a, 0) if boxes.dtype == np.float64 else _planned[float](a, 0)


ctypedef fused Real:
    float
    double


cdef _planned(Arguments& a, Real _):
    cdef WholePlan[Real]* both = new WholePlan[Real](a)
    cdef AxisPlan[Real] y = both.y, x = both.x
    del both
    return (
        (y.bin_ptr, y.row_ptr, y.cells, y.weights, y.is_void, y.zero),
        (x.bin_ptr, x.row_ptr, x.cells, x.weights, x.is_void, x.zero),
    )


cdef _set_plan(Arguments* a, boxes, map_size, output_size, convention, spatial_scale):
    """Set the fields that a plan is made from. They point into boxes and the returned arrays."""
    a.convention = _convention(convention)
    a.spatial_scale = spatial_scale
    a.boxes = _memory(boxes)
    a.count = len(boxes)
    a.map_size[0], a.map_size[1] = map_size
    a.bins_y, a.bins_x = output_size
    a.own_channels = 0
    a.turned = NULL
    a.counts = NULL
    if not convention.turned:
        return None
    planned = plan(boxes, tuple(map_size), tuple(output_size), convention=convention,
                   spatial_scale=spatial_scale, dtype=boxes.dtype.type)
    numbers, counts = planned.in_own_axes()
    a.turned = _memory(numbers)
    a.counts = <const int64_t*> _memory(counts)
    return numbers, counts


cdef void* _memory(array) except? NULL:
    return <void*> <size_t> (0 if array is None else array.ctypes.data)


cdef Convention _convention(row) except *:
    cdef Convention c
    ratio = row.sampling_ratio
    c.op = Operator.pool if row.kind == "cell" else Operator.align
    c.positions = Positions[row.positions.replace("-", "_")]
    c.border = Border["continued" if row.border == "continue" else row.border]
    c.rounding = Rounding[row.rounding.replace("-", "_")]
    c.pixels = Pixels[row.pixels.replace("-", "_")]
    c.end_cell = row.end_cell
    c.unread = row.unread
    c.ratio = {"adaptive": Ratio.adaptive, "exact": Ratio.exact}.get(ratio, Ratio.fixed)
    c.samples = ratio if c.ratio == Ratio.fixed else 0
    c.reduction = {"avg": Reduction.sum, "corner-max": Reduction.corner_maximum}.get(
        row.reduction, Reduction.maximum if row.kind == "cell" else Reduction.sample_maximum)
    c.min_samples = row.min_samples
    c.points_apart = row.points_apart if row.positions == "corners" else 0
    c.nearest = row.interpolation == "nearest"
    c.normalized = row.normalized
    c.clipped = row.clipped
    c.added_pixel = row.added_pixel
    c.added_cell = row.added_cell
    c.sample_at = row.sample_at
    c.offset_before = row.offset_before
    c.offset_after = row.offset_after
    c.min_size = float("-inf") if row.min_size is None else row.min_size
    c.maximum_start = row.max_start
    c.void_value = row.void_value
    return c
