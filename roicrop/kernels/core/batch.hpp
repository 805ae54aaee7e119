// From boxes to what the kernel is given: plan a batch of boxes, and gather those that lie together.
//
//   batch   at most 4,096 boxes, planned at once: bounds the memory of plans
//   unit    what fills one tile: a box, or for a great many bins some of its bins along y
//   region  a rectangle of one image, packed once for all units in it; where the map is read as it
//           is, a few neighbours
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
constexpr int neighbours = 32;                    // units of a region that is not packed, at most

// Some boxes' plans, as one thread made them.
template <class Sum>
struct Chunk {
    std::int64_t first = 0;
    int boxes = 0;
    AxisPlan<Sum> y, x;
    std::vector<std::int64_t> y_place, x_place, column;
    std::vector<std::int64_t> height, width;  // by box: cells of the map from the first to the last
    std::vector<std::int32_t> column_ptr, number;  // by box; by cell, while a box is planned

    std::int64_t taps_and_bins() const {
        return std::int64_t(y.cells.size() + y.is_void.size() + x.cells.size() + x.is_void.size());
    }
};

template <class Sum>
struct Unit {
    Chunk<Sum>* chunk;
    int box;              // of the chunk
    int first_bin, bins;  // along y
    Range y, x;           // cells of the window that are read
    int segment;
    bool large;

    std::int64_t cells() const { return y.size() * x.size(); }
    std::int64_t number() const { return chunk->first + box; }
};

template <class Sum>
class Batch {
public:
    Batch(const Arguments& arguments, bool packs) : a_(arguments), packs_(packs) {}

    // Plan some more boxes, and make regions of them. False where there are none.
    bool next() {
        if (end_ == a_.count) return false;
        panel_bytes_ = columns_ = 0;
        plan();
        units_.clear();
        for (Chunk<Sum>& chunk : chunks_) make_units(chunk);
        make_regions();
        return true;
    }

    const std::vector<Region<Sum>>& regions() const { return regions_; }
    // Cells of the map and bins of the output, for one channel.
    std::int64_t work() const { return std::int64_t(units_.size()) * tile_bins(); }
    // The most that any region needs.
    std::int64_t panel_bytes() const { return panel_bytes_; }
    std::int64_t columns() const { return columns_; }
    int unit_rows() const { return std::max(1, std::min(a_.bins_y, unit_bins / a_.bins_x)); }
    std::int64_t tile_bins() const { return std::int64_t(unit_rows()) * a_.bins_x; }

private:
    void plan() {
        const std::int64_t boxes = std::min<std::int64_t>(batch_boxes, a_.count - end_);
        // At most about twice as many taps as this has a box, and a chunk a small part of a batch's.
        const std::int64_t taps_of_a_box = a_.map_size[0] + a_.map_size[1] +
                                           (a_.bins_y + a_.bins_x) * (1 + a_.convention.samples);
        const int each = int(std::clamp<std::int64_t>(batch_taps / 8 / taps_of_a_box, 1, chunk_boxes));
        const int chunks = int((boxes + each - 1) / each);
        chunks_.assign(std::size_t(chunks), {});
        std::atomic<int> next{0}, planned{0};
        std::atomic<std::int64_t> taps{0};
        const int planners = int(std::clamp<std::int64_t>(batch_taps / taps_of_a_box, 1, 8));
        in_parallel(std::min({a_.threads, chunks / 2 + 1, planners}), [&](int) {
            while (taps.load() < batch_taps) {
                const int i = next++;
                if (i >= chunks) return;
                Chunk<Sum>& chunk = chunks_[std::size_t(i)];
                chunk.first = end_ + i * std::int64_t(each);
                chunk.boxes = int(std::min<std::int64_t>(each, end_ + boxes - chunk.first));
                plan_chunk(chunk);
                taps += chunk.taps_and_bins();
                ++planned;
            }
        });
        chunks_.resize(std::size_t(planned.load()));
        end_ = chunks_.back().first + chunks_.back().boxes;
    }

