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
          y_(a.convention, a.spatial_scale, a.map_size[0], a.bins_y),
          x_(a.convention, a.spatial_scale, a.map_size[1], a.bins_x) {}

    // All bins, or the only one, belong to x, whose taps give columns of the map; y's give the rows. Returns
    // whether bins are void.
    bool append(AxisPlan<Sum>& to_y, AxisPlan<Sum>& to_x, std::int64_t box, int only_bin = all_bins) {
        const Sum* const n = static_cast<const Sum*>(a_.turned) + box * 8;
        const std::int64_t count_y = a_.counts[box * 2], count_x = a_.counts[box * 2 + 1];
        const Roi<Sum> roi_y{n[0], 0, n[1], 0, count_y}, roi_x{n[2], 0, n[3], 0, count_x};
        const bool is_void = count_y * count_x == 0;
        const int bins = only_bin == all_bins ? a_.bins_y * a_.bins_x : only_bin + 1;
        for (int bin = std::max(only_bin, 0); bin < bins; ++bin) {
            const auto with_sample = [&](std::int64_t i, std::int64_t j, auto take) {
                const Sum v = y_.position(roi_y, bin / a_.bins_x, i), u = x_.position(roi_x, bin % a_.bins_x, j);
                take(v * n[4] - u * n[5] + n[6], v * n[5] + u * n[4] + n[7]);
            };
            if (!is_void) {
                // Positions are monotone along both axes, so that samples at the corners bound all others.
                Range rows, columns;
                for (int corner = 0; corner < 4; ++corner)
                    with_sample(corner / 2 ? count_y - 1 : 0, corner % 2 ? count_x - 1 : 0, [&](Sum y, Sum x) {
                        rows.add(around(y, a_.map_size[0]));
                        columns.add(around(x, a_.map_size[1]));
                    });
                const auto cells = std::size_t(rows.size() * columns.size());
                sums_.resize(std::max(sums_.size(), cells));
                // Memory that is not used costs nothing; a vector that grows is copied.
                if (cells > many) to_y.cells.reserve(to_y.cells.size() + cells), to_x.reserve(cells);
                for (std::int64_t i = 0; i < count_y; ++i)
                    for (std::int64_t j = 0; j < count_x; ++j)
                        with_sample(i, j, [&](Sum y, Sum x) { add_sample(rows, columns, y, x); });
                append_sums(to_y, to_x, rows, columns, double(count_y * count_x));
            }
            to_x.end_row();
            to_x.end_bin(is_void, false);
        }
        to_y.end_bin(false, false);
        return is_void;
    }

private:
    static constexpr std::size_t many = 1 << 16;

    // The cells that a sample may read; all, if it is NaN.
    static Range around(Sum position, std::int64_t size) {
        const Sum last = Sum(size - 1);
        return {std::int32_t(position > 1 ? std::min(std::floor(position), last) - 1 : 0),
                std::int32_t(position < last ? std::max(std::floor(position) + 2, Sum(1)) : Sum(size))};
    }

    // Add the weights of a sample for the cells around it.
    void add_sample(Range rows, Range columns, Sum at_y, Sum at_x) {
        if (!y_.in_range(at_y) || !x_.in_range(at_x)) return;
        const auto y = y_.read(at_y), x = x_.read(at_x);
        for (int i = 0; i < 4; ++i) {
            const double weight = (i / 2 ? y.weight_high : y.weight_low) * (i % 2 ? x.weight_high : x.weight_low);
            if (weight != 0)
                sums_[std::size_t(((i / 2 ? y.high : y.low) - rows.begin) * columns.size() +
                                  (i % 2 ? x.high : x.low) - columns.begin)] += weight;
        }
    }

    void append_sums(AxisPlan<Sum>& to_y, AxisPlan<Sum>& to_x, Range rows, Range columns, double samples) {
        auto sum = sums_.begin();
        for (std::int32_t y = rows.begin; y < rows.end; ++y)
            for (std::int32_t x = columns.begin; x < columns.end; ++x, ++sum) {
                if (*sum == 0) continue;
                const Sum weight = Sum(std::exchange(*sum, 0.0) / samples);
                if (weight == 0) continue;
                to_y.cells.push_back(y);
                to_x.tap(x, weight);
            }
    }

    const Arguments& a_;
    const AxisPlanner<Sum> y_, x_;
    std::vector<double> sums_;  // by cell of a bin's bounding box, zeros between bins
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
