// What _compiled.pyx asks of the compiled core.

#pragma once

#include <cstddef>
#include <cstdint>

#include "plan.hpp"

namespace roicrop {

struct Arguments {
    Convention convention;
    double spatial_scale;
    Element element;       // of the output
    Number number;         // of the map
    const char* features;  // (N, C, H, W)
    std::ptrdiff_t shape[4], strides[4];
    const std::int64_t* image_index;  // (K,)
    const void* boxes;                // (K, 4) xyxy; double for Element::real64, else float
    std::int64_t count;
    char* out;  // (K, C, PH, PW)
    std::ptrdiff_t out_strides[4];
    int bins_y, bins_x;
    int threads;
};

inline std::ptrdiff_t element_bytes(Element element) {
    if (element == Element::half) return sizeof(half);
    return element == Element::single ? sizeof(float) : sizeof(double);
}
inline int lanes_of(const Arguments& a) { return cell_bytes / int(element_bytes(a.element)); }
inline int slabs_of(const Arguments& a) {
    return int((a.shape[1] + lanes_of(a) - 1) / lanes_of(a));
}

void crop(const Arguments&, const Passes&);

// The plan alone, of one axis (0 is y), as the kernels would apply it.
template <class Sum>
AxisPlan<Sum> plan_axis(const Arguments&, int axis);

// The passes for this processor's best level, or for the one named; null if it has no such level.
const Passes* passes_for(const char* level);
const char* best_level();

}  // namespace roicrop
