// From boxes to the kernel's tasks: plan a batch of boxes, gather those that lie together, and hand
// out the work to the threads.
//
//   batch   a few thousand boxes, fewer on a large map: bounds the memory of plans
//   region  some boxes of one image, and the rectangle that is packed once for all of them
//   task    a region and some channels
//
// Nothing here affects a result, except how the sums of a large box are cut, which depends only on the
// box itself. So results depend neither on the number of threads nor on which boxes come together.

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <vector>

#include "plan_turned.hpp"

namespace roicrop {
namespace {

constexpr std::int64_t batch_boxes = 4096;
constexpr std::int64_t batch_taps = 1 << 20;
constexpr std::int64_t chunk_boxes = 64;            // at most, planned by one thread at a time
constexpr std::int64_t longest_segment = 1024;      // taps: longer sums would lose too much
constexpr std::int64_t packed_cells = 1 << 16;      // of a box whose sums are not cut further: 4 MiB of panel
constexpr std::int64_t shared_cells = 1 << 17;      // of a region, if there is scratch for it
constexpr std::int64_t near_cells = 1 << 13;        // of a region of a channels-last map
constexpr std::int64_t near_bytes = 3 << 18;        // fits in the second-level cache
constexpr std::int64_t mapped_bytes = 3 << 16;      // so does what finds its pages: fits in the first-level TLB
constexpr std::int64_t shared_often = 32;           // cells read so many times are worth copying
constexpr std::int64_t scratch_bytes = 18 << 20;    // of all threads
constexpr std::int64_t streamed_bytes = 8 << 20;    // a larger output bypasses the caches
constexpr std::int64_t values_a_thread = 1 << 18;   // with fewer, one more thread does not pay
constexpr std::int64_t most_lines = 8;              // of a cell that the kernel processes at once

// A box, and the cells it reads.
struct Unit {
    Box box;
    Range y, x;  // cells
    std::int64_t image;
    std::size_t first_column;  // among its chunk's columns
    std::int64_t reads;        // how many cells, at most, without those that it skips

    std::int64_t cells() const { return y.size() * x.size(); }
};

// Some boxes, planned by one thread.
template <class Sum>
struct Chunk {
    AxisPlan<Sum> y, x;  // x names columns, not cells, unless boxes are turned
    std::vector<std::int64_t> column;
    std::vector<Unit> units;
};

// Runs work(0) … work(threads − 1) at once, or fewer if no more threads are available: workers must divide
// the work among themselves. An exception in one of them is rethrown here. Threads are created each time,
// so that a process may fork.
template <class Work>
void in_parallel(int threads, Work work) {
    std::vector<std::future<void>> others;
    others.reserve(std::size_t(threads));
    try {
        for (int i = 1; i < threads; ++i) others.push_back(std::async(std::launch::async, std::ref(work), i));
    } catch (...) {
        // No more threads, or no memory for one: the threads that run do all the work.
    }
    work(0);
    for (std::future<void>& other : others) other.get();
}

// One call, batch by batch.
template <class Sum>
class Cropping {
public:
    Cropping(const Arguments& a, const Kernel& kernel)
        : a_(a),
          kernel_(kernel),
          size_(a.element == Element::half ? 2 : sizeof(Sum)),
          line_(line_bytes / size_),
          call_(a),
          bins_(std::int64_t(a.bins_y) * a.bins_x),
          most_taps_(a.turned ? batch_taps / 4 : batch_taps),
          own_bins_(a.own_channels ? a.bins_y * a.bins_x : 1),
          cells_out_(a.out_strides[3] != size_ && a.out_strides[1] == size_),
          reads_in_place_(cells_out_ && !a.turned && a.strides[3] != size_ && a.strides[1] == size_ &&
                          a.shape[1] >= line_bytes / int(sizeof(Sum)) && a.number.kind == 'f' &&
                          a.number.bytes == size_ && !a.number.swapped) {}

