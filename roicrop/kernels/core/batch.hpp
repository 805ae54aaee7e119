// From boxes to what the kernel is given: plan a batch of boxes, and gather those that lie together.
//
//   batch   some thousand boxes, fewer on a large map: bounds the memory of plans
//   region  some boxes of one image, and the rectangle that is packed once for all of them
//
// Nothing here decides a number, except how the sums of a large box are cut, and that is by the box
// alone: so results depend neither on the number of threads nor on the company that a box has.

#pragma once

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <vector>

#include "parallel.hpp"
#include "plan.hpp"

namespace roicrop {

constexpr std::int64_t batch_boxes = 4096;
constexpr std::int64_t batch_taps = 1 << 19;
constexpr std::int64_t chunk_boxes = 64;          // at most, planned by one thread at a time
constexpr std::int64_t longest_segment = 1024;    // taps: longer sums would lose too much
constexpr std::int64_t packed_cells = 1 << 16;    // of a box whose sums are cut no further: 4 MiB of panel
constexpr std::int64_t shared_cells = 1 << 17;    // of a region, where there is scratch for it
constexpr std::int64_t near_cells = 1 << 12;      // of a region of a channels-last map
constexpr std::int64_t scratch_bytes = 16 << 20;  // of all threads
constexpr std::int64_t near_bytes = 1 << 19;      // what stays in the second-level cache beside others
constexpr int most_lines = 8;                     // of a cell that are worked on at once

// How a call's maps are read and its results written.
struct Layout {
    bool cells_in;            // a cell's channels are neighbours, and what the output has
    bool cells_out;           // a bin's channels are neighbours
    bool fills_lines;         // bins begin where cache lines do
    std::int64_t cell_bytes;  // of all channels, in the output
};

// A box, and what it reads.
template <class Sum>
struct Unit {
    Box<Sum> box;
    Range y, x;  // cells
    std::int64_t image;
    std::size_t first_column;  // of its chunk's

    std::int64_t cells() const { return y.size() * x.size(); }
};

// Some boxes, as one thread planned them.
template <class Sum>
struct Chunk {
    AxisPlan<Sum> y, x;  // x names columns, not cells
    std::vector<std::int32_t> column;
    std::vector<Unit<Sum>> units;
};

template <class Sum>
class Batch {
public:
    Batch(const Arguments& arguments, const Layout& layout) : a_(arguments), layout_(layout) {}

    // Plan some more boxes, and make regions of them. False where there are none.
    bool next() {
        if (end_ == a_.count) return false;
        plan();
        make_regions();
        return true;
    }

    const std::vector<Region<Sum>>& regions() const { return regions_; }
    std::int64_t boxes() const { return std::int64_t(order_.size()); }
    // The most that any region needs.
    std::int64_t panel_bytes() const { return panel_bytes_; }
    std::int64_t columns() const { return columns_; }

private:
    void plan() {
        // At most about twice as many taps as this has a box.
        const std::int64_t taps_of_a_box = a_.map_size[0] + a_.map_size[1] +
                                           (a_.bins_y + a_.bins_x) * (1 + a_.convention.samples);
        const std::int64_t most = std::clamp<std::int64_t>(batch_taps / taps_of_a_box, 1, batch_boxes);
        const std::int64_t first = end_, boxes = std::min(most, a_.count - first);
        const std::int64_t each = std::clamp<std::int64_t>(most / 8, 1, chunk_boxes);
        const std::int64_t chunks = (boxes + each - 1) / each;
        chunks_.assign(std::size_t(chunks), {});
        std::atomic<std::int64_t> next{0};
        in_parallel(int(std::min<std::int64_t>(a_.threads, chunks / 2 + 1)), [&](int) {
            BoxPlanner<Sum> planner(a_);
            for (std::int64_t i = next++; i < chunks; i = next++)
                plan_chunk(chunks_[std::size_t(i)], planner, first + i * each,
                           first + std::min((i + 1) * each, boxes));
        });
        end_ += boxes;
    }

    void plan_chunk(Chunk<Sum>& chunk, BoxPlanner<Sum>& planner, std::int64_t first, std::int64_t end) const {
        std::vector<std::int32_t> number;
        for (std::int64_t k = first; k < end; ++k) {
            Unit<Sum> unit{{}, {}, {}, a_.image_index[k], chunk.column.size()};
            Box<Sum>& box = unit.box;
            const auto y = chunk.y.cells.size(), x = chunk.x.cells.size();
            box.flagged = planner.append(chunk.y, chunk.x, static_cast<const Sum*>(a_.boxes) + k * 4);
            for (auto t = y; t < chunk.y.cells.size(); ++t) unit.y.add(chunk.y.cells[t]);
            for (auto t = x; t < chunk.x.cells.size(); ++t) unit.x.add(chunk.x.cells[t]);
            if (unit.cells() && !(is_here(unit.y, 0) && is_here(unit.x, 1)))
                throw std::invalid_argument("a box reads cells outside the window of the map");
            // The cells that taps along x name become columns.
            number.assign(std::size_t(unit.x.size()), -1);
            const auto number_at = [&](auto t) -> auto& {
                return number[std::size_t(chunk.x.cells[t] - unit.x.begin)];
            };
            for (auto t = x; t < chunk.x.cells.size(); ++t) number_at(t) = 0;
            for (std::size_t i = 0; i < number.size(); ++i)
                if (number[i] == 0) {
                    number[i] = box.columns++;
                    chunk.column.push_back(unit.x.begin + std::int32_t(i));
                }
            for (auto t = x; t < chunk.x.cells.size(); ++t) chunk.x.cells[t] = number_at(t);
            for (; box.columns % column_block; ++box.columns) chunk.column.push_back(chunk.column.back());
            box.segment = longest_segment;
            if (unit.cells() > packed_cells)
                box.segment = int(std::clamp<std::int64_t>(packed_cells / unit.x.size(), 1, longest_segment));
            box.out = a_.out + (a_.rows ? a_.rows[k] : k) * a_.out_strides[0];
            chunk.units.push_back(unit);
        }
        for (std::size_t k = 0; k < chunk.units.size(); ++k) {
            Unit<Sum>& unit = chunk.units[k];
            unit.box.y = axis_of(chunk.y, k, a_.bins_y);
            unit.box.x = axis_of(chunk.x, k, a_.bins_x);
            unit.box.column = chunk.column.data() + unit.first_column;
        }
    }

