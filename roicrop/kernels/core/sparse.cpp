// Plan the bins that are pooled one by one, and hand them out to the threads.

#include "sparse.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <stdexcept>

#include "parallel.hpp"
#include "plan.hpp"

namespace roicrop {
namespace {

constexpr std::int64_t batch_boxes = 4096, chunk_boxes = 16;  // planned before any is pooled; by one thread
constexpr std::int64_t batch_taps = 1 << 20;                  // with which a batch ends early
constexpr std::size_t few = 64;                 // of what is sorted
constexpr std::int64_t packed_cells = 1 << 17;  // of a rectangle, at most: 8 MiB of panel
constexpr std::int64_t wasted = 4;              // times the cells that its boxes have by themselves

template <class Sum>
struct Plan {
    std::vector<Tap<Sum>> taps;
    std::vector<std::int64_t> ptr{0};
    std::vector<std::uint8_t> is_void;

    void end_bin(bool no_samples) {
        ptr.push_back(std::int64_t(taps.size()));
        is_void.push_back(no_samples);
    }
};

// Turned boxes: the same numbers as roicrop.sampling.TurnedPlan, to the bit.
template <class Sum>
class TurnedPlanner {
public:
    explicit TurnedPlanner(const Arguments& a) : a_(a) {}

    void append(Plan<Sum>& to, std::int64_t box) {
        const Sum* const n = static_cast<const Sum*>(a_.turned) + box * 8;
        const std::int64_t count_y = a_.counts[box * 2], count_x = a_.counts[box * 2 + 1];
        for (int bin = 0; bin < a_.bins_y * a_.bins_x; ++bin) {
            gifts_.clear();
            for (std::int64_t i = 0; i < count_y; ++i)
                for (std::int64_t j = 0; j < count_x; ++j) {
                    const Sum v = position(n[0], n[1], bin / a_.bins_x, i, count_y);
                    const Sum u = position(n[2], n[3], bin % a_.bins_x, j, count_x);
                    give(v * n[4] - u * n[5] + n[6], v * n[5] + u * n[4] + n[7]);
                }
            add_up(to, double(count_y * count_x));
            to.end_bin(count_y * count_x == 0);
        }
    }

private:
    struct Gift {
        std::int64_t cell;
        double weight;
    };

    Sum position(Sum begin, Sum bin_size, int bin, std::int64_t index, std::int64_t of) const {
        const Sum p = Sum(bin), i_half = Sum(index) + Sum(a_.convention.sample_at), count = Sum(of);
        if (a_.convention.positions == Positions::step_scaled)
            return begin + p * bin_size + bin_size / count * i_half;
        return begin + p * bin_size + i_half * bin_size / count;
    }

    // What a sample gives to the cells around it.
    void give(Sum y, Sum x) {
        const Sum height = Sum(a_.map_size[0]), width = Sum(a_.map_size[1]);
        if (!(y >= -1 && y <= height && x >= -1 && x <= width)) return;
        y = std::clamp(y, Sum(0), height - 1), x = std::clamp(x, Sum(0), width - 1);
        const std::int64_t top = std::int64_t(y), left = std::int64_t(x);
        const Sum below = y - Sum(top), after = x - Sum(left);
        for (int i = 0; i < 4; ++i) {
            const double weight = double(i / 2 ? below : 1 - below) * double(i % 2 ? after : 1 - after);
            if (weight != 0) gifts_.push_back({(top + i / 2) * a_.map_size[1] + left + i % 2, weight});
        }
    }

    void add_up(Plan<Sum>& to, double samples) {
        const auto before = [](const Gift& a, const Gift& b) { return a.cell < b.cell; };
        if (gifts_.size() > few)
            std::stable_sort(gifts_.begin(), gifts_.end(), before);
        else  // without the memory that it takes
            for (auto gift = gifts_.begin(); gift != gifts_.end(); ++gift)
                std::rotate(std::upper_bound(gifts_.begin(), gift, *gift, before), gift, gift + 1);
        for (auto gift = gifts_.begin(); gift != gifts_.end();) {
            const std::int64_t cell = gift->cell, y = cell / a_.map_size[1];
            double sum = 0;
            for (; gift != gifts_.end() && gift->cell == cell; ++gift) sum += gift->weight;
            const Sum weight = Sum(sum / samples);
            if (weight != 0)
                to.taps.push_back({std::int32_t(y), std::int32_t(cell - y * a_.map_size[1]), weight});
        }
    }

