# cython: language_level=3, boundscheck=False, wraparound=False
"""The compiled core's boundary: NumPy arrays in, pointers out, the interpreter's lock released.

The arithmetic is in two_pass.cpp (the passes), plan.hpp (the plan) and crop.cpp (who does what).
ROICROP_SIMD=baseline|avx2|avx512 forces a level of vector instructions.
"""

import os

import numpy as np

from roicrop.errors import KernelError

from cpython.buffer cimport (
    PyBUF_STRIDED,
    PyBUF_STRIDED_RO,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memcpy, memset
from libcpp.vector cimport vector


cdef extern from "crop.hpp" namespace "roicrop" nogil:
    cdef enum class Element:
        half
        single
        real64

    cdef enum class Reduction:
        sum
        sample_maximum
        corner_maximum
        maximum

    cdef enum class Operator:
        align
        pool

    cdef enum class Positions:
        scaled_step
        step_scaled
        fraction
        corners

    cdef enum class Border:
        clamp
        zero
        extrapolate

    cdef enum class Ratio:
        fixed
        adaptive
        exact

    cdef cppclass Convention:
        Operator op
        Positions positions
        Border border
        Ratio ratio
        Reduction reduction
        int64_t samples
        bint nearest
        double offset_before
        double offset_after
        double min_size
        double maximum_start
        double empty_value

    cdef cppclass Number:
        char kind
        int bytes
        bint swapped

    cdef cppclass Arguments:
        Convention convention
        double spatial_scale
        Element element
        Number number
        const char* features
        Py_ssize_t shape[4]
        Py_ssize_t strides[4]
        const int64_t* image_index
        const void* boxes
        int64_t count
        char* out
        Py_ssize_t out_strides[4]
        int bins_y
        int bins_x
        int threads

    cdef cppclass AxisPlan[Sum]:
        vector[int32_t] bin_ptr
        vector[int32_t] row_ptr
        vector[int32_t] place
        vector[Sum] weight
        vector[uint8_t] empty
        vector[uint8_t] zero

    cdef cppclass Passes:
        pass

    void crop_boxes "roicrop::crop"(const Arguments&, const Passes&) except +
    AxisPlan[Sum] plan_axis[Sum](const Arguments&, int) except +
    const Passes* passes_for(const char*)
    const char* best_level()


cdef const Passes* _passes


def _choose_level():
    global _passes
    wanted = os.environ.get("ROICROP_SIMD") or best_level().decode()
    _passes = passes_for(wanted.encode())
    if _passes is NULL:
        raise KernelError(
            f"ROICROP_SIMD={wanted} is not to be had: choose baseline, avx2 or avx512, "
            f"of which this processor's best is {best_level().decode()}"
        )
    return wanted


LEVEL = _choose_level()
NAME = f"compiled ({LEVEL})"


def crop(
    features,
    image_index,
    boxes,
    out,
    *,
    convention,
    spatial_scale,
    threads,
    map_size=None,
    origin=(0, 0),
):
    """Pool every box into `out`: see `roicrop.kernels.Core`."""
    cdef Py_buffer from_, index, corners, to
    cdef Arguments a
    cdef int d
    a.convention = _convention(convention)
    a.spatial_scale = spatial_scale
    a.element = _element(out)
    a.number.kind = ord(features.dtype.kind)
    a.number.bytes = features.dtype.itemsize
    a.number.swapped = not features.dtype.isnative
    a.threads = threads
    a.count = len(boxes)
    # What is empty may be released.
    memset(&from_, 0, sizeof(from_))
    memset(&index, 0, sizeof(index))
    memset(&corners, 0, sizeof(corners))
    memset(&to, 0, sizeof(to))
    try:
        PyObject_GetBuffer(features, &from_, PyBUF_STRIDED_RO)
        PyObject_GetBuffer(image_index, &index, PyBUF_STRIDED_RO)
        PyObject_GetBuffer(boxes, &corners, PyBUF_STRIDED_RO)
        PyObject_GetBuffer(out, &to, PyBUF_STRIDED)
        for d in range(4):
            a.shape[d] = from_.shape[d]
            a.strides[d] = from_.strides[d]
            a.out_strides[d] = to.strides[d]
        a.bins_y = to.shape[2]
        a.bins_x = to.shape[3]
        a.features = <const char*> from_.buf
        if map_size:
            a.shape[2], a.shape[3] = map_size
            a.features -= <Py_ssize_t> origin[0] * a.strides[2] + <Py_ssize_t> origin[1] * a.strides[3]
        a.image_index = <const int64_t*> index.buf
        a.boxes = corners.buf
        a.out = <char*> to.buf
        with nogil:
            crop_boxes(a, _passes[0])
    finally:
        PyBuffer_Release(&to)
        PyBuffer_Release(&corners)
        PyBuffer_Release(&index)
        PyBuffer_Release(&from_)


def plan_arrays(boxes, map_size, output_size, axis, *, convention, spatial_scale):
    """One axis (0 is y) of this core's own plan, to be held against `roicrop.sampling.plan`.

    boxes: (K, 4) float32 or float64, contiguous, xyxy.
    Returns bin_ptr, row_ptr, cells, weights, void and zero, as in `sampling.AxisPlan`.
    """
    cdef Py_buffer corners
    cdef Arguments a
    cdef AxisPlan[float] single
    cdef AxisPlan[double] real64
    a.convention = _convention(convention)
    a.spatial_scale = spatial_scale
    a.count = len(boxes)
    a.shape[2], a.shape[3] = map_size
    a.bins_y, a.bins_x = output_size
    PyObject_GetBuffer(boxes, &corners, PyBUF_STRIDED_RO)
    a.boxes = corners.buf
    try:
        if boxes.dtype == np.float64:
            real64 = plan_axis[double](a, axis)
            return _arrays(real64, np.float64)
        single = plan_axis[float](a, axis)
        return _arrays(single, np.float32)
    finally:
        PyBuffer_Release(&corners)


ctypedef fused PlanOf:
    AxisPlan[float]
    AxisPlan[double]


cdef _arrays(PlanOf& plan, dtype):
    return (
        _copied(plan.bin_ptr.data(), plan.bin_ptr.size(), np.int32),
        _copied(plan.row_ptr.data(), plan.row_ptr.size(), np.int32),
        _copied(plan.place.data(), plan.place.size(), np.int32),
        _copied(plan.weight.data(), plan.weight.size(), dtype),
        _copied(plan.empty.data(), plan.empty.size(), np.bool_),
        _copied(plan.zero.data(), plan.zero.size(), np.bool_),
    )


cdef _copied(const void* source, size_t count, dtype):
    array = np.empty(count, dtype=dtype)
    cdef Py_buffer view
    if count:
        PyObject_GetBuffer(array, &view, PyBUF_STRIDED)
        memcpy(view.buf, source, view.len)
        PyBuffer_Release(&view)
    return array


cdef Element _element(out) except *:
    kind = out.dtype.char
    if kind == "f":
        return Element.single
    if kind == "d":
        return Element.real64
    if kind == "e":
        return Element.half
    raise TypeError(f"an output of {out.dtype}")


cdef Convention _convention(row) except *:
    cdef Convention c
    ratio = row.sampling_ratio
    reduction = row.reduction
    c.op = Operator.pool if row.operator == "pool" else Operator.align
    c.positions = {
        "scaled-step": Positions.scaled_step,
        "step-scaled": Positions.step_scaled,
        "fraction": Positions.fraction,
        "corners": Positions.corners,
    }[row.positions]
    c.border = {
        "clamp": Border.clamp,
        "zero": Border.zero,
        "extrapolate": Border.extrapolate,
    }[row.border]
    c.samples = 0
    if ratio == "adaptive":
        c.ratio = Ratio.adaptive
    elif ratio == "exact":
        c.ratio = Ratio.exact
    else:
        c.ratio = Ratio.fixed
        c.samples = ratio
    if reduction == "avg":
        c.reduction = Reduction.sum
    elif reduction == "corner-max":
        c.reduction = Reduction.corner_maximum
    elif row.operator == "pool":
        c.reduction = Reduction.maximum
    else:
        c.reduction = Reduction.sample_maximum
    c.nearest = row.interpolation == "nearest"
    c.offset_before = row.offset_before
    c.offset_after = row.offset_after
    c.min_size = float("-inf") if row.min_size is None else row.min_size
    c.maximum_start = row.max_start
    c.empty_value = row.void_value
    return c
