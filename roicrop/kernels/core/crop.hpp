// What _compiled.pyx asks of the compiled core.

#pragma once

#include <cstddef>
#include <cstdint>

#include "plan.hpp"

namespace roicrop {

struct Arguments {
    Convention convention;
    double spatial_scale;
    std::int64_t map_size[2];  // of the whole map
    std::int64_t origin[2];    // of the window that `features` is of it
    // In place of that: where each row and column of the map is in the window; −1 where it is not.
    const std::int32_t* places[2];
    Element element;           // of the output
    Number number;             // of the map
    const char* features;      // (N, C, H, W)
    std::ptrdiff_t shape[4], strides[4];
    const std::int64_t* image_index;  // (K,)
    const void* boxes;                // (K, 4) xyxy; double for Element::real64, else float
    std::int64_t count;
    const std::int64_t* rows;  // (K,) the row of `out` for each box; null where row k is box k's
    char* out;                 // (rows, C, PH, PW)
    std::ptrdiff_t out_strides[4];
    int bins_y, bins_x;
    int threads;

    // A row (axis 0) or a column of the map, in the window.
    std::int32_t in_window(int axis, std::int32_t cell) const {
        return places[axis] ? places[axis][cell] : cell - std::int32_t(origin[axis]);
    }
    bool own_channels;           // position-sensitive
    const void* turned;          // what roicrop.sampling has of boxes with an angle, in their own axes: (K, 8)
                                 // begin and bin size along y and x, cosine, sine, and the centre's y and x;
    const std::int64_t* counts;  // (K, 2) samples a bin. Both null where there are no angles
};

inline std::ptrdiff_t element_bytes(Element element) {
    if (element == Element::half) return sizeof(half);
    return element == Element::single ? sizeof(float) : sizeof(double);
}

// std::invalid_argument where a box reads a cell that the window lacks.
void crop(const Arguments&, const Kernel&);
// The same of bins that are pooled one by one: turned, or with channels of their own.
void crop_sparse(const Arguments&, const Kernel&);

// The plan of turned boxes: bin b of box k has the cells and weights from ptr[n] to before ptr[n + 1], where
// n = k · bins + b; a cell is row · W + column.
template <class Sum>
struct TurnedPlan {
    std::vector<std::int64_t> ptr, cells;
    std::vector<Sum> weights;
};
template <class Sum>
TurnedPlan<Sum> plan_turned(const Arguments&);

// The plan alone, of one axis (0 is y), as the kernel would apply it.
template <class Sum>
AxisPlan<Sum> plan_axis(const Arguments&, int axis);

// The kernel for this processor's best level, or for the one named; null if it has no such level.
const Kernel* kernel_for(const char* level);
const char* best_level();

template <class Sum>
BoxPlanner<Sum> box_planner(const Arguments& a) {
    return {a.convention,
            {a.convention, a.spatial_scale, a.map_size[0], a.bins_y},
            {a.convention, a.spatial_scale, a.map_size[1], a.bins_x}};
}

}  // namespace roicrop
