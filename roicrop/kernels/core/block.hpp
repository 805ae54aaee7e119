// From boxes to what the two passes are given: plan a block of boxes, and gather those that lie
// together.
//
//   block    at most 4,096 boxes, planned at once: bounds the plan's memory
//   unit     what is pooled into one tile: a box, or for a great many bins some rows of them; of a
//            box too large to pack, some rows or columns of bins
//   group    units of one image whose rectangle of the map is packed for all of them at once, or the
//            pieces of one large box
//   piece    a rectangle that is packed at once: a group's, or a part of a box too large to pack
//
// A box too large to pack is planned and cut in pieces.hpp, after the block that it is in.
//
// Nothing here decides a number: a box is cut into pieces by its own extent alone, so results do not
// depend on the number of threads or on the company that a box has.

#pragma once

#include <algorithm>
#include <atomic>
#include <deque>
#include <optional>
#include <vector>

#include "arena.hpp"
#include "crop.hpp"
#include "parallel.hpp"
#include "pieces.hpp"

namespace roicrop {

constexpr int block_boxes = 4096;
constexpr int chunk_boxes = 64;                 // at most, planned by one thread at a time
constexpr std::int64_t block_taps = 1 << 17;    // and bins: on a large map they end a block early
constexpr std::int64_t shared_cells = 1 << 17;  // of a group, where there is scratch for it
constexpr std::int64_t scratch_bytes = 18 << 20;  // of all threads

// Some boxes' plans, as one thread made them.
template <class Sum>
struct Chunk {
    std::vector<std::int64_t> boxes;   // planned here
    std::vector<LargeBox<Sum>> large;  // left to be planned in pieces
    AxisPlan<Sum> y, x;
    std::vector<std::int32_t> column, column_ptr;  // the cells that x touches, by box, padded

    std::int64_t taps_and_bins() const {
        return std::int64_t(y.place.size() + y.empty.size() + x.place.size() + x.empty.size());
    }
    std::int64_t room() const {
        return std::int64_t(y.place.capacity() + y.empty.capacity() + x.place.capacity() +
                            x.empty.capacity());
    }
    void clear() {
        boxes.clear();
        large.clear();
        y.clear();
        x.clear();
        column.clear();
        column_ptr.assign(1, 0);
    }
};

struct Unit {
    int chunk, box;        // box counts within the chunk
    int first_bin, bins;   // rows of bins
    Range y, x;            // cells touched
    std::int64_t cells() const { return y.size() * x.size(); }
};

// What one group may hold.
struct Limits {
    std::int64_t cells, units;
};

// So that each thread has some slabs of some group.
inline int groups_at_least(const Arguments& a) {
    return (4 * a.threads + slabs_of(a) - 1) / slabs_of(a);
}

template <class Sum>
class Block {
public:
    // Groups have at most so many bins, or one unit.
    Block(const Arguments& arguments, std::int64_t group_bins)
        : a_(arguments), group_bins_(group_bins) {}

    // Take some more boxes, or go on with a large one, and cut them into groups of pieces. False where
    // there are none.
    bool next();

    const std::vector<Group<Sum>>& groups() const { return groups_; }
    // Cells of the map and bins of the output, for one channel.
    std::int64_t work() const { return work_; }

    // Whether some groups are of units that are carried.
    bool carries() const {
        return std::any_of(groups_.begin(), groups_.end(), [](auto& g) { return g.carried >= 0; });
    }
    static constexpr int most_carried = 2;  // at once: one that goes on, and one that begins

    // The most that any piece needs.
    std::int64_t slab_cells() const { return slab_cells_; }
    std::int64_t strip_columns() const { return strip_columns_; }
    std::int64_t tile_bins() const { return tile_bins_; }

private:
    void plan();
    void plan_chunk(Chunk<Sum>& chunk, std::int64_t first, std::int64_t end);
    void cut_units();
    void group_units();
    void group_neighbours(const Unit** first, const Unit** last, Limits limits);
    std::int64_t box_of(const Unit& unit) const {
        return chunks_[std::size_t(unit.chunk)].boxes[std::size_t(unit.box)];
    }
    std::int64_t image_of(const Unit& unit) const { return a_.image_index[box_of(unit)]; }
    void add_group(const Unit* const* units, int count);
    Box<Sum> whole_box(const Unit& unit);
    void add_large();

