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
constexpr std::int64_t near_cells = 1 << 12;        // of a region of a channels-last map
constexpr std::int64_t near_bytes = 3 << 18;        // fits in the second-level cache
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
          own_bins_(a.own_channels ? a.bins_y * a.bins_x : 1),
          cells_out_(a.out_strides[3] != size_ && a.out_strides[1] == size_),
          reads_in_place_(cells_out_ && !a.turned && a.strides[3] != size_ && a.strides[1] == size_ && a.shape[1] >= line_bytes / int(sizeof(Sum)) &&
                          a.number.kind == 'f' && a.number.bytes == size_ && !a.number.swapped) {}

    void run() {
        while (end_ < a_.count) {
            plan();
            make_regions();
            pool();
        }
    }

private:
    void plan() {
        // A box has at most about twice as many taps as this, unless its sample count is adaptive: then the
        // batch may end early.
        const std::int64_t bins = std::int64_t(a_.bins_y) * a_.bins_x, samples = 1 + a_.convention.samples;
        const std::int64_t taps_of_a_box = a_.turned ? bins * samples * samples
                                                   : a_.map_size[0] + a_.map_size[1] + (a_.bins_y + a_.bins_x) * samples;
        const std::int64_t most = std::clamp<std::int64_t>(batch_taps / taps_of_a_box, 1, batch_boxes);
        const std::int64_t left = a_.count - end_, batches = (left + most - 1) / most;
        const std::int64_t first = end_, end = end_ + (left + batches - 1) / batches;
        const std::int64_t each = std::clamp<std::int64_t>(most / 8, 1, a_.turned ? 2 : chunk_boxes);
        chunks_.assign(std::size_t((end - first + each - 1) / each), {});
        std::atomic<std::int64_t> next{first}, taps{0};
        in_parallel(int(std::min<std::int64_t>(a_.threads, chunks_.size() / 2 + 1)), [&](int) {
            with_planner<Sum>(a_, [&](auto planner) {
                while (taps < batch_taps) {
                    const std::int64_t box = next.fetch_add(each);
                    if (box >= end) return;
                    Chunk<Sum>& chunk = chunks_[std::size_t((box - first) / each)];
                    plan_chunk(chunk, planner, box, std::min(box + each, end));
                    taps += std::int64_t(chunk.x.cells.size());
                }
            });
        });
        end_ = std::min(next.load(), end);
    }

    template <class Planner>
    void plan_chunk(Chunk<Sum>& chunk, Planner& planner, std::int64_t first, std::int64_t end) const {
        std::vector<std::int32_t> number;
        for (std::int64_t k = first; k < end; ++k) {
            Unit unit{{}, {}, {}, a_.image_index[k], chunk.column.size()};
            Box& box = unit.box;
            const auto y = chunk.y.cells.size(), x = chunk.x.cells.size();
            box.flagged = planner.append(chunk.y, chunk.x, k);
            const std::int64_t height = to_window(chunk.y.cells, y, 0, unit.y);
            const std::int64_t width = to_window(chunk.x.cells, x, 1, unit.x);
            if (unit.cells() && !(is_here(unit.y, 0) && is_here(unit.x, 1)))
                throw std::invalid_argument("a box reads cells outside the window of the map");
            if (a_.turned) {
                box.columns = column_block;
                chunk.column.insert(chunk.column.end(), column_block, 0);
            } else
                number_columns(chunk, x, unit, number);
            box.segment = longest_segment;
            if (!a_.turned && height * width > packed_cells)
                box.segment = int(std::clamp<std::int64_t>(packed_cells / width, 1, longest_segment));
            box.out = a_.out + (a_.rows ? a_.rows[k] : k) * a_.out_strides[0];
            chunk.units.push_back(unit);
        }
        for (std::size_t k = 0; k < chunk.units.size(); ++k) {
            Unit& unit = chunk.units[k];
            unit.box.y = axis_of(chunk.y, k, a_.turned ? 1 : a_.bins_y);
            unit.box.x = axis_of(chunk.x, k, a_.turned ? a_.bins_y * a_.bins_x : a_.bins_x);
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
        return {bins,
                plan.bin_ptr.data() + bin,
                plan.row_ptr.data(),
                plan.cells.data(),
                plan.weights.data(),
                plan.is_void.data() + bin,
                plan.zero.data() + bin};
    }

    // Convert a box's cells from map to window, where they span `here`; returns their span on the map.
    std::int64_t to_window(std::vector<std::int32_t>& cells, std::size_t begin, int axis, Range& here) const {
        Range on_map;
        for (auto t = begin; t < cells.size(); ++t) {
            on_map.add(cells[t]);
            cells[t] = in_window(a_, axis, cells[t]);
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
        const std::int64_t lines = (a_.shape[1] + line_ - 1) / line_ * own_bins_;
        const bool fills_lines = (std::intptr_t(a_.out) | a_.out_strides[2] | a_.out_strides[3]) % line_bytes == 0;
        lines_ = cells_out_ && !a_.turned && !fills_lines ? int(std::min(lines, most_lines)) : 1;
        // Enough regions for each thread to have some lines of some region.
        const std::int64_t enough = (4 * a_.threads * lines_ + lines - 1) / lines;
        most_boxes_ = std::max<std::int64_t>(32, boxes / enough + 1);
        if (reads_in_place_) {
            most_cells_ = near_cells;
            // Boxes that are close together already are read in place: packing gains nothing.
            if (cells / boxes * a_.shape[1] * size_ < near_bytes) {
                lines_ = 0;
                most_boxes_ = std::clamp<std::int64_t>(boxes / (8 * a_.threads), 1, 32);
            }
        }
        std::stable_sort(order_.begin(), order_.end(), [](auto a, auto b) { return a->image < b->image; });
        for (auto first = order_.begin(); first != order_.end();) {
            const auto last = std::find_if(first, order_.end(),
                                           [&](auto unit) { return unit->image != (*first)->image; });
            split(&*first, &*first + (last - first));
            first = last;
        }
    }

    // One region, if the boxes fit together and touch no more cells than they do separately; otherwise
    // their rectangle is halved along its longer side.
    void split(const Unit** first, const Unit** last) {
        Range y, x;
        std::int64_t alone = 0;
        for (const Unit** unit = first; unit < last; ++unit) {
            if ((*unit)->cells() == 0) continue;
            y.add((*unit)->y);
            x.add((*unit)->x);
            alone += (*unit)->cells();
        }
        if (alone == 0) y = x = {0, 0};
        const std::int64_t together = y.size() * x.size(), count = last - first;
        if (count == 1 || (count <= most_boxes_ && together <= std::min(alone, most_cells_)))
            return add_region(first, last, y, x, alone);
        const auto middle_of = [by_y = y.size() > x.size()](const Unit* unit) {
            const Range range = by_y ? unit->y : unit->x;
            return range.begin + range.end;
        };
        const Unit** middle = first + count / 2;
        std::nth_element(first, middle, last, [&](auto a, auto b) { return middle_of(a) < middle_of(b); });
        split(first, middle);
        split(middle, last);
    }

    void add_region(const Unit** first, const Unit** last, Range y, Range x, std::int64_t alone) {
        Region region{};
        region.map = a_.features + (*first)->image * a_.strides[0];
        region.boxes = boxes_.data() + boxes_.size();
        region.count = int(last - first);
        for (const Unit** unit = first; unit < last; ++unit) boxes_.push_back((*unit)->box);
        const std::int64_t cells = y.size() * x.size();
        region.lines = reads_in_place_ && (cells > near_cells || alone < 4 * cells) ? 0 : lines_;
        if (region.lines) {
            region.in_bands = cells > most_cells_;
            if (a_.turned && region.in_bands) y = {0, longest_segment}, x = {0, 1};  // cells that are gathered
            region.y = y.begin, region.x = x.begin;
            region.height = int(y.size()), region.width = int(x.size());
            // Odd: keeps scanlines out of one another's cache sets.
            region.pitch = (a_.turned ? x.size() : x.size() * region.lines | 1) * line_bytes;
            const std::int64_t scanlines = region.in_bands ? region.boxes->segment : y.size();
            panel_bytes_ = std::max(panel_bytes_, scanlines * region.pitch);
            if (!region.in_bands) touch(region);
        }
        const std::int64_t step = region.lines ? region.lines * line_bytes : a_.strides[3];
        for (const Box* box = region.boxes; box < region.boxes + region.count; ++box)
            for (int i = 0; i < box->columns; ++i) box->column[i] *= step;
        regions_.push_back(region);
    }

    // Note the scanlines of a region that some box reads. From here on, taps of turned boxes index its cells.
    void touch(Region& region) {
        std::vector<std::uint8_t>& touched = touched_.emplace_back(std::size_t(region.height + 1));
        for (const Box* box = region.boxes; box < region.boxes + region.count; ++box) {
            const Axis& rows = a_.turned ? box->x : box->y;
            const auto end = rows.row_ptr[rows.bin_ptr[rows.bins]];
            for (auto t = rows.row_ptr[rows.bin_ptr[0]]; box->columns && t < end; ++t) {
                const std::int32_t scanline = box->y.cell[t] - region.y;
                touched[std::size_t(scanline)] = 1;
                if (a_.turned) box->x.cell[t] += scanline * region.width - region.x;
            }
        }
        region.scanlines = touched.data();
    }

    void pool() {
        const std::int64_t most = channels_of_task();
        const std::int64_t bins = std::int64_t(a_.bins_y) * a_.bins_x;
        // Vectors extend past the end of short data.
        const std::int64_t tile = in_lines((bins + line_) * (most + cells_out_ * line_) * sizeof(Sum));
        const std::int64_t panel = panel_bytes_, buffers = columns_ * most_lines * line_bytes;
        const std::int64_t all = panel + buffers + 2 * tile, values = std::int64_t(order_.size()) * bins * a_.shape[1];
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
        task.call = &a_;
        task.out_cells = cells_out_;
        task.streams = a_.count * a_.out_strides[0] >= streamed_bytes;
        for (const Region& region : regions_)
            for (std::int64_t c = 0; c < a_.shape[1]; c += task.channels) {
                const std::int64_t left = a_.shape[1] - c;
                std::int64_t channels = std::min({left, most, region.lines ? region.lines * line_ : most});
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

    static std::int64_t in_lines(std::int64_t bytes) { return (bytes + line_bytes - 1) / line_bytes * line_bytes; }

    // The most channels of a task: one cache line of a panel; with channels last, a multiple of what the
    // kernel processes at once, such that each thread has some and a tile stays in the cache.
    std::int64_t channels_of_task() const {
        if (!cells_out_ || a_.turned) return line_;
        const std::int64_t at_once = most_lines * line_, regions = std::int64_t(regions_.size());
        const std::int64_t blocks = a_.threads == 1 ? 1 : (4 * a_.threads + regions - 1) / regions;
        const std::int64_t room = near_bytes / (std::int64_t(a_.bins_y) * a_.bins_x * sizeof(Sum));
        const std::int64_t wanted = std::min(room, (a_.shape[1] + blocks - 1) / blocks);
        const std::int64_t times = std::max<std::int64_t>((wanted + at_once - 1) / at_once, 1);
        return std::min(times * at_once, a_.shape[1]);
    }

    const Arguments& a_;
    const Kernel& kernel_;
    const std::int64_t size_, line_;  // bytes of an element, elements of a cache line
    const int own_bins_;              // how many bins have channels of their own
    const bool cells_out_;            // a bin's channels are neighbours in the output
    const bool reads_in_place_;       // a cell's channels are neighbours too, and of the output's type
    std::int64_t end_ = 0;            // the box after the last that was planned
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
    const auto wanted = [level](const Kernel& kernel) { return !*level || !std::strcmp(level, kernel.level); };
#if defined(__x86_64__)
    __builtin_cpu_init();
    // Processors with AVX2 have the rest of x86-64-v3, but compilers do not know all its names.
    const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    const bool v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512vl");
    if (v3 && v4 && wanted(avx512::kernel)) return &avx512::kernel;
    if (v3 && wanted(avx2::kernel)) return &avx2::kernel;
#endif
    return wanted(baseline::kernel) ? &baseline::kernel : nullptr;
}

}  // namespace roicrop
