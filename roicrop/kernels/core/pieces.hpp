// A box too large to pack, or with too many bins for one tile: cut into rectangles that are not, and
// planned as it is cut.
//
// Each axis is cut by itself. The parts of the shorter one are kept while the box is pooled. Those of
// the other are planned when their pieces are wanted, so that the plan of a box takes no more room on
// a longer map; and its bins are pooled some at a time, each with parts of its own. So each axis is
// planned once, and the cuts depend on the box alone.

#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "arena.hpp"
#include "crop.hpp"
#include "slab.hpp"

namespace roicrop {

constexpr int unit_bins = 4096;                 // of a box that is not large, along an axis too
constexpr std::int64_t packed_cells = 1 << 16;  // of a piece: 4 MiB a thread
constexpr int piece_side = 1024;                // cells; also, longer sums would lose too much
constexpr int carried_cells = 1 << 15;          // of a unit's tiles, in all channels, if it has more bins
constexpr std::int64_t taps_of_a_piece = 32;    // take as much memory as a piece itself

// The pieces that a task pools, one after the other, each for its own channels.
template <class Sum>
struct Group {
    const Piece<Sum>* pieces;
    int count;
    std::int64_t bins;  // of all boxes
    // Where the tiles are of a unit that began before these pieces, or goes on after them.
    int carried = -1;
};

template <class Sum>
struct LargeBox {
    using Roi = typename AxisPlanner<Sum>::Roi;

    std::int64_t box;
    Roi y, x;
};

inline bool has_many_bins(const Arguments& a) { return std::max(a.bins_y, a.bins_x) > unit_bins; }

template <class Sum>
struct BoxPlanner {
    using Roi = typename AxisPlanner<Sum>::Roi;

    const Arguments& a;
    AxisPlanner<Sum> y, x;

    explicit BoxPlanner(const Arguments& arguments)
        : a(arguments),
          y(a.convention, a.spatial_scale, a.shape[2], a.bins_y),
          x(a.convention, a.spatial_scale, a.shape[3], a.bins_x) {}

    std::pair<Roi, Roi> rois(std::int64_t box) const {
        const Sum* corners = static_cast<const Sum*>(a.boxes) + box * 4;
        std::pair<Roi, Roi> both{y.roi(corners[1], corners[3]), x.roi(corners[0], corners[2])};
        agree_on_no_samples<Sum>(a.convention, both.first, both.second);
        return both;
    }
    // Whether boxes read more, or have more bins, than is packed or planned at once.
    bool none_is_large() const {
        return !has_many_bins(a) && std::max(a.shape[2], a.shape[3]) <= piece_side &&
               a.shape[2] * a.shape[3] <= packed_cells;
    }
    bool is_large(const Roi& y_roi, const Roi& x_roi) const {
        const Range columns = x.reach(x_roi, 0, a.bins_x), rows = y.reach(y_roi, 0, a.bins_y);
        return has_many_bins(a) || std::max(rows.size(), columns.size()) > piece_side ||
               rows.size() * columns.size() > packed_cells;
    }
};

// The bins of one axis that are pooled at once: as many as have room for the tiles of all channels.
inline int bins_of_unit(const Arguments& a, int bins, int bins_across) {
    return int(std::clamp<std::int64_t>(carried_cells / slabs_of(a) / bins_across, 1, bins));
}
inline std::int64_t most_bins_carried(const Arguments& a) {
    return std::max(std::int64_t(bins_of_unit(a, a.bins_y, a.bins_x)) * a.bins_x,
                    std::int64_t(bins_of_unit(a, a.bins_x, a.bins_y)) * a.bins_y);
}

// What some bins read along one axis within some cells.
template <class Sum>
struct Part {
    Range cells;
    Rows<Sum> rows;
    std::int64_t taps = 0;
    // Along y, what a piece has of it:
    const std::int32_t* rows_of_slab = nullptr;
    int height = 0;
    // Along x, what a box has of it, and a piece:
    std::int32_t* column = nullptr;
    int columns = 0;
    std::uint8_t* touched_blocks = nullptr;
};

// Some bins of one axis, part by part.
template <class Sum>
class Axis {
public:
    // Cut every so many cells from the first that the box reaches.
    Axis(const AxisPlanner<Sum>& planner, const typename AxisPlanner<Sum>::Roi& roi,
         std::int32_t first_cell, int cells_of_part, int first_bin, int bins)
        : planner_(planner),
          roi_(roi),
          first_cell_(first_cell),
          cells_of_part_(cells_of_part),
          first_bin_(first_bin),
          seen_(std::size_t(bins)),
          left_(planner.reach(roi, first_bin, bins)) {
        for (int bin = 0; bin < bins; ++bin)
            reach_.push_back(planner.reach(roi, first_bin + bin, 1));
    }