    const Arguments& a_;
    const std::int64_t group_bins_;
    std::int64_t end_ = 0;  // the box after the last that was planned
    std::vector<Chunk<Sum>> chunks_;
    int chunk_count_ = 0;
    std::vector<Unit> units_;
    std::vector<const Unit*> order_;
    std::vector<Group<Sum>> groups_;
    std::deque<LargeBox<Sum>> large_;
    std::optional<Pieces<Sum>> pieces_;  // of the first of them
    Arena arenas_[2];
    int turn_ = 0, home_ = 0;  // this turn's arena, and that in which the pieces began
    int carried_ = 0;          // the place of the tiles of a unit that goes on
    std::int64_t work_ = 0, slab_cells_ = 0, strip_columns_ = 0, tile_bins_ = 0;
};

template <class Sum>
bool Block<Sum>::next() {
    groups_.clear();
    if (pieces_ && home_ == turn_) turn_ = 1 - turn_;  // what is kept at home stays
    arenas_[turn_].give_back();
    work_ = slab_cells_ = strip_columns_ = tile_bins_ = 0;
    if (large_.empty() && end_ == a_.count) return false;
    if (large_.empty()) {
        plan();
        cut_units();
        group_units();
    }
    if (groups_.empty()) add_large();
    return true;
}

template <class Sum>
void index_boxes(Chunk<Sum>& chunk, int bins) {
    for (std::size_t i = 0; i < chunk.boxes.size(); ++i) {
        const std::int32_t* rows = chunk.x.bin_ptr.data() + i * std::size_t(bins);
        std::int32_t* taps = chunk.x.place.data();
        index_columns(taps + chunk.x.row_ptr[std::size_t(rows[0])],
                           taps + chunk.x.row_ptr[std::size_t(rows[bins])], chunk.column);
        chunk.column_ptr.push_back(std::int32_t(chunk.column.size()));
    }
}

template <class Sum>
void Block<Sum>::plan() {
    const std::int64_t boxes = std::min<std::int64_t>(block_boxes, a_.count - end_);
    // At most about twice as many taps as this has a box, and a chunk a small part of a block's.
    const std::int64_t taps_of_a_box =
        std::min<std::int64_t>(a_.shape[2], piece_side) +
        std::min<std::int64_t>(a_.shape[3], piece_side) +
        (a_.bins_y + a_.bins_x) * (1 + a_.convention.samples);
    const std::int64_t each =
        std::clamp<std::int64_t>(block_taps / 8 / taps_of_a_box, 1, chunk_boxes);
    const int chunks = int((boxes + each - 1) / each);
    // Each keeps the room of the largest boxes that it ever held.
    std::int64_t room = 0;
    for (const Chunk<Sum>& chunk : chunks_) room += chunk.room();
    if (room > 2 * block_taps) chunks_.clear();
    if (chunks_.size() < std::size_t(chunks)) chunks_.resize(std::size_t(chunks));
    std::atomic<int> next{0};
    std::atomic<std::int64_t> taps{0};
    std::atomic<int> planned{0};
    const int planners = int(std::clamp<std::int64_t>(block_taps / taps_of_a_box, 1, 8));
    in_parallel(std::min({a_.threads, chunks / 2 + 1, planners}), [&](int) {
        while (taps.load() < block_taps) {
            const int i = next++;
            if (i >= chunks) return;
            Chunk<Sum>& chunk = chunks_[std::size_t(i)];
            chunk.clear();
            plan_chunk(chunk, end_ + i * each, std::min(end_ + (i + 1) * each, end_ + boxes));
            taps += chunk.taps_and_bins();
            index_boxes(chunk, a_.bins_x);
            ++planned;
        }
    });
    chunk_count_ = planned.load();
    end_ += std::min(chunk_count_ * each, boxes);
}

template <class Sum>
void Block<Sum>::plan_chunk(Chunk<Sum>& chunk, std::int64_t first, std::int64_t end) {
    BoxPlanner<Sum> planner(a_);
    const bool none_is_large = planner.none_is_large();
    for (std::int64_t box = first; box < end; ++box) {
        const auto [y, x] = planner.rois(box);
        if (!none_is_large && planner.is_large(y, x)) {
            chunk.large.push_back({box, y, x});
            continue;
        }
        planner.y.append(chunk.y, y);
        planner.x.append(chunk.x, x);
        chunk.boxes.push_back(box);
    }
}

template <class Sum>
void Block<Sum>::cut_units() {
    units_.clear();
    const int rows = std::max(1, std::min(a_.bins_y, unit_bins / a_.bins_x));
    for (int c = 0; c < chunk_count_; ++c) {
        const Chunk<Sum>& chunk = chunks_[std::size_t(c)];
        large_.insert(large_.end(), chunk.large.begin(), chunk.large.end());
        for (int i = 0; i < int(chunk.boxes.size()); ++i) {
            Range x;
            for (auto k = chunk.column_ptr[std::size_t(i)]; k < chunk.column_ptr[std::size_t(i) + 1]; ++k)
                x.add(chunk.column[std::size_t(k)]);
            for (int bin = 0; bin < a_.bins_y; bin += rows) {
                Unit unit{c, i, bin, std::min(rows, a_.bins_y - bin), {}, x};
                const std::int32_t* bin_rows = chunk.y.bin_ptr.data() + i * a_.bins_y + bin;
                const auto begin = chunk.y.row_ptr[std::size_t(bin_rows[0])];
                const auto end = chunk.y.row_ptr[std::size_t(bin_rows[unit.bins])];
                for (auto t = begin; t < end; ++t) unit.y.add(chunk.y.place[std::size_t(t)]);
                if (unit.y.size() == 0 || unit.x.size() == 0) unit.y = unit.x = {0, 0};
                units_.push_back(unit);
            }
        }
    }
    if (!units_.empty()) tile_bins_ = std::int64_t(rows) * a_.bins_x;
    work_ = std::int64_t(units_.size()) * tile_bins_;
}

template <class Sum>
void Block<Sum>::group_units() {
    const std::int64_t bins = std::max<std::int64_t>(tile_bins_, 1);
    const Limits limits{
        std::clamp(scratch_bytes / cell_bytes / a_.threads, packed_cells, shared_cells),
        std::clamp<std::int64_t>(group_bins_ / bins, 1,
                                 std::max<std::int64_t>(32, units_.size() / groups_at_least(a_) + 1))};
    order_.clear();
    for (const Unit& unit : units_) order_.push_back(&unit);
    std::stable_sort(order_.begin(), order_.end(), [&](const Unit* a, const Unit* b) {
        return image_of(*a) < image_of(*b);
    });
    for (auto first = order_.begin(); first != order_.end();) {
        const auto last = std::find_if(first, order_.end(), [&](const Unit* unit) {
            return image_of(*unit) != image_of(**first);
        });
        group_neighbours(&*first, &*first + (last - first), limits);
        first = last;
    }
}

// One group, if together they fit and touch no more cells than they do alone; else their rectangle
// is halved along its longer side.
template <class Sum>
void Block<Sum>::group_neighbours(const Unit** first, const Unit** last, Limits limits) {
    Range y, x;
    std::int64_t alone = 0;
    for (const Unit** unit = first; unit < last; ++unit) {
        if ((*unit)->cells() == 0) continue;
        y.add((*unit)->y);
        x.add((*unit)->x);
        alone += (*unit)->cells();
    }
    const std::int64_t together = y.size() * x.size(), count = last - first;
    if (count == 1 || (together <= std::min(alone, limits.cells) && count <= limits.units))
        return add_group(first, int(count));
    const auto middle_of = [by_y = y.size() > x.size()](const Unit* unit) {
        const Range range = by_y ? unit->y : unit->x;
        return range.begin + range.end;
    };
    const Unit** middle = first + count / 2;
    std::nth_element(first, middle, last, [&](const Unit* a, const Unit* b) {
        return middle_of(a) < middle_of(b);
    });
    group_neighbours(first, middle, limits);
    group_neighbours(middle, last, limits);
}

template <class Sum>
void Block<Sum>::add_group(const Unit* const* units, int count) {
    Range y, x;
    for (int i = 0; i < count; ++i)
        if (units[i]->cells()) {
            y.add(units[i]->y);
            x.add(units[i]->x);
        }
    if (y.size() == 0) y = x = {0, 0};
    Arena& arena = arenas_[turn_];
    RowsOfSlab rows(y);
    auto* touched = arena.take<std::uint8_t>(std::size_t(x.size() / pack_block + 1));
    std::int64_t bins = 0;
    Box<Sum>* boxes = arena.take<Box<Sum>>(std::size_t(count));
    for (int i = 0; i < count; ++i) {
        Box<Sum>& box = boxes[i] = whole_box(*units[i]);
        box.first_bin = bins;
        bins += box.y.bins * box.x.bins;
        strip_columns_ = std::max<std::int64_t>(strip_columns_, box.columns);
        if (units[i]->cells() == 0) continue;
        rows.add(box.y);
        place_columns(box.column, box.columns, x.begin, touched);
    }
    Piece<Sum>* piece = arena.take<Piece<Sum>>(1);
    piece->corner = corner_of(a_, image_of(*units[0]), y, x);
    piece->height = rows.list_them(piece->rows, arena);
    piece->width = int(x.size());
    piece->pitch = piece->width | 1;  // odd: keeps rows out of one another's cache sets
    piece->touched_blocks = touched;
    for (int i = 0; i < count; ++i)
        if (units[i]->cells()) rows.place(boxes[i].y, piece->pitch);
    piece->boxes = boxes;
    piece->count = count;
    slab_cells_ = std::max(slab_cells_, piece->height * std::int64_t(piece->pitch));
    groups_.push_back({piece, 1, bins});
}

template <class Sum>
Box<Sum> Block<Sum>::whole_box(const Unit& unit) {
    Chunk<Sum>& chunk = chunks_[std::size_t(unit.chunk)];
    const auto rows = [](AxisPlan<Sum>& axis, int box, int all_bins, int first, int bins) {
        const std::ptrdiff_t bin = std::ptrdiff_t(box) * all_bins + first;
        return Rows<Sum>{bins,
                         axis.bin_ptr.data() + bin,
                         axis.row_ptr.data(),
                         axis.place.data(),
                         axis.weight.data(),
                         axis.empty.data() + bin,
                         axis.zero.data() + bin};
    };
    const auto first_column = chunk.column_ptr[std::size_t(unit.box)];
    const int columns = chunk.column_ptr[std::size_t(unit.box) + 1] - first_column;
    std::int32_t* column = chunk.column.data() + first_column;
    if (unit.bins < a_.bins_y) {  // the units of one box lie in different slabs
        std::int32_t* own = arenas_[turn_].take<std::int32_t>(std::size_t(columns));
        std::copy_n(column, columns, own);
        column = own;
    }
    const auto any = [](const std::vector<std::uint8_t>& flags, std::int64_t first, int bins) {
        const auto begin = flags.begin() + first;
        return std::find(begin, begin + bins, true) != begin + bins;
    };
    const std::int64_t y_bin = std::int64_t(unit.box) * a_.bins_y + unit.first_bin;
    const std::int64_t x_bin = std::int64_t(unit.box) * a_.bins_x;
    return {rows(chunk.y, unit.box, a_.bins_y, unit.first_bin, unit.bins),
            rows(chunk.x, unit.box, a_.bins_x, 0, a_.bins_x),
            column,
            columns,
            a_.out + box_of(unit) * a_.out_strides[0] +
                unit.first_bin * a_.out_strides[2],
            true,
            true,
            0,
            any(chunk.y.empty, y_bin, unit.bins) || any(chunk.y.zero, y_bin, unit.bins) ||
                any(chunk.x.empty, x_bin, a_.bins_x) || any(chunk.x.zero, x_bin, a_.bins_x)};
}

// The boxes that are too large to pack, until there are as many taps as a block may have.
template <class Sum>
void Block<Sum>::add_large() {
    const int place_of_new = 1 - carried_;
    for (std::int64_t room = block_taps; room > 0 && !large_.empty();) {
        if (!pieces_) {
            pieces_.emplace(a_, large_.front(), arenas_[turn_]);
            home_ = turn_;
        }
        const bool goes_on = pieces_->unit_has_begun();
        if (!goes_on) carried_ = place_of_new;
        Group<Sum> group = pieces_->next(arenas_[turn_], room);
        if (goes_on || !pieces_->unit_is_done()) group.carried = carried_;
        groups_.push_back(group);
        work_ += pieces_->work();
        slab_cells_ = std::max(slab_cells_, pieces_->slab_cells());
        strip_columns_ = std::max(strip_columns_, pieces_->strip_columns());
        tile_bins_ = std::max(tile_bins_, group.bins);
        if (!pieces_->is_done()) continue;
        pieces_.reset();
        large_.pop_front();
    }
}

}  // namespace roicrop