    void run() {
        while (end_ < a_.count) {
            plan();
            make_regions();
            pool();
        }
    }

private:
    void plan() {
        by_bin_ = has_many_samples(end_, bins_);
        call_.bins_y = by_bin_ ? 1 : a_.bins_y, call_.bins_x = by_bin_ ? 1 : a_.bins_x;
        const std::int64_t first = by_bin_ ? bin_ : end_, most = most_in_batch();
        const std::int64_t left = (by_bin_ ? bins_ : a_.count) - first, batches = (left + most - 1) / most;
        std::int64_t end = first + (left + batches - 1) / batches;
        for (auto k = first; !by_bin_ && k < end; ++k)
            if (has_many_samples(k, bins_)) end = k;
        const std::int64_t each = std::clamp<std::int64_t>(most / 8, 1, by_bin_ ? 1 : a_.turned ? 2 : chunk_boxes);
        chunks_.assign(std::size_t((end - first + each - 1) / each), {});
        const int at_once = has_many_samples(end_, 1) ? 1 : 2;  // threads, if a bin takes much memory
        std::atomic<std::int64_t> next{first}, taps{0};
        in_parallel(int(std::min<std::int64_t>(by_bin_ ? at_once : a_.threads, chunks_.size() / 2 + 1)), [&](int) {
            with_planner<Sum>(a_, [&](auto planner) {
                while (taps < most_taps_) {
                    const std::int64_t k = next.fetch_add(each);
                    if (k >= end) return;
                    Chunk<Sum>& chunk = chunks_[std::size_t((k - first) / each)];
                    plan_chunk(chunk, planner, k, std::min(k + each, end));
                    taps += std::int64_t(chunk.x.cells.size());
                }
            });
        });
        const std::int64_t planned = std::min(next.load(), end);
        if (!by_bin_)
            end_ = planned;
        else if ((bin_ = planned % bins_) == 0)
            ++end_;
    }

    // Boxes, or bins of one. A box has at most about twice as many taps as this, unless its sample count is
    // adaptive: then the batch may end early.
    std::int64_t most_in_batch() const {
        const std::int64_t samples = 1 + a_.convention.samples;
        const std::int64_t taps = a_.turned ? bins_ * samples * samples
                                            : a_.map_size[0] + a_.map_size[1] + (a_.bins_y + a_.bins_x) * samples;
        return std::clamp<std::int64_t>(most_taps_ / taps, 1, batch_boxes);
    }

    // Whether so many bins of a box with an angle have too many samples to be planned at once: if all have,
    // then each of its bins is planned as a box of its own.
    bool has_many_samples(std::int64_t k, std::int64_t bins) const {
        if (!a_.turned) return false;
        const auto count = [&](int axis) { return double(a_.counts[k * 2 + axis]); };
        return count(0) * count(1) * double(bins) > double(most_taps_);
    }