    // The next part that reads anything. False after the last.
    bool next(Part<Sum>& part, Arena& arena);
    // The bins without taps, and what is known of them after the last part.
    Rows<Sum> last(Arena& arena) const;

private:
    AxisPlanner<Sum> planner_;
    const typename AxisPlanner<Sum>::Roi roi_;
    const std::int32_t first_cell_;
    const int cells_of_part_, first_bin_;
    std::vector<typename AxisPlanner<Sum>::Seen> seen_;  // by bin
    std::vector<Range> reach_;                           // by bin
    Range left_;                                         // of which there are no parts yet
    AxisPlan<Sum> plan_;                                 // of one part
};

template <class Sum>
class Pieces {
public:
    // What is kept until the last of them is put into the arena.
    Pieces(const Arguments& a, const LargeBox<Sum>& box, Arena& arena);

    bool is_done() const { return next_bin_ == bins_ && !unit_; }
    bool unit_has_begun() const { return unit_.has_value(); }
    bool unit_is_done() const { return !unit_; }
    // Some more, of one unit. There is `room` for so many taps or what takes as much memory, and then
    // for less: for none after the last row or column of pieces that still began within it.
    Group<Sum> next(Arena& arena, std::int64_t& room);

    // Of the pieces that `next` gave last: see Block.
    std::int64_t work() const { return work_; }
    std::int64_t slab_cells() const { return slab_cells_; }
    std::int64_t strip_columns() const { return strip_columns_; }

private:
    // Some bins of the axis that is not kept, with all of the other's.
    struct Unit {
        Axis<Sum> axis;
        int first_bin, bins;
        bool begun = false;
    };

    Axis<Sum> axis(bool of_rows, int first_bin, int bins) const;
    void begin_unit();
    bool next_part(Axis<Sum>& axis, bool of_rows, Part<Sum>& part, Arena& arena) const;
    void place_part_of_rows(Part<Sum>& part, Arena& arena) const;
    void place_part_of_columns(Part<Sum>& part, Arena& arena) const;
    void add(const Part<Sum>& kept, const Part<Sum>& of_unit);
    void add_last(Arena& arena);