    void plan_chunk(Chunk<Sum>& chunk) {
        auto planner = box_planner<Sum>(a_);
        const Sum* const corners = static_cast<const Sum*>(a_.boxes) + chunk.first * 4;
        chunk.column_ptr.push_back(0);
        for (int box = 0; box < chunk.boxes; ++box) {
            const auto y_begin = chunk.y.cells.size(), x_begin = chunk.x.cells.size();
            planner.append(&chunk.y, &chunk.x, corners + box * 4);
            chunk.height.push_back(to_window(chunk.y.cells, y_begin, 0));
            chunk.width.push_back(to_window(chunk.x.cells, x_begin, 1));
            place_columns(chunk, std::int32_t(x_begin), std::int32_t(chunk.x.cells.size()));
        }
        chunk.y_place.resize(chunk.y.cells.size());
    }

    // A box's cells from the map to the window; how many they span on the map.
    std::int64_t to_window(std::vector<std::int32_t>& cells, std::size_t begin, int axis) const {
        Range range;
        for (auto t = begin; t < cells.size(); ++t) {
            range.add(cells[t]);
            cells[t] = a_.in_window(axis, cells[t]);
        }
        return range.size();
    }

    // The cells that a box's taps along x name become its columns.
    void place_columns(Chunk<Sum>& chunk, std::int32_t begin, std::int32_t end) const {
        const std::int64_t step = packs_ ? line_bytes : a_.strides[3];
        Range range;
        for (auto t = begin; t < end; ++t) range.add(chunk.x.cells[std::size_t(t)]);
        std::vector<std::int32_t>& number = chunk.number;
        number.assign(std::size_t(range.size()), -1);
        const auto at = [&](auto t) { return std::size_t(chunk.x.cells[std::size_t(t)] - range.begin); };
        for (auto t = begin; t < end; ++t) number[at(t)] = 0;
        std::int32_t next = 0;
        for (std::size_t i = 0; i < number.size(); ++i)
            if (number[i] == 0) {
                number[i] = next++;
                chunk.column.push_back((range.begin + std::int64_t(i)) * step);
            }
        for (auto t = begin; t < end; ++t) chunk.x_place.push_back(number[at(t)]);
        for (; next % column_block; ++next) chunk.column.push_back(chunk.column.back());
        chunk.column_ptr.push_back(std::int32_t(chunk.column.size()));
    }

    void make_units(Chunk<Sum>& chunk) {
        const int rows = unit_rows();
        const Range window_y{0, std::int32_t(a_.shape[2])}, window_x{0, std::int32_t(a_.shape[3])};
        for (int box = 0; box < chunk.boxes; ++box) {
            const Range y = cells_of(chunk.y, std::int64_t(box) * a_.bins_y, a_.bins_y);
            const Range x = cells_of(chunk.x, std::int64_t(box) * a_.bins_x, a_.bins_x);
            const bool reads = y.size() && x.size();
            if (reads && !(y.within(window_y) && x.within(window_x)))
                throw std::invalid_argument("a box reads cells outside the window of the map");
            const std::int64_t height = chunk.height[std::size_t(box)], width = chunk.width[std::size_t(box)];
            const bool large = reads && (height > longest_segment || height * width > packed_cells);
            const int segment = large ? int(std::clamp<std::int64_t>(packed_cells / width, 1, longest_segment))
                                      : longest_segment;
            columns_ = std::max<std::int64_t>(columns_, chunk.column_ptr[std::size_t(box) + 1] -
                                                            chunk.column_ptr[std::size_t(box)]);
            for (int bin = 0; bin < a_.bins_y; bin += rows) {
                const int bins = std::min(rows, a_.bins_y - bin);
                Unit<Sum> unit{&chunk, box, bin, bins, y, x, segment, large};
                if (bins < a_.bins_y) unit.y = cells_of(chunk.y, std::int64_t(box) * a_.bins_y + bin, bins);
                if (unit.cells() == 0) unit.y = unit.x = {0, 0};
                units_.push_back(unit);
            }
        }
    }

