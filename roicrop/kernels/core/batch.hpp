// From boxes to what the kernel is given: plan a batch of boxes, and gather those that lie together.
//
//   batch   at most 4,096 boxes, planned at once: bounds the memory of plans
//   unit    what fills one tile: a box, or for a great many bins some of its bins along y
//   region  some units of one image, and the rectangle that is packed once for all of them
//
// Nothing here decides a number, except how the sums of a large box are cut, and that is by the box
// alone: so results depend neither on the number of threads nor on the company that a box has.

#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <stdexcept>
#include <vector>

#include "crop.hpp"
#include "parallel.hpp"

namespace roicrop {

constexpr int batch_boxes = 4096;
constexpr int chunk_boxes = 64;                   // at most, planned by one thread at a time
constexpr std::int64_t batch_taps = 1 << 17;      // and bins: on a large map they end a batch early
constexpr int unit_bins = 4096;
constexpr int longest_segment = 1024;             // taps: longer sums would lose too much
constexpr std::int64_t packed_cells = 1 << 16;    // of a box that is not large: 4 MiB of panel
constexpr std::int64_t shared_cells = 1 << 17;    // of a region, where there is scratch for it
constexpr std::int64_t scratch_bytes = 18 << 20;  // of all threads
constexpr std::int64_t near_bytes = 1 << 19;      // that stay in the second-level cache beside others
constexpr int most_lines = 8;                     // of a cell of a panel: what the kernel takes at once

// How a call's maps are read and its results written.
struct Layout {
    bool cells_in, cells_out;  // a cell's channels are neighbours, and elements of the output
    std::int64_t cell_bytes;   // of all channels
    std::int64_t kept_bytes;   // of a tile that waits until all of its channels are there; else 0
};

// Some boxes' plans, as one thread made them.
template <class Sum>
struct Chunk {
    std::int64_t first = 0;
    AxisPlan<Sum> y, x;  // x names columns, not cells
    std::vector<std::int32_t> column;
    struct Reads {
        Range y, x;             // cells
        std::int32_t column, columns;
        bool flagged;
    };
    std::vector<Reads> boxes;

    std::int64_t taps_and_bins() const {
        return std::int64_t(y.cells.size() + y.is_void.size() + x.cells.size() + x.is_void.size());
    }
};

template <class Sum>
struct Unit {
    Box<Sum> box;
    Range y, x;  // cells that are read
    std::int64_t image;

    std::int64_t cells() const { return y.size() * x.size(); }
};

template <class Sum>
class Batch {
public:
    Batch(const Arguments& arguments, const Layout& layout) : a_(arguments), layout_(layout) {}

    // Plan some more boxes, and make regions of them. False where there are none.
    bool next() {
        if (end_ == a_.count) return false;
        panel_bytes_ = columns_ = 0;
        plan();
        units_.clear();
        for (const Chunk<Sum>& chunk : chunks_) make_units(chunk);
        make_regions();
        return true;
    }

    const std::vector<Region<Sum>>& regions() const { return regions_; }
    // Cells of the map and bins of the output, for one channel.
    std::int64_t work() const { return std::int64_t(units_.size()) * tile_bins(a_); }
    // The most that any region needs.
    std::int64_t panel_bytes() const { return panel_bytes_; }
    std::int64_t columns() const { return columns_; }
    std::int64_t units() const { return most_units_; }
    static int unit_rows(const Arguments& a) { return std::max(1, std::min(a.bins_y, unit_bins / a.bins_x)); }
    static std::int64_t tile_bins(const Arguments& a) { return std::int64_t(unit_rows(a)) * a.bins_x; }

private:
    void plan() {
        const std::int64_t boxes = std::min<std::int64_t>(batch_boxes, a_.count - end_);
        // At most about twice as many taps as this has a box, and a chunk a small part of a batch's.
        const std::int64_t taps_of_a_box = a_.map_size[0] + a_.map_size[1] +
                                           (a_.bins_y + a_.bins_x) * (1 + a_.convention.samples);
        const auto each = std::clamp<std::int64_t>(batch_taps / 8 / taps_of_a_box, 1, chunk_boxes);
        const int chunks = int((boxes + each - 1) / each);
        chunks_.assign(std::size_t(chunks), {});
        std::atomic<int> next{0}, planned{0};
        std::atomic<std::int64_t> taps{0};
        const int planners = int(std::clamp<std::int64_t>(batch_taps / taps_of_a_box, 1, 8));
        in_parallel(std::min({a_.threads, chunks / 2 + 1, planners}), [&](int) {
            auto planner = box_planner<Sum>(a_);
            while (taps.load() < batch_taps) {
                const int i = next++;
                if (i >= chunks) return;
                Chunk<Sum>& chunk = chunks_[std::size_t(i)];
                chunk.first = end_ + i * each;
                plan_chunk(chunk, planner, std::min(each, end_ + boxes - chunk.first));
                taps += chunk.taps_and_bins();
                ++planned;
            }
        });
        chunks_.resize(std::size_t(planned.load()));
        end_ = chunks_.back().first + std::int64_t(chunks_.back().boxes.size());
    }