    const Arguments& a_;
    const LargeBox<Sum> box_;
    const BoxPlanner<Sum> planner_;
    const Range rows_, columns_;  // reached
    const bool keeps_rows_;
    const int width_, pitch_;     // of a piece
    const int kept_bins_, bins_;  // of the axis that is kept, of the other
    Axis<Sum> kept_axis_;
    std::vector<Part<Sum>> kept_;
    std::optional<Unit> unit_;
    int next_bin_ = 0;  // with which the next unit begins
    std::vector<Piece<Sum>> pieces_;
    std::vector<Box<Sum>> boxes_;
    std::int64_t work_ = 0, slab_cells_ = 0, strip_columns_ = 0;
};

template <class Sum>
bool Axis<Sum>::next(Part<Sum>& part, Arena& arena) {
    const int bins = int(seen_.size());
    while (left_.size()) {
        const int to_cut = cells_of_part_ - (left_.begin - first_cell_) % cells_of_part_;
        const Range cells{left_.begin, left_.begin + std::min(to_cut, left_.end - left_.begin)};
        left_.begin = cells.end;
        plan_.clear();
        for (std::size_t i = 0; i < seen_.size(); ++i) {
            const bool reads = reach_[i].begin < cells.end && reach_[i].end > cells.begin;
            if (reads) {
                const int bin = first_bin_ + int(i);
                const auto seen = planner_.append_rows(plan_, roi_, bin, cells);
                seen_[i].in_range += seen.in_range;
                seen_[i].weightless |= seen.weightless;
            } else {
                planner_.append_nothing(plan_);
            }
            plan_.bin_ptr.push_back(std::int32_t(plan_.row_ptr.size() - 1));
        }
        if (plan_.place.empty()) continue;
        part = Part<Sum>{};
        for (std::int32_t cell : plan_.place) part.cells.add(cell);
        part.taps = std::int64_t(plan_.place.size() + plan_.row_ptr.size());
        part.rows = {bins,
                     arena.copy(plan_.bin_ptr),
                     arena.copy(plan_.row_ptr),
                     arena.copy(plan_.place),
                     arena.copy(plan_.weight),
                     nullptr,
                     nullptr};
        return true;
    }
    return false;
}

template <class Sum>
Rows<Sum> Axis<Sum>::last(Arena& arena) const {
    const std::size_t bins = seen_.size();
    const auto* none = arena.take<std::int32_t>(bins + 1);
    auto *empty = arena.take<std::uint8_t>(bins), *zero = arena.take<std::uint8_t>(bins);
    for (std::size_t i = 0; i < bins; ++i) {
        const auto flags = planner_.flags(roi_, first_bin_ + int(i), seen_[i]);
        empty[i] = flags.empty;
        zero[i] = flags.zero;
    }
    return {int(bins), none, none, nullptr, nullptr, empty, zero};
}

template <class Sum>
Pieces<Sum>::Pieces(const Arguments& a, const LargeBox<Sum>& box, Arena& arena)
    : a_(a),
      box_(box),
      planner_(a),
      rows_(planner_.y.reach(box.y, 0, a.bins_y)),
      columns_(planner_.x.reach(box.x, 0, a.bins_x)),
      keeps_rows_(has_many_bins(a) ? a.bins_y <= a.bins_x : rows_.size() <= columns_.size()),
      width_(int(std::clamp<std::int64_t>(columns_.size(), 1, piece_side))),
      // A sample may reach one cell further.
      pitch_(int(std::min<std::int64_t>(width_ + 1, a.shape[3])) | 1),
      kept_bins_(keeps_rows_ ? a.bins_y : a.bins_x),
      bins_(keeps_rows_ ? a.bins_x : a.bins_y),
      kept_axis_(axis(keeps_rows_, 0, kept_bins_)) {
    Part<Sum> part;
    while (next_part(kept_axis_, keeps_rows_, part, arena)) kept_.push_back(part);
}

template <class Sum>
Axis<Sum> Pieces<Sum>::axis(bool of_rows, int first_bin, int bins) const {
    const int height = std::min(int(packed_cells / pitch_), piece_side);
    if (of_rows) return {planner_.y, box_.y, rows_.begin, height, first_bin, bins};
    return {planner_.x, box_.x, columns_.begin, width_, first_bin, bins};
}

template <class Sum>
Group<Sum> Pieces<Sum>::next(Arena& arena, std::int64_t& room) {
    if (!unit_) begin_unit();
    pieces_.clear();
    boxes_.clear();
    work_ = slab_cells_ = strip_columns_ = 0;
    const int bins = unit_->bins;
    Part<Sum> part;
    while (room > 0 && unit_) {
        if (!kept_.empty() && next_part(unit_->axis, !keeps_rows_, part, arena)) {
            for (const Part<Sum>& kept : kept_) add(kept, part);
            room -= part.taps + taps_of_a_piece * std::int64_t(kept_.size());
        } else {
            add_last(arena);
            room -= taps_of_a_piece + bins + kept_bins_;
            unit_.reset();
        }
    }
    Piece<Sum>* pieces = arena.copy(pieces_);
    const Box<Sum>* boxes = arena.copy(boxes_);
    for (std::size_t i = 0; i < pieces_.size(); ++i) pieces[i].boxes = boxes + i;
    return {pieces, int(pieces_.size()), std::int64_t(bins) * kept_bins_};
}

template <class Sum>
void Pieces<Sum>::begin_unit() {
    const int bins = std::min(bins_of_unit(a_, bins_, kept_bins_), bins_ - next_bin_);
    unit_.emplace(Unit{axis(!keeps_rows_, next_bin_, bins), next_bin_, bins});
    next_bin_ += bins;
}

// A piece that reads nothing, when all that is to be known of the bins is known.
template <class Sum>
void Pieces<Sum>::add_last(Arena& arena) {
    add({{0, 0}, kept_axis_.last(arena)}, {{0, 0}, unit_->axis.last(arena)});
    boxes_.back().ends = boxes_.back().flagged = true;
}

template <class Sum>
bool Pieces<Sum>::next_part(Axis<Sum>& axis, bool of_rows, Part<Sum>& part, Arena& arena) const {
    if (!axis.next(part, arena)) return false;
    of_rows ? place_part_of_rows(part, arena) : place_part_of_columns(part, arena);
    return true;
}

template <class Sum>
void Pieces<Sum>::place_part_of_rows(Part<Sum>& part, Arena& arena) const {
    RowsOfSlab rows(part.cells);
    rows.add(part.rows);
    part.height = rows.list_them(part.rows_of_slab, arena);
    rows.place(part.rows, pitch_);
}

template <class Sum>
void Pieces<Sum>::place_part_of_columns(Part<Sum>& part, Arena& arena) const {
    std::vector<std::int32_t> column;
    index_columns(first_tap(part.rows), end_of_taps(part.rows), column);
    part.column = arena.copy(column);
    part.columns = int(column.size());
    part.taps += part.columns;
    part.touched_blocks = arena.take<std::uint8_t>(std::size_t(part.cells.size() / pack_block + 1));
    place_columns(part.column, part.columns, part.cells.begin, part.touched_blocks);
}

template <class Sum>
void Pieces<Sum>::add(const Part<Sum>& kept, const Part<Sum>& of_unit) {
    const Part<Sum>&y = keeps_rows_ ? kept : of_unit, &x = keeps_rows_ ? of_unit : kept;
    Box<Sum> box{};
    box.y = y.rows;
    box.x = x.rows;
    box.column = x.column;
    box.columns = x.columns;
    box.out = a_.out + box_.box * a_.out_strides[0] +
              unit_->first_bin * a_.out_strides[keeps_rows_ ? 3 : 2];
    box.begins = !std::exchange(unit_->begun, true);
    boxes_.push_back(box);
    Piece<Sum> piece{};
    piece.corner = corner_of(a_, a_.image_index[box_.box], y.cells, x.cells);
    piece.height = y.height;
    piece.width = int(x.cells.size());
    piece.pitch = pitch_;
    piece.rows = y.rows_of_slab;
    piece.touched_blocks = x.touched_blocks;
    piece.count = 1;
    pieces_.push_back(piece);
    work_ += y.height * x.cells.size();
    slab_cells_ = std::max<std::int64_t>(slab_cells_, std::int64_t(y.height) * pitch_);
    strip_columns_ = std::max<std::int64_t>(strip_columns_, x.columns);
}

}  // namespace roicrop
