// The plan for boxes with an angle, which is not a product of two axes but one matrix: the same numbers
// as roicrop.sampling.TurnedPlan, to the bit.

#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "plan.hpp"

namespace roicrop {

template <class Sum>
class TurnedPlanner {
public:
    explicit TurnedPlanner(const Arguments& a)
        : a_(a),
          width_(a.map_size[1]),
          y_(a.convention, a.spatial_scale, a.map_size[0], a.bins_y),
          x_(a.convention, a.spatial_scale, a.map_size[1], a.bins_x) {}

    // All bins belong to x, whose taps give columns of the map; y's give the rows. Returns whether bins are void.
    bool append(AxisPlan<Sum>& to_y, AxisPlan<Sum>& to_x, std::int64_t box) {
        const Sum* const n = static_cast<const Sum*>(a_.turned) + box * 8;
        const std::int64_t count_y = a_.counts[box * 2], count_x = a_.counts[box * 2 + 1];
        const Roi<Sum> roi_y{n[0], 0, 0, n[1], 0, count_y}, roi_x{n[2], 0, 0, n[3], 0, count_x};
        const bool is_void = count_y * count_x == 0;
        for (int bin = 0; bin < a_.bins_y * a_.bins_x; ++bin) {
            shares_.clear();
            for (std::int64_t i = 0; i < count_y; ++i)
                for (std::int64_t j = 0; j < count_x; ++j) {
                    const Sum v = y_.position(roi_y, bin / a_.bins_x, i);
                    const Sum u = x_.position(roi_x, bin % a_.bins_x, j);
                    share(v * n[4] - u * n[5] + n[6], v * n[5] + u * n[4] + n[7]);
                }
            append_sums(to_y, to_x, double(count_y * count_x));
            to_x.end_row();
            to_x.end_bin(is_void, false);
        }
        to_y.end_bin(false, false);
        return is_void;
    }

private:
    struct Share {
        std::int64_t cell;
        double weight;
    };

    // The weights of a sample for the cells around it.
    void share(Sum at_y, Sum at_x) {
        if (!y_.in_range(at_y) || !x_.in_range(at_x)) return;
        const auto y = y_.read(at_y, 1.0), x = x_.read(at_x, 1.0);
        for (int i = 0; i < 4; ++i) {
            const double weight = (i / 2 ? y.weight_high : y.weight_low) * (i % 2 ? x.weight_high : x.weight_low);
            if (weight != 0) shares_.push_back({(i / 2 ? y.high : y.low) * width_ + (i % 2 ? x.high : x.low), weight});
        }
    }

    // The total weight of each cell, in the order of the cells.
    void append_sums(AxisPlan<Sum>& to_y, AxisPlan<Sum>& to_x, double samples) {
        constexpr std::size_t few = 64;  // this many are sorted without the memory of std::stable_sort
        const auto before = [](const Share& a, const Share& b) { return a.cell < b.cell; };
        if (shares_.size() > few)
            std::stable_sort(shares_.begin(), shares_.end(), before);
        else
            for (auto at = shares_.begin(); at != shares_.end(); ++at)
                std::rotate(std::upper_bound(shares_.begin(), at, *at, before), at, at + 1);
        for (auto at = shares_.begin(); at != shares_.end();) {
            const std::int64_t cell = at->cell, y = cell / width_;
            double sum = 0;
            for (; at != shares_.end() && at->cell == cell; ++at) sum += at->weight;
            const Sum weight = Sum(sum / samples);
            if (weight == 0) continue;
            to_y.cells.push_back(std::int32_t(y));
            to_x.tap(cell - y * width_, weight);
        }
    }

    const Arguments& a_;
    const std::int64_t width_;  // of the map
    const AxisPlanner<Sum> y_, x_;
    std::vector<Share> shares_;
};

// Calls `with` with the planner for a call's boxes.
template <class Sum, class With>
void with_planner(const Arguments& a, With with) {
    if (a.turned) return with(TurnedPlanner<Sum>(a));
    with(BoxPlanner<Sum>(a));
}

// The plan for all boxes of a call.
template <class Sum>
struct WholePlan {
    AxisPlan<Sum> y, x;

    explicit WholePlan(const Arguments& a) {
        with_planner<Sum>(a, [&](auto planner) {
            for (std::int64_t box = 0; box < a.count; ++box) planner.append(y, x, box);
        });
    }
};

}  // namespace roicrop