    void make_regions() {
        order_.clear();
        for (Unit<Sum>& unit : units_) order_.push_back(&unit);
        boxes_.clear();
        boxes_.reserve(units_.size());
        regions_.clear();
        touched_.clear();
        std::stable_sort(order_.begin(), order_.end(),
                         [&](auto a, auto b) { return image_of(*a) < image_of(*b); });
        // Enough regions that each thread has some cache line of channels of some region.
        const std::int64_t lines = (a_.shape[1] * element_bytes(a_.element) + line_bytes - 1) / line_bytes;
        const std::int64_t enough = (4 * a_.threads + lines - 1) / lines;
        const std::int64_t most_units =
            packs_ ? std::max<std::int64_t>(32, std::int64_t(units_.size()) / enough + 1)
                   : std::clamp<std::int64_t>(std::int64_t(units_.size()) / (8 * a_.threads), 1, neighbours);
        const std::int64_t most_cells =
            std::clamp(scratch_bytes / line_bytes / a_.threads, packed_cells, shared_cells);
        for (auto first = order_.begin(); first != order_.end();) {
            const auto last = std::find_if(first, order_.end(), [&](auto unit) {
                return image_of(*unit) != image_of(**first);
            });
            split(&*first, &*first + (last - first), most_cells, most_units);
            first = last;
        }
    }

    // One region, if together they fit and, where it is packed, touch no more cells than they do alone;
    // else their rectangle is halved along its longer side.
    void split(Unit<Sum>** first, Unit<Sum>** last, std::int64_t most_cells,
                           std::int64_t most_units) {
        Range y, x;
        std::int64_t alone = 0;
        for (Unit<Sum>** unit = first; unit < last; ++unit) {
            if ((*unit)->cells() == 0) continue;
            y.add((*unit)->y);
            x.add((*unit)->x);
            alone += (*unit)->cells();
        }
        const std::int64_t together = y.size() * x.size(), count = last - first;
        const bool fit = !packs_ || together <= std::min(alone, most_cells);
        if (count == 1 || (fit && count <= most_units)) return add_region(first, last);
        const auto middle_of = [by_y = y.size() > x.size()](const Unit<Sum>* unit) {
            const Range range = by_y ? unit->y : unit->x;
            return range.begin + range.end;
        };
        Unit<Sum>** middle = first + count / 2;
        std::nth_element(first, middle, last,
                         [&](auto a, auto b) { return middle_of(a) < middle_of(b); });
        split(first, middle, most_cells, most_units);
        split(middle, last, most_cells, most_units);
    }

    void add_region(Unit<Sum>** first, Unit<Sum>** last) {
        Range y, x;
        for (Unit<Sum>** unit = first; unit < last; ++unit)
            if ((*unit)->cells()) {
                y.add((*unit)->y);
                x.add((*unit)->x);
            }
        if (y.size() == 0) y = x = {0, 0};
        Region<Sum> region{};
        region.map = a_.features + image_of(**first) * a_.strides[0];
        region.boxes = boxes_.data() + boxes_.size();
        region.count = int(last - first);
        std::int64_t step = a_.strides[2];
        if (packs_) {
            region.map += y.begin * a_.strides[2] + x.begin * a_.strides[3];
            region.height = int(y.size());
            region.width = int(x.size());
            region.pitch = (x.size() | 1) * line_bytes;  // odd: keeps scanlines out of one another's cache sets
            region.origin = -std::int64_t(x.begin) * line_bytes;
            region.in_bands = (*first)->large;
            if (!region.in_bands) step = region.pitch;
        } else {
            y.begin = 0;
        }
        const std::int64_t scanlines = region.in_bands ? (*first)->segment : region.height;
        panel_bytes_ = std::max(panel_bytes_, scanlines * region.pitch);
        const std::size_t blocks = std::size_t(region.width / pack_block + 1);
        auto touched = std::make_unique<std::uint8_t[]>(std::size_t(region.height) + blocks);
        std::uint8_t* const touched_x = touched.get() + region.height;
        for (Unit<Sum>** each = first; each < last; ++each) {
            const Unit<Sum>& unit = **each;
            Box<Sum> box = box_of(unit);
            const AxisPlan<Sum>& plan = unit.chunk->y;
            const auto begin = box.y.row_ptr[box.y.bin_ptr[0]], end = box.y.row_ptr[box.y.bin_ptr[unit.bins]];
            for (auto t = std::size_t(begin); t < std::size_t(end); ++t) {
                const std::int64_t scanline = plan.cells[t] - y.begin;
                unit.chunk->y_place[t] = scanline * step;
                if (packs_ && unit.cells()) touched[std::size_t(scanline)] = 1;
            }
            if (packs_ && unit.cells())
                for (int i = 0; i < box.columns; ++i)
                    touched_x[(box.column[i] / line_bytes - x.begin) / pack_block] = 1;
            boxes_.push_back(box);
        }
        region.scanlines = touched.get();
        region.column_blocks = touched_x;
        touched_.push_back(std::move(touched));
        regions_.push_back(region);
    }

