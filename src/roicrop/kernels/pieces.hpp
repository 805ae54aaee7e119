// A box too large to pack: cut into rectangles that are not, and planned as it is cut.
//
// Each axis is cut by itself. The parts of the one that has fewer cells are kept while the box is
// pooled; those of the other are planned when their pieces are wanted, so that the plan of a box
// takes no more room on a longer map. The cuts depend on the box alone, and not on the rows of bins
// that are pooled together.

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

constexpr std::int64_t packed_cells = 1 << 16;  // of a piece: 4 MiB a thread
constexpr int piece_columns = 1024;
constexpr int carried_cells = 1 << 15;          // of a box's tiles, in all channels: 2 to 4 MiB
constexpr std::int64_t taps_of_a_piece = 32;    // take as much memory as a piece itself

// The pieces that a task pools, one after the other, each for its own channels.
template <class Sum>
struct Group {
    const Piece<Sum>* pieces;
    int count;
    std::int64_t bins;  // of all boxes
    // Where the tiles are of a box that began before these pieces, or goes on after them.
    int carried = -1;
};

// Some rows of bins of a box too large to pack.
struct LargeUnit {
    std::int64_t box;
    int first_bin, bins;
};

// As many as have room for their tiles of all channels.
inline int rows_of_large_units(const Arguments& a) {
    return int(std::clamp<std::int64_t>(carried_cells / slabs_of(a) / a.bins_x, 1, a.bins_y));
}

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
    // Whether a box reads more than is packed at once.
    bool is_large(const Roi& y_roi, const Roi& x_roi) const {
        const Range columns = widened(a, x.reach(x_roi, 0, a.bins_x));
        const Range rows = y.reach(y_roi, 0, a.bins_y);
        return columns.size() > piece_columns || rows.size() * columns.size() > packed_cells;
    }
};

// What a unit reads along one axis within some cells.
template <class Sum>
struct Part {
    Range cells;
    Rows<Sum> rows;
    std::int32_t* column = nullptr;  // along x: see Box
    int columns = 0;
    std::uint8_t* touched = nullptr;  // see Piece
    std::int64_t taps = 0;
};

// One axis of a unit, part by part.
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
    Pieces(const Arguments& a, LargeUnit unit, Arena& arena);

    bool has_begun() const { return begun_; }
    bool done() const { return done_; }
    // Some more. There is `room` for so many taps or what takes as much memory, and then for less:
    // for none after the last row or column of pieces that still began within it.
    Group<Sum> next(Arena& arena, std::int64_t& room);

    // Of the pieces that `next` gave last: see Block.
    std::int64_t work() const { return work_; }
    std::int64_t slab_cells() const { return slab_cells_; }
    std::int64_t strip_columns() const { return strip_columns_; }

private:
    bool next_rows(Part<Sum>& part, Arena& arena);
    bool next_columns(Part<Sum>& part, Arena& arena);
    void add(const Part<Sum>& y, const Part<Sum>& x);
    void add_last(Arena& arena);

    const Arguments& a_;
    LargeUnit unit_;
    std::optional<Axis<Sum>> y_, x_;
    bool keeps_rows_ = false;
    int pitch_ = 0;
    std::vector<Part<Sum>> kept_;
    std::vector<std::int32_t> column_;
    std::vector<Piece<Sum>> pieces_;
    std::vector<Box<Sum>> boxes_;
    bool begun_ = false, done_ = false;
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
Pieces<Sum>::Pieces(const Arguments& a, LargeUnit unit, Arena& arena) : a_(a), unit_(unit) {
    const BoxPlanner<Sum> planner(a);
    const auto [y, x] = planner.rois(unit.box);
    const Range rows = planner.y.reach(y, 0, a.bins_y), columns = planner.x.reach(x, 0, a.bins_x);
    keeps_rows_ = rows.size() <= columns.size();
    const auto width = std::clamp<std::int64_t>(widened(a, columns).size(), 1, piece_columns);
    // A sample may reach one cell further.
    pitch_ = int(std::min<std::int64_t>(width + 1, a.shape[3])) | 1;
    y_.emplace(planner.y, y, rows.begin, int(packed_cells / pitch_), unit.first_bin, unit.bins);
    x_.emplace(planner.x, x, columns.begin, int(width), 0, a.bins_x);
    Part<Sum> part;
    while (keeps_rows_ ? next_rows(part, arena) : next_columns(part, arena))
        kept_.push_back(part);
}