    template <class Planner>
    void plan_chunk(Chunk<Sum>& chunk, Planner& planner, std::int64_t first, std::int64_t end) const {
        std::vector<std::int32_t> number;
        for (std::int64_t i = first; i < end; ++i) {
            const std::int64_t k = by_bin_ ? end_ : i;
            Unit unit{{}, {}, {}, a_.image_index[k], chunk.column.size(), 0};
            Box& box = unit.box;
            const auto y = chunk.y.cells.size(), x = chunk.x.cells.size();
            box.out = a_.out + (a_.rows ? a_.rows[k] : k) * a_.out_strides[0];
            if (by_bin_) box.out += i / a_.bins_x * a_.out_strides[2] + i % a_.bins_x * a_.out_strides[3];
            box.flagged = planner.append(chunk.y, chunk.x, k, by_bin_ ? int(i) : all_bins);
            const std::int64_t height = to_window(chunk.y.cells, y, 0, unit.y);
            const std::int64_t width = to_window(chunk.x.cells, x, 1, unit.x);
            if (unit.cells() && !(is_here(unit.y, 0) && is_here(unit.x, 1)))
                throw std::invalid_argument("a box reads cells outside the window of the map");
            if (a_.turned) {
                box.columns = column_block;
                chunk.column.insert(chunk.column.end(), column_block, 0);
            } else
                number_columns(chunk, x, unit, number);
            unit.reads = std::min<std::int64_t>(chunk.y.cells.size() - y, unit.y.size()) * box.columns;
            box.segment = longest_segment;
            if (!a_.turned && height * width > packed_cells)
                box.segment = int(std::clamp<std::int64_t>(packed_cells / width, 1, longest_segment));
            chunk.units.push_back(unit);
        }
        for (std::size_t k = 0; k < chunk.units.size(); ++k) {
            Unit& unit = chunk.units[k];
            unit.box.y = axis_of(chunk.y, k, a_.turned ? 1 : a_.bins_y);
            unit.box.x = axis_of(chunk.x, k, a_.turned ? call_.bins_y * call_.bins_x : a_.bins_x);
            unit.box.column = chunk.column.data() + unit.first_column;
        }
    }

    // Replace the cells of a box's taps along x, from tap `x` on, with column numbers.
    static void number_columns(Chunk<Sum>& chunk, std::size_t x, Unit& unit, std::vector<std::int32_t>& number) {
        number.assign(std::size_t(unit.x.size()), -1);
        const auto number_at = [&](auto t) -> auto& {
            return number[std::size_t(chunk.x.cells[t] - unit.x.begin)];
        };
        for (auto t = x; t < chunk.x.cells.size(); ++t) number_at(t) = 0;
        for (std::size_t i = 0; i < number.size(); ++i)
            if (number[i] == 0) {
                number[i] = unit.box.columns++;
                chunk.column.push_back(unit.x.begin + std::int64_t(i));
            }
        for (auto t = x; t < chunk.x.cells.size(); ++t) chunk.x.cells[t] = number_at(t);
        for (; unit.box.columns % column_block; ++unit.box.columns) chunk.column.push_back(chunk.column.back());
    }

    static Axis axis_of(AxisPlan<Sum>& plan, std::size_t box, int bins) {
        const std::size_t bin = box * std::size_t(bins);
        return {bins, plan.bin_ptr.data() + bin, plan.row_ptr.data(), plan.cells.data(), plan.weights.data(),
                plan.is_void.data() + bin, plan.zero.data() + bin};
    }

    // Convert a box's cells from map to window, where they span `here`; returns their span on the map.
    std::int64_t to_window(std::vector<std::int32_t>& cells, std::size_t begin, int axis, Range& here) const {
        Range on_map;
        for (auto t = begin; t < cells.size(); ++t) {
            on_map.add(cells[t]);
            cells[t] = a_.places[axis] ? a_.places[axis][cells[t]] : cells[t] - std::int32_t(a_.origin[axis]);
            here.add(cells[t]);
        }
        return on_map.size();
    }

    bool is_here(Range cells, int axis) const { return cells.begin >= 0 && cells.end <= a_.shape[2 + axis]; }

