// Bins that are pooled one by one, each from its own cells or its own channels: of turned boxes, whose
// plan is no product, and of position-sensitive ones. As kernel.hpp, this is read by objects that are
// built for different processors.

#pragma once

#include "kernel.hpp"

namespace roicrop {

template <class Sum>
struct Tap {
    std::int32_t y, x;  // cell
    Sum weight;
};

template <class Sum>
struct SparseBox {
    const Tap<Sum>* taps;          // bin b has those from ptr[b] to before ptr[b + 1]
    const std::int64_t* ptr;
    const std::uint8_t* is_void;   // by bin
    std::int64_t image;
    char* out;                     // channel 0, bin (0, 0)
    int top, left, bottom, right;  // the rectangle that it reads; the ends are exclusive
};

// Some boxes of one image, some channels, and some bins: all, or the one that these channels are for.
template <class Sum>
struct SparseTask {
    const Arguments* call;
    const char* map;              // the first of the channels, cell (0, 0)
    std::ptrdiff_t next_channel;  // bytes, in the map
    int top, left, height, width;  // the rectangle that is packed
    bool packs;
    int first_channel, channels, first_bin, bins;
    const SparseBox<Sum>* const* boxes;
    int count;
    char *panel, *tile;  // scratch, each at the beginning of a cache line
};

}  // namespace roicrop