    Box<Sum> box_of(const Unit<Sum>& unit) const {
        Chunk<Sum>& chunk = *unit.chunk;
        const auto axis = [](const AxisPlan<Sum>& plan, const auto& place, std::int64_t bin, int bins) {
            return Axis<Sum>{bins,           plan.bin_ptr.data() + bin,   plan.row_ptr.data(),
                             place.data(),   plan.weights.data(),         plan.is_void.data() + bin,
                             plan.zero.data() + bin};
        };
        const auto any = [](const std::uint8_t* flags, int bins) {
            return std::find(flags, flags + bins, true) != flags + bins;
        };
        const auto first_column = chunk.column_ptr[std::size_t(unit.box)];
        Box<Sum> box{};
        box.y = axis(chunk.y, chunk.y_place, std::int64_t(unit.box) * a_.bins_y + unit.first_bin, unit.bins);
        box.x = axis(chunk.x, chunk.x_place, std::int64_t(unit.box) * a_.bins_x, a_.bins_x);
        box.column = chunk.column.data() + first_column;
        box.columns = chunk.column_ptr[std::size_t(unit.box) + 1] - first_column;
        box.segment = unit.segment;
        box.flagged = any(box.y.is_void, unit.bins) || any(box.y.zero, unit.bins) ||
                      any(box.x.is_void, a_.bins_x) || any(box.x.zero, a_.bins_x);
        const std::int64_t row = a_.rows ? a_.rows[unit.number()] : unit.number();
        box.out = a_.out + row * a_.out_strides[0] + unit.first_bin * a_.out_strides[2];
        return box;
    }

    std::int64_t image_of(const Unit<Sum>& unit) const { return a_.image_index[unit.number()]; }
    Range cells_of(const AxisPlan<Sum>& axis, std::int64_t bin, int bins) const {
        const auto row = [&](std::int64_t b) { return std::size_t(axis.bin_ptr[std::size_t(b)]); };
        Range cells;
        for (auto t = axis.row_ptr[row(bin)]; t < axis.row_ptr[row(bin + bins)]; ++t)
            cells.add(axis.cells[std::size_t(t)]);
        return cells;
    }

    const Arguments& a_;
    const bool packs_;
    std::int64_t end_ = 0;  // the box after the last that was planned
    std::vector<Chunk<Sum>> chunks_;
    std::vector<Unit<Sum>> units_;
    std::vector<Unit<Sum>*> order_;
    std::vector<Box<Sum>> boxes_;
    std::vector<Region<Sum>> regions_;
    std::vector<std::unique_ptr<std::uint8_t[]>> touched_;  // scanlines and columns of regions
    std::int64_t panel_bytes_ = 0, columns_ = 0;
};

}  // namespace roicrop