    void plan_chunk(Chunk<Sum>& chunk, BoxPlanner<Sum>& planner, std::int64_t boxes) const {
        const Sum* corners = static_cast<const Sum*>(a_.boxes) + chunk.first * 4;
        std::vector<std::int32_t> number;
        for (std::int64_t box = 0; box < boxes; ++box, corners += 4) {
            const auto y = chunk.y.cells.size(), x = chunk.x.cells.size();
            typename Chunk<Sum>::Reads reads{};
            reads.flagged = planner.append(&chunk.y, &chunk.x, corners);
            for (auto t = y; t < chunk.y.cells.size(); ++t) reads.y.add(chunk.y.cells[t]);
            for (auto t = x; t < chunk.x.cells.size(); ++t) reads.x.add(chunk.x.cells[t]);
            // The cells that taps along x name become columns.
            reads.column = std::int32_t(chunk.column.size());
            number.assign(std::size_t(reads.x.size()), -1);
            const auto number_at = [&](std::size_t t) -> auto& {
                return number[std::size_t(chunk.x.cells[t] - reads.x.begin)];
            };
            for (auto t = x; t < chunk.x.cells.size(); ++t) number_at(t) = 0;
            std::int32_t next = 0;
            for (std::size_t i = 0; i < number.size(); ++i)
                if (number[i] == 0) {
                    number[i] = next++;
                    chunk.column.push_back(reads.x.begin + std::int32_t(i));
                }
            for (auto t = x; t < chunk.x.cells.size(); ++t) chunk.x.cells[t] = number_at(t);
            for (; next % column_block; ++next) chunk.column.push_back(chunk.column.back());
            reads.columns = next;
            chunk.boxes.push_back(reads);
        }
    }

    void make_units(const Chunk<Sum>& chunk) {
        const int rows = unit_rows(a_);
        const auto window = [&](int d) {
            return Range{std::int32_t(a_.origin[d]), std::int32_t(a_.origin[d] + a_.shape[2 + d])};
        };
        for (std::size_t k = 0; k < chunk.boxes.size(); ++k) {
            const auto& [y, x, column, columns, flagged] = chunk.boxes[k];
            const std::int64_t number = chunk.first + std::int64_t(k);
            Unit<Sum> unit{{}, y, x, a_.image_index[number]};
            if (unit.cells() && !(y.within(window(0)) && x.within(window(1))))
                throw std::invalid_argument("a box reads cells outside the window of the map");
            columns_ = std::max<std::int64_t>(columns_, columns);
            Box<Sum>& box = unit.box;
            box.x = axis(chunk.x, std::int64_t(k) * a_.bins_x, a_.bins_x);
            box.column = chunk.column.data() + column;
            box.columns = columns;
            box.flagged = flagged;
            box.segment = longest_segment;
            if (unit.cells() > packed_cells)
                box.segment = int(std::clamp<std::int64_t>(packed_cells / x.size(), 1, longest_segment));
            char* const out = a_.out + (a_.rows ? a_.rows[number] : number) * a_.out_strides[0];
            for (int bin = 0; bin < a_.bins_y; bin += rows) {
                box.y = axis(chunk.y, std::int64_t(k) * a_.bins_y + bin, std::min(rows, a_.bins_y - bin));
                box.out = out + bin * a_.out_strides[2];
                units_.push_back(unit);
            }
        }
    }

    static Axis<Sum> axis(const AxisPlan<Sum>& plan, std::int64_t bin, int bins) {
        return {bins,
                plan.bin_ptr.data() + bin,
                plan.row_ptr.data(),
                plan.cells.data(),
                plan.weights.data(),
                plan.is_void.data() + bin,
                plan.zero.data() + bin};
    }

    void make_regions() {
        order_.clear();
        for (const Unit<Sum>& unit : units_) order_.push_back(&unit);
        boxes_.clear();
        boxes_.reserve(units_.size());
        regions_.clear();
        touched_.clear();
        std::stable_sort(order_.begin(), order_.end(), [](auto a, auto b) { return a->image < b->image; });
        // Enough regions that each thread has some cache line of channels of some region.
        const std::int64_t lines = (layout_.cell_bytes + line_bytes - 1) / line_bytes;
        const std::int64_t enough = (4 * a_.threads + lines - 1) / lines;
        const std::int64_t units = std::int64_t(units_.size());
        most_units_ = layout_.cells_out ? std::clamp<std::int64_t>(units / (8 * a_.threads), 1, 32)
                                        : std::max<std::int64_t>(32, units / enough + 1);
        if (layout_.kept_bytes) most_units_ = std::clamp<std::int64_t>(near_bytes / layout_.kept_bytes, 1, most_units_);
        most_cells_ = std::clamp(scratch_bytes / line_bytes / a_.threads, packed_cells, shared_cells);
        for (auto first = order_.begin(); first != order_.end();) {
            const auto last = std::find_if(first, order_.end(), [&](auto unit) { return unit->image != (*first)->image; });
            split(&*first, &*first + (last - first));
            first = last;
        }
    }