    void make_regions() {
        order_.clear();
        std::int64_t cells = 0;
        columns_ = panel_bytes_ = 0;
        for (const Chunk<Sum>& chunk : chunks_)
            for (const Unit& unit : chunk.units) {
                order_.push_back(&unit);
                cells += unit.cells();
                columns_ = std::max<std::int64_t>(columns_, unit.box.columns);
            }
        const std::int64_t boxes = std::int64_t(order_.size());
        boxes_.clear();
        boxes_.reserve(order_.size());
        regions_.clear();
        touched_.clear();
        most_cells_ = std::clamp(scratch_bytes / line_bytes / a_.threads, packed_cells, shared_cells);
        const std::int64_t lines = (a_.shape[1] + line_ - 1) / line_;
        const bool fills_lines = (std::intptr_t(a_.out) | a_.out_strides[2] | a_.out_strides[3]) % line_bytes == 0;
        lines_ = cells_out_ && !a_.turned && !fills_lines ? int(lines) : 1;
        // Enough regions for each thread to have some tasks.
        const std::int64_t enough = (2 * a_.threads * lines_ + lines * own_bins_ - 1) / (lines * own_bins_);
        most_boxes_ = std::max<std::int64_t>(32, boxes / enough + 1);
        if (reads_in_place_) most_cells_ = near_cells;
        std::stable_sort(order_.begin(), order_.end(), [](auto a, auto b) { return a->image < b->image; });
        for (auto first = order_.begin(); first != order_.end();) {
            const auto last = std::find_if(first, order_.end(),
                                           [&](auto unit) { return unit->image != (*first)->image; });
            split(&*first, &*first + (last - first));
            first = last;
        }
    }

    // How a region is read, decided here alone: in place, if its cells are near one another already or are
    // shared by few boxes; otherwise from panels. A task's panels are as many as memory allows, so that it
    // writes whole bins; each has as many lines per cell as let it stay near.
    struct Packing {
        std::int64_t lines_of_panel, lines_of_task;  // 0: in place
    };

    Packing packing(std::int64_t cells, std::int64_t reads) const {
        const bool is_near = cells * a_.shape[1] * size_ < near_bytes / 2;
        if (reads_in_place_ && (is_near || reads < shared_often * cells)) return {};
        const std::int64_t line = std::max<std::int64_t>(cells, 1) * line_bytes;
        const std::int64_t most = scratch_bytes / (2 * a_.threads);
        const std::int64_t of_task = cells > most_cells_ ? 1 : std::clamp<std::int64_t>(most / line, 1, lines_);
        return {std::clamp<std::int64_t>(mapped_bytes / line, 1, of_task), of_task};
    }

    // One region, if the boxes fit together and touch no more cells than they do separately; otherwise
    // their rectangle is halved along its longer side.
    void split(const Unit** first, const Unit** last) {
        Range y, x;
        std::int64_t alone = 0, reads = 0;
        for (const Unit** unit = first; unit < last; ++unit) {
            if ((*unit)->cells() == 0) continue;
            y.add((*unit)->y);
            x.add((*unit)->x);
            alone += (*unit)->cells();
            reads += (*unit)->reads;
        }
        if (alone == 0) y = x = {0, 0};
        const std::int64_t together = y.size() * x.size(), count = last - first;
        const Packing read = packing(together, reads);
        const std::int64_t in_place = std::min<std::int64_t>(order_.size() / (8 * a_.threads), 32);
        const std::int64_t most = read.lines_of_task ? most_boxes_ : in_place;
        if (count == 1 || (count <= most && together <= std::min(alone, most_cells_)))
            return add_region(first, last, y, x, read);
        const auto middle_of = [by_y = y.size() > x.size()](const Unit* unit) {
            const Range range = by_y ? unit->y : unit->x;
            return range.begin + range.end;
        };
        const Unit** middle = first + count / 2;
        std::nth_element(first, middle, last, [&](auto a, auto b) { return middle_of(a) < middle_of(b); });
        split(first, middle);
        split(middle, last);
    }