template <class Sum>
Group<Sum> Pieces<Sum>::next(Arena& arena, std::int64_t& room) {
    pieces_.clear();
    boxes_.clear();
    work_ = slab_cells_ = strip_columns_ = 0;
    while (room > 0 && !done_) {
        Part<Sum> part;
        done_ = kept_.empty() ||
                !(keeps_rows_ ? next_columns(part, arena) : next_rows(part, arena));
        if (done_) break;
        for (const Part<Sum>& kept : kept_) keeps_rows_ ? add(kept, part) : add(part, kept);
        room -= part.taps + taps_of_a_piece * std::int64_t(kept_.size());
    }
    if (done_) {
        add_last(arena);
        room -= taps_of_a_piece + unit_.bins + a_.bins_x;
    }
    Piece<Sum>* pieces = arena.copy(pieces_);
    const Box<Sum>* boxes = arena.copy(boxes_);
    for (std::size_t i = 0; i < pieces_.size(); ++i) pieces[i].boxes = boxes + i;
    return {pieces, int(pieces_.size()), std::int64_t(unit_.bins) * a_.bins_x};
}

// A piece that reads nothing, when all that is to be known of the bins is known.
template <class Sum>
void Pieces<Sum>::add_last(Arena& arena) {
    add({{0, 0}, y_->last(arena)}, {{0, 0}, x_->last(arena)});
    boxes_.back().ends = boxes_.back().flagged = true;
}

template <class Sum>
bool Pieces<Sum>::next_rows(Part<Sum>& part, Arena& arena) {
    if (!y_->next(part, arena)) return false;
    part.touched = arena.take<std::uint8_t>(std::size_t(part.cells.size()));
    place_rows(part.rows, part.cells.begin, pitch_, part.touched);
    return true;
}

template <class Sum>
bool Pieces<Sum>::next_columns(Part<Sum>& part, Arena& arena) {
    if (!x_->next(part, arena)) return false;
    column_.clear();
    const Rows<Sum>& rows = part.rows;
    index_columns(rows.place, rows.place + rows.row_taps[rows.bin_rows[rows.bins]], column_);
    part.column = arena.copy(column_);
    part.columns = int(column_.size());
    part.taps += part.columns;
    part.cells = widened(a_, part.cells);
    part.touched = arena.take<std::uint8_t>(std::size_t(part.cells.size() / pack_block + 1));
    place_columns(part.column, part.columns, part.cells.begin, part.touched);
    return true;
}

template <class Sum>
void Pieces<Sum>::add(const Part<Sum>& y, const Part<Sum>& x) {
    Box<Sum> box{};
    box.y = y.rows;
    box.x = x.rows;
    box.column = x.column;
    box.columns = x.columns;
    box.out = a_.out + unit_.box * a_.out_strides[0] + unit_.first_bin * a_.out_strides[2];
    box.begins = !begun_;
    begun_ = true;
    boxes_.push_back(box);
    const std::int64_t image = a_.image_index[unit_.box];
    Piece<Sum> piece = piece_of<Sum>(a_, image, y.cells, x.cells, pitch_);
    piece.touched_rows = y.touched;
    piece.touched_blocks = x.touched;
    piece.count = 1;
    pieces_.push_back(piece);
    work_ += y.cells.size() * x.cells.size();
    slab_cells_ = std::max(slab_cells_, y.cells.size() * pitch_);
    strip_columns_ = std::max<std::int64_t>(strip_columns_, x.columns);
}

}  // namespace roicrop