    // One region, if together they fit and touch no more cells than they do alone; else their
    // rectangle is halved along its longer side.
    void split(const Unit<Sum>** first, const Unit<Sum>** last) {
        Range y, x;
        std::int64_t alone = 0;
        for (const Unit<Sum>** unit = first; unit < last; ++unit) {
            if ((*unit)->cells() == 0) continue;
            y.add((*unit)->y);
            x.add((*unit)->x);
            alone += (*unit)->cells();
        }
        if (alone == 0) y = x = {0, 0};
        const std::int64_t together = y.size() * x.size(), count = last - first;
        if (count == 1 || (count <= most_units_ && together <= std::min(alone, most_cells_)))
            return add_region(first, last, y, x, alone);
        const auto middle_of = [by_y = y.size() > x.size()](const Unit<Sum>* unit) {
            const Range range = by_y ? unit->y : unit->x;
            return range.begin + range.end;
        };
        const Unit<Sum>** middle = first + count / 2;
        std::nth_element(first, middle, last, [&](auto a, auto b) { return middle_of(a) < middle_of(b); });
        split(first, middle);
        split(middle, last);
    }

    void add_region(const Unit<Sum>** first, const Unit<Sum>** last, Range y, Range x, std::int64_t alone) {
        Region<Sum> region{};
        region.map = a_.features + (*first)->image * a_.strides[0] - a_.origin[0] * a_.strides[2] -
                     a_.origin[1] * a_.strides[3];
        region.boxes = boxes_.data() + boxes_.size();
        region.count = int(last - first);
        for (const Unit<Sum>** unit = first; unit < last; ++unit) boxes_.push_back((*unit)->box);
        region.lines = lines_of(y.size() * x.size(), alone);
        if (region.lines) {
            region.y = y.begin, region.x = x.begin;
            region.height = int(y.size()), region.width = int(x.size());
            // Odd: keeps scanlines out of one another's cache sets.
            region.pitch = (x.size() * region.lines | 1) * line_bytes;
            region.in_bands = y.size() * x.size() > most_cells_;
            const std::int64_t scanlines = region.in_bands ? region.boxes->segment : y.size();
            panel_bytes_ = std::max(panel_bytes_, scanlines * region.pitch);
            touch(region, first, last);
        }
        regions_.push_back(region);
    }

    // The lines of a cell that are packed at once: as many as leave a panel near. Cells that are read where
    // they are, if they are near or hardly shared, have none.
    int lines_of(std::int64_t together, std::int64_t alone) const {
        if (!layout_.cells_out) return 1;
        if (layout_.cells_in && (alone < 4 * together || together * layout_.cell_bytes < near_bytes)) return 0;
        const std::int64_t lines = (layout_.cell_bytes + line_bytes - 1) / line_bytes;
        const std::int64_t near = near_bytes / line_bytes / std::max<std::int64_t>(together, 1);
        return int(std::clamp<std::int64_t>(std::min(near, lines), 1, most_lines));
    }

    // Note the scanlines and columns of a region that some box reads.
    void touch(Region<Sum>& region, const Unit<Sum>** first, const Unit<Sum>** last) {
        const std::size_t blocks = std::size_t(region.width / pack_block + 1);
        auto touched = std::make_unique<std::uint8_t[]>(std::size_t(region.height) + blocks);
        std::uint8_t *const scanlines = touched.get(), *const column_blocks = scanlines + region.height;
        for (const Unit<Sum>** unit = first; unit < last; ++unit) {
            const Box<Sum>& box = (*unit)->box;
            if ((*unit)->cells() == 0) continue;
            const std::int32_t* const row_ptr = box.y.row_ptr;
            for (auto t = row_ptr[box.y.bin_ptr[0]]; t < row_ptr[box.y.bin_ptr[box.y.bins]]; ++t)
                scanlines[box.y.cell[t] - region.y] = 1;
            for (int i = 0; i < box.columns; ++i) column_blocks[(box.column[i] - region.x) / pack_block] = 1;
        }
        region.scanlines = scanlines;
        region.column_blocks = column_blocks;
        touched_.push_back(std::move(touched));
    }

    const Arguments& a_;
    const Layout layout_;
    std::int64_t end_ = 0;  // the box after the last that was planned
    std::vector<Chunk<Sum>> chunks_;
    std::vector<Unit<Sum>> units_;
    std::vector<const Unit<Sum>*> order_;
    std::vector<Box<Sum>> boxes_;
    std::vector<Region<Sum>> regions_;
    std::vector<std::unique_ptr<std::uint8_t[]>> touched_;  // scanlines and columns of regions
    std::int64_t panel_bytes_ = 0, columns_ = 0, most_units_ = 0, most_cells_ = 0;
};

}  // namespace roicrop