    static Axis<Sum> axis_of(const AxisPlan<Sum>& plan, std::size_t box, int bins) {
        const std::size_t bin = box * std::size_t(bins);
        return {bins,
                plan.bin_ptr.data() + bin,
                plan.row_ptr.data(),
                plan.cells.data(),
                plan.weights.data(),
                plan.is_void.data() + bin,
                plan.zero.data() + bin};
    }

    bool is_here(Range cells, int axis) const {
        return cells.begin >= a_.origin[axis] && cells.end <= a_.origin[axis] + a_.shape[2 + axis];
    }

    void make_regions() {
        order_.clear();
        std::int64_t cells = 0;
        columns_ = panel_bytes_ = 0;
        for (const Chunk<Sum>& chunk : chunks_)
            for (const Unit<Sum>& unit : chunk.units) {
                order_.push_back(&unit);
                cells += unit.cells();
                columns_ = std::max<std::int64_t>(columns_, unit.box.columns);
            }
        boxes_.clear();
        boxes_.reserve(order_.size());
        regions_.clear();
        touched_.clear();
        most_cells_ = std::clamp(scratch_bytes / line_bytes / a_.threads, packed_cells, shared_cells);
        const std::int64_t lines = (layout_.cell_bytes + line_bytes - 1) / line_bytes;
        lines_ = layout_.cells_out && !layout_.fills_lines ? int(std::min<std::int64_t>(lines, most_lines)) : 1;
        // Enough regions that each thread has some lines of some region.
        const std::int64_t enough = (4 * a_.threads * lines_ + lines - 1) / lines;
        most_boxes_ = std::max<std::int64_t>(32, boxes() / enough + 1);
        if (layout_.cells_in) {
            most_cells_ = near_cells;
            // Boxes that are near as they lie are read where they are: there is nothing to gain.
            if (cells / boxes() * layout_.cell_bytes < near_bytes) {
                lines_ = 0;
                most_boxes_ = std::clamp<std::int64_t>(boxes() / (8 * a_.threads), 1, 32);
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
        if (count == 1 || (count <= most_boxes_ && together <= std::min(alone, most_cells_)))
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
        const std::int64_t cells = y.size() * x.size();
        region.lines = layout_.cells_in && (cells > near_cells || alone < 4 * cells) ? 0 : lines_;
        if (region.lines) {
            region.y = y.begin, region.x = x.begin;
            region.height = int(y.size()), region.width = int(x.size());
            // Odd: keeps scanlines out of one another's cache sets.
            region.pitch = (x.size() * region.lines | 1) * line_bytes;
            region.in_bands = cells > most_cells_;
            const std::int64_t scanlines = region.in_bands ? region.boxes->segment : y.size();
            panel_bytes_ = std::max(panel_bytes_, scanlines * region.pitch);
            touch(region);
        }
        regions_.push_back(region);
    }

    // Note the scanlines and columns of a region that some box reads.
    void touch(Region<Sum>& region) {
        auto& touched = touched_.emplace_back(std::size_t(region.height + region.width / pack_block + 1));
        std::uint8_t *const scanlines = touched.data(), *const blocks = scanlines + region.height;
        for (const Box<Sum>* box = region.boxes; box < region.boxes + region.count; ++box) {
            const std::int32_t *const row_ptr = box->y.row_ptr, *const bin_ptr = box->y.bin_ptr;
            const std::int32_t begin = row_ptr[bin_ptr[0]], end = row_ptr[bin_ptr[box->y.bins]];
            if (begin == end || box->columns == 0) continue;
            for (auto t = begin; t < end; ++t) scanlines[box->y.cell[t] - region.y] = 1;
            for (int i = 0; i < box->columns; ++i) blocks[(box->column[i] - region.x) / pack_block] = 1;
        }
        region.scanlines = scanlines;
        region.column_blocks = blocks;
    }

    const Arguments& a_;
    const Layout layout_;
    std::int64_t end_ = 0;  // the box after the last that was planned
    std::vector<Chunk<Sum>> chunks_;
    std::vector<const Unit<Sum>*> order_;
    std::vector<Box<Sum>> boxes_;
    std::vector<Region<Sum>> regions_;
    std::vector<std::vector<std::uint8_t>> touched_;  // scanlines and columns of regions
    std::int64_t panel_bytes_ = 0, columns_ = 0;
    std::int64_t most_boxes_ = 0, most_cells_ = 0;  // of a region
    int lines_ = 0;                                 // that a panel's cell has
};

}  // namespace roicrop
