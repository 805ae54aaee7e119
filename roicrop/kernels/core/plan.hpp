// The plan, for the compiled core: the same numbers as roicrop.sampling, to the bit.
//
// That is the place that explains them; the names are its own. This is here because one box is
// planned in a microsecond and not in a hundred, and a test holds the two equal. It is built without
// fused multiply-add, since the order and rounding of these operations are what a convention means.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "two_pass.hpp"

namespace roicrop {

enum class Operator { align, pool };
enum class Positions { scaled_step, step_scaled, fraction, corners };
enum class Border { clamp, zero, extrapolate };
enum class Ratio { fixed, adaptive, exact };

// A row of conventions.py, as far as the plan and the passes need it.
struct Convention {
    Operator op;
    Positions positions;
    Border border;
    Ratio ratio;
    Reduction reduction;
    std::int64_t samples;  // where the ratio is fixed
    bool nearest;
    double offset_before, offset_after;
    double min_size;  // −infinity where there is none
    double maximum_start, empty_value;
};

// Cells from `begin` to before `end`.
struct Range {
    std::int32_t begin = INT32_MAX, end = 0;

    void add(Range other) {
        begin = std::min(begin, other.begin);
        end = std::max(end, other.end);
    }
    void add(std::int32_t cell) { add({cell, cell + 1}); }
    Range within(Range other) const {
        return {std::max(begin, other.begin), std::min(end, other.end)};
    }
    bool has(std::int64_t cell) const { return cell >= begin && cell < end; }
    std::int64_t size() const { return std::max(end - begin, 0); }
};

// One axis of many boxes; fields as in sampling.AxisPlan, with `place` for its cells, `weight` for its
// weights and `empty` for void.
template <class Sum>
struct AxisPlan {
    std::vector<std::int32_t> bin_ptr{0}, row_ptr{0}, place;
    std::vector<Sum> weight;
    std::vector<std::uint8_t> empty, zero;

    void clear() {
        bin_ptr.assign(1, 0);
        row_ptr.assign(1, 0);
        place.clear();
        weight.clear();
        empty.clear();
        zero.clear();
    }
};

template <class Sum>
class AxisPlanner {
public:
    AxisPlanner(const Convention& convention, double spatial_scale, std::int64_t size, int bins)
        : convention_(convention), scale_(Sum(spatial_scale)), size_(size), bins_(bins) {}

    struct Roi {
        Sum begin, end, length, bin_size;
        std::int64_t first, count;
    };

    // What those samples of a bin are like that may read some cells.
    struct Seen {
        std::int64_t in_range = 0;  // counted where their lower cells are
        bool weightless = false;    // whether a cell of one has no weight
    };
    struct Flags {
        bool empty, zero;
    };

    Roi roi(Sum low, Sum high) const;
    // Cells that include all that some bins read.
    Range reach(const Roi& roi, int first, int bins) const;
    // All bins.
    void append(AxisPlan<Sum>& to, const Roi& roi);
    // The rows of one bin, as far as they are of some cells. Where a row is a sample it is not divided:
    // it belongs to the first cell that it reads.
    Seen append_rows(AxisPlan<Sum>& to, const Roi& roi, int bin, Range cells);
    // The rows of a bin that reads none of the cells.
    void append_nothing(AxisPlan<Sum>& to) const {
        if (convention_.reduction != Reduction::sample_maximum) end_row(to);
    }
    // From all that was seen of a bin.
    Flags flags(const Roi& roi, int bin, Seen seen) const;

private:
    struct Sample {
        std::int64_t low, high;
        double weight_low, weight_high, share;

        std::int64_t first() const { return weight_low != 0 ? low : high; }
    };

    Range pooled_cells(const Roi& roi, int bin) const;
    void append_cells(AxisPlan<Sum>& to, Range bin, Range cells);
    Seen append_sum(AxisPlan<Sum>& to, const Roi& roi, int bin, Range cells);
    static void append_taps(AxisPlan<Sum>& to, const Sample& sample, Range cells);
    template <class Take>
    Seen read_bin(const Roi& roi, int bin, Range cells, Take take) const;
    Sum position(const Roi& roi, std::int64_t bin, std::int64_t index) const;
    template <class Holds>
    std::int64_t first_where(const Roi& roi, int bin, Holds holds) const;
    template <class Real>
    Sample read(Real position, double share) const;
    template <class Real>
    bool in_range(Real position) const;
    template <class See>
    void read_pieces(const Roi& roi, int bin, Range cells, See see) const;
    double exact_edge(const Roi& roi, int bin) const;
    double exact_width(const Roi& roi, int bin) const {
        return exact_edge(roi, bin + 1) - exact_edge(roi, bin);
    }

