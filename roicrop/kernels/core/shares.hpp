// How the channels are shared out between tasks, each of one slab or of a run of them.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "block.hpp"
#include "crop.hpp"

namespace roicrop {

constexpr std::int64_t streamed_bytes = 8 << 20;  // an output from which caches are left out
constexpr std::int64_t seam_lines = 1 << 17;      // that are kept: 8 MiB

inline Strides strides_of(const std::ptrdiff_t (&by)[4], std::ptrdiff_t bytes) {
    return {by[1], by[2], by[3],
            by[3] == bytes   ? Layout::planes
            : by[1] == bytes ? Layout::cells
                             : Layout::scattered};
}
inline Strides strides_in(const Arguments& a) {
    return strides_of(a.strides, a.number.bytes);
}
inline Strides strides_out(const Arguments& a) {
    return strides_of(a.out_strides, element_bytes(a.element));
}

inline bool streams(const Arguments& a) { return a.count * a.out_strides[0] >= streamed_bytes; }

// Mostly a task is one slab. Of a channels-last output slabs should be whole cache lines. If bins
// begin as far from one as another, slab 0 takes what is before the first line and, where they fit
// beside them, the last channels that do not fill a slab. Else, if the output is large, a task is a
// run of slabs, as few as give each thread one, and what is left of a line waits for the next slab,
// or to be a seam. A small output stays in the caches, where parts of lines meet.
class Shares {
public:
    Shares(const Arguments& a, const Strides& in, const Strides& out)
        : lanes_(lanes_of(a)),
          channels_(int(a.shape[1])),
          slabs_(slabs_of(a)),
          bytes_(element_bytes(a.element)) {
        const bool cells = out.layout == Layout::cells;
        const bool fills_lines = out.y % cell_bytes == 0 && out.x % cell_bytes == 0;
        const bool even = (std::ptrdiff_t(a.out) | out.y | out.x | a.out_strides[0]) % bytes_ == 0;
        if (cells && !fills_lines && even && streams(a) && channels_ >= lanes_) {
            const int groups = groups_at_least(a), enough = (a.threads + groups - 1) / groups;
            const std::int64_t bins =
                std::min<std::int64_t>(a.count, block_boxes) * a.bins_y * a.bins_x;
            runs_ = int(std::clamp<std::int64_t>(seam_lines / 2 / bins, 1,
                                                 std::min(channels_ / lanes_, enough)));
            most_bins_ = std::min(bins, seam_lines / 2 / runs_);
            group_bins_ = std::min(bins * runs_ / a.threads + 1, most_bins_);
            return;
        }
        if (cells && fills_lines && in.layout == Layout::cells)
            lead_ = int(std::ptrdiff_t(-std::uintptr_t(a.out) % cell_bytes) / bytes_);
        lead_ = std::min(lead_, channels_);
        rest_ = (channels_ - lead_) % lanes_;
        if (lead_ == 0 || lead_ + rest_ > lanes_) rest_ = 0;
    }

    // Whether a task is a run of slabs, with seams between them.
    bool have_seams() const { return runs_ > 0; }
    int count() const {
        return runs_ ? runs_ : (lead_ > 0) + (channels_ - lead_ - rest_ + lanes_ - 1) / lanes_;
    }
    int slabs() const { return runs_ ? slabs_ : count(); }
    int first_slab(int share) const { return runs_ ? first_of_run(share) / lanes_ : share; }
    // Of all groups whose seams are closed together, and of one.
    std::int64_t most_bins() const { return most_bins_; }
    std::int64_t group_bins() const { return group_bins_; }
    std::int64_t seam_bytes() const { return 2 * most_bins_ * runs_ * cell_bytes; }

    template <class Sum>
    void choose(Task<Sum>& task, int share) const {
        task.more_first = task.more_channels = 0;
        if (runs_) {
            task.first_channel = first_of_run(share);
            task.channels = first_of_run(share + 1) - task.first_channel;
        } else if (lead_ > 0 && share == 0) {
            task.first_channel = 0;
            task.channels = lead_;
            task.more_first = channels_ - rest_;
            task.more_channels = rest_;
        } else {
            task.first_channel = lead_ + (share - (lead_ > 0)) * lanes_;
            task.channels = std::min(lanes_, channels_ - rest_ - task.first_channel);
        }
    }

    // Where a run ends in a bin, in bytes, and whether it is of one slab.
    std::ptrdiff_t end_of_run(int run) const { return first_of_run(run + 1) * bytes_; }
    bool is_one_slab(int run) const { return first_of_run(run + 1) - first_of_run(run) <= lanes_; }

private:
    int first_of_run(int run) const {
        return std::min(int(std::int64_t(slabs_) * run / runs_) * lanes_, channels_);
    }

    const int lanes_, channels_, slabs_;
    const std::ptrdiff_t bytes_;
    int runs_ = 0, lead_ = 0, rest_ = 0;
    std::int64_t most_bins_ = 0, group_bins_ = INT64_MAX;
};

}  // namespace roicrop