    const Arguments& a_;
    std::vector<Gift> gifts_;
};

// Position-sensitive boxes: every pair of a bin's cells along y and along x.
template <class Sum>
class PairPlanner {
public:
    explicit PairPlanner(const Arguments& a) : a_(a), planner_(a) {}

    void append(Plan<Sum>& to, std::int64_t box) {
        y_ = x_ = {};
        planner_.append(y_, x_, static_cast<const Sum*>(a_.boxes) + box * 4);
        for (std::size_t p = 0; p < y_.is_void.size(); ++p)
            for (std::size_t q = 0; q < x_.is_void.size(); ++q) {
                for (auto i = first(y_, p); i < first(y_, p + 1); ++i)
                    for (auto j = first(x_, q); j < first(x_, q + 1); ++j)
                        to.taps.push_back({y_.cells[i], x_.cells[j], y_.weights[i] * x_.weights[j]});
                to.end_bin(y_.is_void[p] || x_.is_void[q]);
            }
    }

private:
    static std::size_t first(const AxisPlan<Sum>& axis, std::size_t bin) {
        return std::size_t(axis.row_ptr[std::size_t(axis.bin_ptr[bin])]);
    }

    const Arguments& a_;
    BoxPlanner<Sum> planner_;
    AxisPlan<Sum> y_, x_;
};

template <class Sum>
class Sparse {
public:
    Sparse(const Arguments& a, const Kernel& kernel)
        : a_(a), kernel_(kernel), bins_(a.bins_y * a.bins_x), own_(a.own_channels ? bins_ : 1) {}

    void run() {
        while (end_ < a_.count) {
            plan();
            tasks_.clear();
            for (auto first = order_.begin(); first != order_.end();) {
                const auto last = std::find_if(first, order_.end(),
                                               [&](auto box) { return box->image != (*first)->image; });
                split(&*first, &*first + (last - first));
                first = last;
            }
            pool();
        }
    }

private:
    void plan() {
        if (a_.turned)
            plan_with([&] { return TurnedPlanner<Sum>(a_); });
        else
            plan_with([&] { return PairPlanner<Sum>(a_); });
        boxes_.clear();
        order_.clear();
        for (Plan<Sum>& each : plans_)
            for (std::size_t n = 0; n < each.is_void.size(); n += std::size_t(bins_)) add(each, n, end_++);
        for (SparseBox<Sum>& box : boxes_) order_.push_back(&box);
        std::stable_sort(order_.begin(), order_.end(), [](auto a, auto b) { return a->image < b->image; });
    }

    template <class MakePlanner>
    void plan_with(MakePlanner make_planner) {
        const std::int64_t chunks = (std::min(a_.count - end_, batch_boxes) + chunk_boxes - 1) / chunk_boxes;
        plans_.assign(std::size_t(chunks), {});
        std::atomic<std::int64_t> next{0}, planned{0}, taps{0};
        in_parallel(int(std::min<std::int64_t>(a_.threads, chunks)), [&](int) {
            auto planner = make_planner();
            while (taps < batch_taps) {
                const std::int64_t i = next++, first = end_ + i * chunk_boxes;
                if (i >= chunks) return;
                Plan<Sum>& plan = plans_[std::size_t(i)];
                for (auto box = first; box < std::min(first + chunk_boxes, a_.count); ++box)
                    planner.append(plan, box);
                taps += std::int64_t(plan.taps.size());
                ++planned;
            }
        });
        plans_.resize(std::size_t(planned.load()));
    }

    void add(Plan<Sum>& plan, std::size_t n, std::int64_t number) {
        SparseBox<Sum> box{plan.taps.data(), plan.ptr.data() + n, plan.is_void.data() + n,
                           a_.image_index[number],
                           a_.out + (a_.rows ? a_.rows[number] : number) * a_.out_strides[0], 0, 0, 0, 0};
        Range y, x;
        for (auto t = box.ptr[0]; t < box.ptr[bins_]; ++t) {
            Tap<Sum>& tap = plan.taps[std::size_t(t)];
            tap.y = in_window(a_, 0, tap.y);
            tap.x = in_window(a_, 1, tap.x);
            y.add(tap.y);
            x.add(tap.x);
        }
        if (y.size()) {
            if (!y.within({0, std::int32_t(a_.shape[2])}) || !x.within({0, std::int32_t(a_.shape[3])}))
                throw std::invalid_argument("a box reads cells outside the window of the map");
            box.top = y.begin, box.bottom = y.end, box.left = x.begin, box.right = x.end;
        }
        boxes_.push_back(box);
    }