    static void end_row(AxisPlan<Sum>& to) { to.row_ptr.push_back(std::int32_t(to.place.size())); }
    static void tap(AxisPlan<Sum>& to, std::int64_t cell, Sum weight) {
        to.place.push_back(std::int32_t(cell));
        to.weight.push_back(weight);
    }

    const Convention& convention_;
    const Sum scale_;
    const std::int64_t size_;
    const int bins_;
    std::vector<double> band_;
};

constexpr std::int64_t max_count = 2147483647;  // the frameworks count in a C int
constexpr std::int64_t search_from = 64;        // samples a bin from which those in range are searched

template <class Sum>
std::int64_t rounded_half_away(Sum v) {
    return std::int64_t(std::clamp(std::round(v), -Sum(max_count), Sum(max_count)));
}

template <class Sum>
auto AxisPlanner<Sum>::roi(Sum low, Sum high) const -> Roi {
    const Convention& c = convention_;
    if (c.positions == Positions::corners) {
        const Sum span = Sum(size_ - 1), begin = low * span, end = high * span;
        const Sum length = (high - low) * span;
        if (bins_ > 1) return {begin, end, length, length / Sum(bins_ - 1), 0, 1};
        return {Sum(0.5 * double(low + high) * double(span)), end, length, 0, 0, 1};
    }
    const Sum before = Sum(c.offset_before), after = Sum(c.offset_after);
    const Sum begin = (low + before) * scale_ + after, end = (high + before) * scale_ + after;
    if (c.op == Operator::pool) {
        const std::int64_t first = rounded_half_away(begin), last = rounded_half_away(end);
        const Sum length = Sum(std::max<std::int64_t>(last - first + 1, 1));
        return {begin, end, length, length / Sum(bins_), first, 0};
    }
    const Sum length = std::max(end - begin, Sum(c.min_size)), bin_size = length / Sum(bins_);
    std::int64_t count = 0;
    if (c.ratio == Ratio::fixed) count = c.samples;
    if (c.ratio == Ratio::adaptive)
        count = std::int64_t(std::clamp(std::ceil(bin_size), -Sum(max_count), Sum(max_count)));
    return {begin, end, length, bin_size, 0, count};
}

template <class Sum>
Range AxisPlanner<Sum>::reach(const Roi& roi, int first, int bins) const {
    Range reached;
    const auto add = [&](double one, double other) {
        const double low = std::floor(std::min(one, other)), high = std::floor(std::max(one, other));
        if (high < -1 || low > double(size_)) return;
        const auto cell = [&](double v) {
            return std::int32_t(std::clamp(v, 0.0, double(size_ - 1)));
        };
        reached.add({cell(low), cell(high + 1) + 1});
    };
    for (int bin = first; bin < first + bins; ++bin)
        if (convention_.op == Operator::pool) {
            const Range cells = pooled_cells(roi, bin);
            if (cells.size()) reached.add(cells);
        } else if (convention_.ratio == Ratio::exact) {
            const double one = exact_edge(roi, bin), other = exact_edge(roi, bin + 1);
            if (one != other) add(one, other);
        } else if (roi.count > 0) {
            add(position(roi, bin, 0), position(roi, bin, roi.count - 1));
        }
    return reached;
}

template <class Sum>
void AxisPlanner<Sum>::append(AxisPlan<Sum>& to, const Roi& roi) {
    for (int bin = 0; bin < bins_; ++bin) {
        const Seen seen = append_rows(to, roi, bin, {0, std::int32_t(size_)});
        const Flags of_bin = flags(roi, bin, seen);
        to.bin_ptr.push_back(std::int32_t(to.row_ptr.size() - 1));
        to.empty.push_back(of_bin.empty);
        to.zero.push_back(of_bin.zero);
    }
}

template <class Sum>
auto AxisPlanner<Sum>::append_rows(AxisPlan<Sum>& to, const Roi& roi, int bin, Range cells) -> Seen {
    if (convention_.op == Operator::pool) {
        append_cells(to, pooled_cells(roi, bin), cells);
        return {};
    }
    switch (convention_.reduction) {
        case Reduction::sum: return append_sum(to, roi, bin, cells);
        case Reduction::sample_maximum:
            return read_bin(roi, bin, cells, [&](const Sample& s) {
                if (!cells.has(s.first())) return;
                append_taps(to, s, {0, std::int32_t(size_)});
                end_row(to);
            });
        default: {
            const Seen seen =
                read_bin(roi, bin, cells, [&](const Sample& s) { append_taps(to, s, cells); });
            end_row(to);
            return seen;
        }
    }
}

template <class Sum>
auto AxisPlanner<Sum>::flags(const Roi& roi, int bin, Seen seen) const -> Flags {
    if (convention_.op == Operator::pool) return {pooled_cells(roi, bin).size() == 0, false};
    const bool exact = convention_.ratio == Ratio::exact, missing = seen.in_range != roi.count;
    bool empty = exact ? exact_width(roi, bin) == 0 : roi.count == 0;
    if (!exact && convention_.border == Border::extrapolate) empty = missing;
    switch (convention_.reduction) {
        case Reduction::sum: return {empty, false};
        case Reduction::corner_maximum: return {empty, (missing && !empty) || seen.weightless};
        default: return {empty, missing && !empty};
    }
}

template <class Sum>
Range AxisPlanner<Sum>::pooled_cells(const Roi& roi, int bin) const {
    const auto edge = [&](Sum v) {
        return std::int32_t(std::clamp<std::int64_t>(std::int64_t(v) + roi.first, 0, size_));
    };
    return {edge(std::floor(Sum(bin) * roi.bin_size)),
            edge(std::ceil((Sum(bin) + Sum(1)) * roi.bin_size))};
}

template <class Sum>
void AxisPlanner<Sum>::append_cells(AxisPlan<Sum>& to, Range bin, Range cells) {
    const bool average = convention_.reduction == Reduction::sum;
    const Sum weight = average ? Sum(1.0 / double(std::max<std::int64_t>(bin.size(), 1))) : Sum(1);
    const Range read = bin.within(cells);
    for (std::int32_t cell = read.begin; cell < read.end; ++cell) tap(to, cell, weight);
    end_row(to);
}

// Add up what the samples of a bin give to each cell, low before high, in the samples' order.
template <class Sum>
auto AxisPlanner<Sum>::append_sum(AxisPlan<Sum>& to, const Roi& roi, int bin, Range cells) -> Seen {
    const Range band = reach(roi, bin, 1).within(cells);
    band_.assign(std::size_t(band.size()), 0.0);
    const Seen seen = read_bin(roi, bin, cells, [&](const Sample& s) {
        if (band.has(s.low)) band_[std::size_t(s.low - band.begin)] += s.weight_low * s.share;
        if (band.has(s.high)) band_[std::size_t(s.high - band.begin)] += s.weight_high * s.share;
    });
    const bool exact = convention_.ratio == Ratio::exact;
    const double total = exact ? std::abs(exact_width(roi, bin)) : double(roi.count);
    for (std::int32_t cell = band.begin; cell < band.end; ++cell) {
        const Sum weight = Sum(band_[std::size_t(cell - band.begin)] / total);
        if (weight != 0) tap(to, cell, weight);
    }
    end_row(to);
    return seen;
}

template <class Sum>
void AxisPlanner<Sum>::append_taps(AxisPlan<Sum>& to, const Sample& s, Range cells) {
    if (s.weight_low != 0 && cells.has(s.low)) tap(to, s.low, Sum(s.weight_low));
    if (s.weight_high != 0 && cells.has(s.high)) tap(to, s.high, Sum(s.weight_high));
}

// Take the samples of a bin that are in range and may read some cells, one by one.
template <class Sum>
template <class Take>
auto AxisPlanner<Sum>::read_bin(const Roi& roi, int bin, Range cells, Take take) const -> Seen {
    Seen seen;
    const auto see = [&](auto position, double share) {
        if (!in_range(position)) return;
        const Sample s = read(position, share);
        seen.in_range += cells.has(s.low);
        seen.weightless |= s.weight_low == 0 || s.weight_high == 0;
        take(s);
    };
    if (convention_.ratio == Ratio::exact) {
        read_pieces(roi, bin, cells, see);
        return seen;
    }
    std::int64_t start = 0, stop = roi.count;
    if (stop > search_from) {
        const Sum low = Sum(cells.begin - 1), high = Sum(cells.end);
        const bool falling = roi.bin_size < 0;
        start = first_where(roi, bin, [=](Sum v) { return falling ? v <= high : v >= low; });
        stop = first_where(roi, bin, [=](Sum v) { return falling ? v < low : v > high; });
    }
    for (std::int64_t i = start; i < stop; ++i) see(position(roi, bin, i), 1.0);
    return seen;
}

template <class Sum>
Sum AxisPlanner<Sum>::position(const Roi& roi, std::int64_t bin, std::int64_t index) const {
    const Sum p = Sum(bin), i_half = Sum(index) + Sum(0.5), count = Sum(roi.count);
    switch (convention_.positions) {
        case Positions::corners: return roi.begin + p * roi.bin_size;
        case Positions::fraction: return roi.begin + roi.bin_size * (p + i_half / count);
        case Positions::step_scaled: return roi.begin + p * roi.bin_size + roi.bin_size / count * i_half;
        default: return roi.begin + p * roi.bin_size + i_half * roi.bin_size / count;
    }
}

// Positions are monotone in the sample's number, rounding included.
template <class Sum>
template <class Holds>
std::int64_t AxisPlanner<Sum>::first_where(const Roi& roi, int bin, Holds holds) const {
    std::int64_t low = 0, high = roi.count;
    while (low < high) {
        const std::int64_t middle = (low + high) / 2;
        if (holds(position(roi, bin, middle)))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

template <class Sum>
template <class Real>
auto AxisPlanner<Sum>::read(Real position, double share) const -> Sample {
    const std::int64_t last = size_ - 1;
    if (convention_.nearest) {
        const std::int64_t cell = std::clamp<std::int64_t>(rounded_half_away(position), 0, last);
        return {cell, cell, 1.0, 0.0, share};
    }
    const bool fades = convention_.border == Border::zero;
    const Real read_at = fades ? position : std::clamp(position, Real(0), Real(last));
    const std::int64_t low = std::int64_t(std::floor(read_at));
    const std::int64_t high = fades ? low + 1 : std::min(low + 1, last);
    const Real weight_high = read_at - Real(low), weight_low = Real(1) - weight_high;
    return {std::clamp<std::int64_t>(low, 0, last), std::clamp<std::int64_t>(high, 0, last),
            low >= 0 && low <= last ? double(weight_low) : 0.0,
            high <= last ? double(weight_high) : 0.0, share};
}

template <class Sum>
template <class Real>
bool AxisPlanner<Sum>::in_range(Real position) const {
    switch (convention_.border) {
        case Border::extrapolate: return position >= 0 && position <= Real(size_ - 1);
        case Border::zero: return position > -1 && position < Real(size_);
        default: return position >= -1 && position <= Real(size_);
    }
}

// The exact integral: the bin cut at the cell centres, each piece read at its middle.
template <class Sum>
template <class See>
void AxisPlanner<Sum>::read_pieces(const Roi& roi, int bin, Range cells, See see) const {
    const double one = exact_edge(roi, bin), other = exact_edge(roi, bin + 1);
    const double low = std::max(std::min(one, other), -1.0);
    const double high = std::min(std::max(one, other), double(size_));
    if (!(low < high)) return;
    const double end = std::min(std::ceil(high), double(cells.end));
    for (double left = std::max(std::floor(low), cells.begin - 1.0); left < end; left += 1.0) {
        const double a = std::max(left, low), b = std::min(left + 1.0, high);
        see((a + b) * 0.5, b - a);
    }
}

// Where a bin begins, in double: so the bins tile the box however short its own numbers are.
template <class Sum>
double AxisPlanner<Sum>::exact_edge(const Roi& roi, int bin) const {
    return double(roi.begin) + double(bin) * (double(roi.length) / bins_);
}

// A box whose sample grid is empty along one axis has no samples along the other.
template <class Sum>
void agree_on_no_samples(const Convention& convention, typename AxisPlanner<Sum>::Roi& y,
                         typename AxisPlanner<Sum>::Roi& x) {
    if (convention.ratio == Ratio::adaptive && (y.count == 0 || x.count == 0)) y.count = x.count = 0;
}

}  // namespace roicrop