    void add_region(const Unit** first, const Unit** last, Range y, Range x, Packing read) {
        Region region{};
        region.map = a_.features + (*first)->image * a_.strides[0];
        region.boxes = boxes_.data() + boxes_.size();
        region.count = int(last - first);
        for (const Unit** unit = first; unit < last; ++unit) boxes_.push_back((*unit)->box);
        region.lines = int(read.lines_of_panel), region.channels = int(read.lines_of_task * line_);
        if (region.lines) {
            region.in_bands = y.size() * x.size() > most_cells_;
            if (a_.turned && region.in_bands) y = {0, longest_segment}, x = {0, 1};  // cells that are gathered
            region.y = y.begin, region.x = x.begin;
            region.height = int(y.size()), region.width = int(x.size());
            // Odd: keeps scanlines out of one another's cache sets.
            region.pitch = (a_.turned ? x.size() : x.size() * region.lines | 1) * line_bytes;
            const std::int64_t scanlines = region.in_bands ? region.boxes->segment : y.size();
            const std::int64_t panels = (read.lines_of_task + region.lines - 1) / region.lines;
            panel_bytes_ = std::max(panel_bytes_, panels * scanlines * region.pitch);
            if (!region.in_bands) touch(region);
        }
        const std::int64_t step = region.lines ? region.lines * line_bytes : a_.strides[3];
        for (const Box* box = region.boxes; box < region.boxes + region.count; ++box)
            for (int i = 0; i < box->columns; ++i) box->column[i] *= step;
        regions_.push_back(region);
    }

    // Note the scanlines of a region that some box reads, and make taps of turned boxes index its panel's cells.
    void touch(Region& region) {
        std::vector<std::uint8_t>& touched = touched_.emplace_back(std::size_t(region.height + 1));
        for (const Box* box = region.boxes; box < region.boxes + region.count; ++box) {
            const Axis& rows = a_.turned ? box->x : box->y;
            const auto end = rows.row_ptr[rows.bin_ptr[rows.bins]];
            for (auto t = rows.row_ptr[rows.bin_ptr[0]]; box->columns && t < end; ++t) {
                const std::int32_t scanline = box->y.index[t] - region.y;
                touched[std::size_t(scanline)] = 1;
                if (a_.turned) box->x.index[t] += scanline * region.width - region.x;
            }
        }
        region.scanlines = touched.data();
    }

    void pool() {
        const std::int64_t in_place = channels_in_place();
        std::int64_t most = line_;
        for (const Region& region : regions_)
            most = std::max(most, region.lines ? std::min<std::int64_t>(region.channels, a_.shape[1]) : in_place);
        const std::int64_t bins = std::int64_t(call_.bins_y) * call_.bins_x;
        // Vectors extend past the end of short data.
        const std::int64_t numbers = (bins + line_) * (most + cells_out_ * line_);
        const std::int64_t tile = (numbers * sizeof(Sum) + line_bytes - 1) / line_bytes * line_bytes;
        const std::int64_t room = scratch_bytes / (8 * a_.threads);
        const std::int64_t tiles = lines_ > 1 ? std::clamp<std::int64_t>(room / tile, 1, 32) : 1;
        const std::int64_t panel = panel_bytes_, buffers = columns_ * most_lines * line_bytes;
        const std::int64_t all = panel + buffers + (1 + tiles) * tile;
        const std::int64_t values = std::int64_t(order_.size()) * bins * a_.shape[1];
        const std::int64_t useful = std::min(1 + values / values_a_thread, scratch_bytes / all);
        const int threads = int(std::clamp<std::int64_t>(useful, 1, a_.threads));
        // Aligned by hand: C libraries waste memory between blocks with a special alignment.
        if (threads * all > scratch_size_) {
            scratch_.reset();
            scratch_.reset(new char[std::size_t(threads * all + line_bytes)]);
            scratch_size_ = threads * all;
        }
        char* const scratch = scratch_.get() + (-reinterpret_cast<std::intptr_t>(scratch_.get()) & (line_bytes - 1));
        std::vector<Task> tasks;
        Task task{};
        task.call = &call_;
        task.out_cells = cells_out_;
        task.streams = a_.count * a_.out_strides[0] >= streamed_bytes;
        task.tiles = int(tiles), task.tile_bytes = tile;
        for (const Region& region : regions_)
            for (std::int64_t c = 0; c < a_.shape[1]; c += task.channels) {
                const std::int64_t left = a_.shape[1] - c;
                std::int64_t channels = std::min(left, region.lines ? region.channels : in_place);
                // A map that is read in place has at least a vector of channels.
                if (!region.lines && left - channels < line_) channels = left;
                task.region = &region;
                task.first_channel = int(c), task.channels = int(channels);
                for (task.bin = 0; task.bin < own_bins_; ++task.bin) tasks.push_back(task);
            }
        std::atomic<std::size_t> next{0};
        in_parallel(threads, [&](int thread) {
            for (std::size_t i = next++; i < tasks.size(); i = next++) {
                Task task = tasks[i];
                task.panel = scratch + thread * all;
                task.row_buffer = task.panel + panel;
                task.staged = task.row_buffer + buffers;
                task.tile = task.staged + tile;
                kernel_.pool(task);
            }
        });
    }