    // One task for some channels, if the boxes' rectangle is not too large; else it is halved.
    void split(SparseBox<Sum>** first, SparseBox<Sum>** last) {
        Range y, x;
        std::int64_t alone = 0;
        for (auto box = first; box < last; ++box) {
            if ((*box)->bottom == 0) continue;
            y.add({(*box)->top, (*box)->bottom});
            x.add({(*box)->left, (*box)->right});
            alone += std::int64_t((*box)->bottom - (*box)->top) * ((*box)->right - (*box)->left);
        }
        const bool fit = y.size() * x.size() <= std::min(packed_cells, wasted * alone);
        if (!fit && last - first > 1) {
            const auto before = [by_y = y.size() > x.size()](auto a, auto b) {
                return by_y ? a->top + a->bottom < b->top + b->bottom : a->left + a->right < b->left + b->right;
            };
            SparseBox<Sum>** const middle = first + (last - first) / 2;
            std::nth_element(first, middle, last, before);
            split(first, middle);
            return split(middle, last);
        }
        SparseTask<Sum> task{};
        task.boxes = first;
        task.count = int(last - first);
        task.packs = fit && alone;
        if (task.packs)
            task.top = y.begin, task.left = x.begin, task.height = int(y.size()), task.width = int(x.size());
        tasks_.push_back(task);
    }

    void pool() {
        const std::int64_t lanes = line_bytes / (a_.element == Element::half ? 2 : sizeof(Sum)), channels = a_.shape[1] / own_;
        const std::int64_t blocks = (channels + lanes - 1) / lanes, tile = bins_ / own_ * line_bytes;
        const std::int64_t all = std::int64_t(tasks_.size()) * blocks * own_;
        std::int64_t panel = 0;
        for (const auto& task : tasks_)
            panel = std::max(panel, std::int64_t(task.height) * task.width * line_bytes);
        std::atomic<std::int64_t> next{0};
        in_parallel(int(std::min<std::int64_t>(a_.threads, all)), [&](int) {
            const std::unique_ptr<char[]> scratch(new char[std::size_t(panel + tile + line_bytes)]);
            for (std::int64_t i = next++; i < all; i = next++) {
                SparseTask<Sum> task = tasks_[std::size_t(i / (blocks * own_))];
                task.first_bin = int(i % own_);
                task.first_channel = int(i / own_ % blocks * lanes);
                task.channels = int(std::min<std::int64_t>(lanes, channels - task.first_channel));
                task.call = &a_;
                task.next_channel = a_.strides[1] * own_;
                task.map = a_.features + (*task.boxes)->image * a_.strides[0] +
                           task.first_bin * a_.strides[1] + task.first_channel * task.next_channel;
                task.bins = bins_ / own_;
                task.panel = scratch.get() + (-reinterpret_cast<std::intptr_t>(scratch.get()) & (line_bytes - 1));
                task.tile = task.panel + panel;
                if constexpr (sizeof(Sum) == sizeof(float))
                    kernel_.sparse_single(task);
                else
                    kernel_.sparse_real64(task);
            }
        });
    }

    const Arguments& a_;
    const Kernel& kernel_;
    const int bins_, own_;  // how many bins have channels of their own
    std::int64_t end_ = 0;  // the box after the last that was planned
    std::vector<Plan<Sum>> plans_;
    std::vector<SparseBox<Sum>> boxes_;
    std::vector<SparseBox<Sum>*> order_;
    std::vector<SparseTask<Sum>> tasks_;
};

}  // namespace

void crop_sparse(const Arguments& arguments, const Kernel& kernel) {
    if (arguments.element == Element::real64)
        Sparse<double>(arguments, kernel).run();
    else
        Sparse<float>(arguments, kernel).run();
}

template <class Sum>
TurnedPlan<Sum> plan_turned(const Arguments& arguments) {
    TurnedPlanner<Sum> planner(arguments);
    Plan<Sum> plan;
    for (std::int64_t box = 0; box < arguments.count; ++box) planner.append(plan, box);
    TurnedPlan<Sum> arrays{plan.ptr, {}, {}};
    for (const auto& tap : plan.taps) {
        arrays.cells.push_back(tap.y * arguments.map_size[1] + tap.x);
        arrays.weights.push_back(tap.weight);
    }
    return arrays;
}

template TurnedPlan<float> plan_turned(const Arguments&);
template TurnedPlan<double> plan_turned(const Arguments&);

}  // namespace roicrop