    // The channels of a task that reads in place: a multiple of what the kernel processes at once, such that
    // each thread has some and a tile stays in the cache.
    std::int64_t channels_in_place() const {
        const std::int64_t at_once = most_lines * line_, regions = std::int64_t(regions_.size());
        const std::int64_t blocks = a_.threads == 1 ? 1 : (4 * a_.threads + regions - 1) / regions;
        const std::int64_t room = near_bytes / (bins_ * sizeof(Sum));
        const std::int64_t wanted = std::min(room, (a_.shape[1] + blocks - 1) / blocks);
        const std::int64_t times = std::max<std::int64_t>((wanted + at_once - 1) / at_once, 1);
        return std::min(times * at_once, a_.shape[1]);
    }

    const Arguments& a_;
    const Kernel& kernel_;
    const std::int64_t size_, line_;  // bytes of an element, elements of a cache line
    Arguments call_;      // as the kernel is told: if planned by bin, each is a box
    const std::int64_t bins_, most_taps_;  // of a batch; both axes' taps take memory if boxes are turned
    const int own_bins_;              // how many bins have channels of their own
    const bool cells_out_;            // a bin's channels are neighbours in the output
    const bool reads_in_place_;       // a cell's channels are neighbours too, and of the output's type
    std::int64_t end_ = 0;            // the box after the last that was planned
    bool by_bin_ = false;             // that box is planned bin by bin,
    std::int64_t bin_ = 0;            // from here on
    std::vector<Chunk<Sum>> chunks_;
    std::vector<const Unit*> order_;
    std::vector<Box> boxes_;
    std::vector<Region> regions_;
    std::vector<std::vector<std::uint8_t>> touched_;    // scanlines of regions
    std::int64_t panel_bytes_ = 0, columns_ = 0;        // the maximum over regions
    std::int64_t most_boxes_ = 0, most_cells_ = 0;      // of a region
    int lines_ = 0;                                     // of a panel's cell
    std::unique_ptr<char[]> scratch_;
    std::int64_t scratch_size_ = 0;
};

}  // namespace

void crop(const Arguments& arguments, const Kernel& kernel) {
    if (arguments.element == Element::real64)
        Cropping<double>(arguments, kernel).run();
    else
        Cropping<float>(arguments, kernel).run();
}

const Kernel* kernel_for(const char* level) {
    static constexpr Kernel baseline{"baseline", pool::baseline};
    const auto wanted = [level](const Kernel& kernel) { return !*level || !std::strcmp(level, kernel.level); };
#if defined(__x86_64__)
    static constexpr Kernel avx2{"avx2", pool::avx2}, avx512{"avx512", pool::avx512};
    __builtin_cpu_init();
    // Processors with AVX2 have the rest of x86-64-v3, but compilers do not know all its names.
    const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    const bool v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512vl");
    if (v3 && v4 && wanted(avx512)) return &avx512;
    if (v3 && wanted(avx2)) return &avx2;
#endif
    return wanted(baseline) ? &baseline : nullptr;
}

}  // namespace roicrop
