// From boxes to what the two passes are given: plan a block of boxes, and gather those that lie
// together.
//
//   block    at most 4,096 boxes, planned at once: bounds the plan's memory
//   unit     what is pooled into one tile: a box, or for a great many bins some rows of it
//   group    units of one image whose rectangle of the map is packed for all of them at once
//   piece    a rectangle that is packed at once: a group's, or a part of a unit too large to pack
//
// Nothing here decides a number: a unit is cut into pieces by its own extent alone, so results do not
// depend on the number of threads or on the company that a box has.

#pragma once

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <vector>

#include "crop.hpp"
#include "parallel.hpp"

namespace roicrop {

constexpr int block_boxes = 4096;
constexpr int chunk_boxes = 64;                 // at most, planned by one thread at a time
constexpr std::int64_t block_taps = 1 << 18;    // on a large map they end a block early
constexpr int unit_bins = 4096;
constexpr std::int64_t packed_cells = 1 << 16;  // of a piece: 4 MiB a thread
constexpr std::int64_t shared_cells = 1 << 17;  // of a group, where there is scratch for it
constexpr int piece_columns = 1024;
constexpr std::int64_t scratch_bytes = 24 << 20;  // of all threads

// Some boxes' plans, as one thread made them.
template <class Sum>
struct Chunk {
    std::int64_t first;
    int count;
    AxisPlan<Sum> y, x;
    std::vector<std::int32_t> column, column_ptr;  // the cells that x touches, by box, padded

    std::int64_t taps() const { return std::int64_t(y.place.size() + x.place.size()); }
};

struct Range {
    std::int32_t begin = INT32_MAX, end = 0;

    void add(Range other) {
        begin = std::min(begin, other.begin);
        end = std::max(end, other.end);
    }
    void add(std::int32_t cell) { add({cell, cell + 1}); }
    std::int64_t size() const { return std::max(end - begin, 0); }
};

struct Unit {
    int chunk, box;        // box counts within the chunk
    int first_bin, bins;   // rows of bins
    Range y, x;            // cells touched
    std::int64_t cells() const { return y.size() * x.size(); }
};

// A copy of some taps of one axis of a unit, those within a piece.
template <class Sum>
struct Clipped {
    std::vector<std::int32_t> bin_rows, row_taps, place, column;
    std::vector<Sum> weight;
};

template <class Sum>
using Group = std::vector<Piece<Sum>>;

// What one group may hold.
struct Limits {
    std::int64_t cells, units;
};

template <class Sum>
class Block {
public:
    // The boxes from `first` on, as many as a block may hold: planned, and cut into groups of pieces.
    Block(const Arguments& arguments, std::int64_t first) : a_(arguments), first_(first) {
        plan();
        cut_units();
        group_units();
    }

    std::int64_t end() const { return end_; }  // the box after its last
    const std::vector<Group<Sum>>& groups() const { return groups_; }

    // The most that any piece needs.
    std::int64_t slab_cells() const { return slab_cells_; }
    std::int64_t strip_columns() const { return strip_columns_; }
    std::int64_t tile_bins() const { return tile_bins_; }

private:
    void plan();
    void cut_units();
    void group_units();
    void group_neighbours(const Unit** first, const Unit** last, Limits limits);
    std::int64_t image_of(const Unit& unit) const;
    void add_group(const Unit* const* units, int count);
    void add_pieces(const Unit& unit);
    Box<Sum> whole_box(const Unit& unit);
    void place(Box<Sum>& box, const Piece<Sum>& piece);
    Clipped<Sum>& clip(const Rows<Sum>& rows, Range cells, const std::int32_t* column);
    Range clipped_range(const Clipped<Sum>& rows) const;
    Piece<Sum> piece_of(std::int64_t image, Range y, Range x);

    template <class T>
    T* keep(std::size_t count) {
        kept_.emplace_back(new char[count * sizeof(T)]());
        return reinterpret_cast<T*>(kept_.back().get());
    }

    const Arguments& a_;
    const std::int64_t first_;
    std::int64_t end_;
    std::vector<Chunk<Sum>> chunks_;
    std::vector<Unit> units_;
    std::vector<Group<Sum>> groups_;
    std::deque<Clipped<Sum>> clipped_;
    std::vector<std::unique_ptr<char[]>> kept_;
    std::int64_t slab_cells_ = 0, strip_columns_ = 0, tile_bins_ = 0;
};

template <class Sum>
void plan_boxes(const Arguments& a, Chunk<Sum>& chunk) {
    AxisPlanner<Sum> y_axis(a.convention, a.spatial_scale, a.shape[2], a.bins_y);
    AxisPlanner<Sum> x_axis(a.convention, a.spatial_scale, a.shape[3], a.bins_x);
    for (int i = 0; i < chunk.count; ++i) {
        const Sum* box = static_cast<const Sum*>(a.boxes) + (chunk.first + i) * 4;
        auto y = y_axis.roi(box[1], box[3]);
        auto x = x_axis.roi(box[0], box[2]);
        agree_on_no_samples<Sum>(a.convention, y, x);
        y_axis.append(chunk.y, y);
        x_axis.append(chunk.x, x);
    }
}

// The cells that one box's taps name become the columns of its strip, and the taps' places in it.
template <class Sum>
void index_columns(std::int32_t* taps, std::int32_t* end, std::vector<std::int32_t>& column) {
    Range cells;
    for (const std::int32_t* tap = taps; tap < end; ++tap) cells.add(*tap);
    std::vector<std::int32_t> place(std::size_t(cells.size()), -1);
    for (const std::int32_t* tap = taps; tap < end; ++tap) place[std::size_t(*tap - cells.begin)] = 0;
    const std::size_t first = column.size();
    for (std::size_t x = 0; x < place.size(); ++x) {
        if (place[x] < 0) continue;
        place[x] = std::int32_t(column.size() - first) * lanes<Sum>;
        column.push_back(cells.begin + std::int32_t(x));
    }
    for (std::int32_t* tap = taps; tap < end; ++tap) *tap = place[std::size_t(*tap - cells.begin)];
    while ((column.size() - first) % column_block) column.push_back(column.back());
}

template <class Sum>
void index_columns(Chunk<Sum>& chunk, int bins) {
    chunk.column_ptr.assign(1, 0);
    for (int i = 0; i < chunk.count; ++i) {
        const std::int32_t* rows = chunk.x.bin_ptr.data() + i * bins;
        std::int32_t* taps = chunk.x.place.data();
        index_columns<Sum>(taps + chunk.x.row_ptr[std::size_t(rows[0])],
                           taps + chunk.x.row_ptr[std::size_t(rows[bins])], chunk.column);
        chunk.column_ptr.push_back(std::int32_t(chunk.column.size()));
    }
}

template <class Sum>
void Block<Sum>::plan() {
    const std::int64_t boxes = std::min<std::int64_t>(block_boxes, a_.count - first_);
    // A box has up to two taps a cell along each axis: a chunk stays within a small part of a block.
    const std::int64_t each = std::clamp<std::int64_t>(
        block_taps / 16 / (a_.shape[2] + a_.shape[3]), 1, chunk_boxes);
    const int chunks = int((boxes + each - 1) / each);
    chunks_.resize(std::size_t(chunks));
    std::atomic<int> next{0};
    std::atomic<std::int64_t> taps{0};
    std::atomic<int> planned{0};
    in_parallel(std::min({a_.threads, chunks / 2 + 1, 8}), [&](int) {
        while (taps.load() < block_taps) {
            const int i = next++;
            if (i >= chunks) return;
            Chunk<Sum>& chunk = chunks_[std::size_t(i)];
            chunk.first = first_ + i * each;
            chunk.count = int(std::min<std::int64_t>(each, first_ + boxes - chunk.first));
            plan_boxes(a_, chunk);
            taps += chunk.taps();
            index_columns(chunk, a_.bins_x);
            ++planned;
        }
    });
    chunks_.resize(std::size_t(planned.load()));
    end_ = chunks_.back().first + chunks_.back().count;
}

template <class Sum>
void Block<Sum>::cut_units() {
    const int rows = std::max(1, std::min(a_.bins_y, unit_bins / a_.bins_x));
    tile_bins_ = std::int64_t(rows) * a_.bins_x;
    for (int c = 0; c < int(chunks_.size()); ++c) {
        const Chunk<Sum>& chunk = chunks_[std::size_t(c)];
        for (int i = 0; i < chunk.count; ++i) {
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
}

template <class Sum>
std::int64_t Block<Sum>::image_of(const Unit& unit) const {
    return a_.image_index[chunks_[std::size_t(unit.chunk)].first + unit.box];
}

template <class Sum>
void Block<Sum>::group_units() {
    const std::int64_t slabs = (a_.shape[1] + lanes<Sum> - 1) / lanes<Sum>;
    const std::int64_t groups = (4 * a_.threads + slabs - 1) / slabs;  // so that each thread has some
    const Limits limits{
        std::clamp(scratch_bytes / cell_bytes / a_.threads, packed_cells, shared_cells),
        std::max<std::int64_t>(32, std::int64_t(units_.size()) / groups + 1)};
    std::vector<const Unit*> order;
    order.reserve(units_.size());
    for (const Unit& unit : units_)
        if (unit.cells() > packed_cells || unit.x.size() > piece_columns)
            add_pieces(unit);
        else
            order.push_back(&unit);
    std::stable_sort(order.begin(), order.end(), [&](const Unit* a, const Unit* b) {
        return image_of(*a) < image_of(*b);
    });
    for (auto first = order.begin(); first != order.end();) {
        const auto last = std::find_if(first, order.end(), [&](const Unit* unit) {
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
    Piece<Sum> piece = piece_of(image_of(*units[0]), y, x);
    Box<Sum>* boxes = keep<Box<Sum>>(std::size_t(count));
    for (int i = 0; i < count; ++i) {
        boxes[i] = whole_box(*units[i]);
        place(boxes[i], piece);
    }
    piece.boxes = boxes;
    piece.count = count;
    groups_.push_back({piece});
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
        std::int32_t* own = keep<std::int32_t>(std::size_t(columns));
        std::copy_n(column, columns, own);
        column = own;
    }
    return {rows(chunk.y, unit.box, a_.bins_y, unit.first_bin, unit.bins),
            rows(chunk.x, unit.box, a_.bins_x, 0, a_.bins_x),
            column,
            columns,
            a_.out + (chunk.first + unit.box) * a_.out_strides[0] +
                unit.first_bin * a_.out_strides[2],
            true,
            true};
}

// A unit too large to pack, cut into rectangles that are not.
template <class Sum>
void Block<Sum>::add_pieces(const Unit& unit) {
    const Box<Sum> whole = whole_box(unit);
    const std::int32_t columns = std::int32_t(std::min<std::int64_t>(unit.x.size(), piece_columns));
    const std::int32_t rows = std::int32_t(std::max<std::int64_t>(1, packed_cells / columns));
    Group<Sum> group;
    for (std::int32_t y = unit.y.begin; y < unit.y.end; y += rows)
        for (std::int32_t x = unit.x.begin; x < unit.x.end; x += columns) {
            Clipped<Sum>& clip_y = clip(whole.y, {y, y + rows}, nullptr);
            Clipped<Sum>& clip_x = clip(whole.x, {x, x + columns}, whole.column);
            Piece<Sum> piece = piece_of(image_of(unit), clipped_range(clip_y), clipped_range(clip_x));
            const auto rows_of = [](Clipped<Sum>& clipped, Rows<Sum> rows) {
                rows.bin_rows = clipped.bin_rows.data();
                rows.row_taps = clipped.row_taps.data();
                rows.place = clipped.place.data();
                rows.weight = clipped.weight.data();
                return rows;
            };
            index_columns<Sum>(clip_x.place.data(), clip_x.place.data() + clip_x.place.size(),
                               clip_x.column);
            Box<Sum>* box = keep<Box<Sum>>(1);
            *box = whole;
            box->y = rows_of(clip_y, whole.y);
            box->x = rows_of(clip_x, whole.x);
            box->column = clip_x.column.data();
            box->columns = int(clip_x.column.size());
            box->begins = y == unit.y.begin && x == unit.x.begin;
            box->ends = y + rows >= unit.y.end && x + columns >= unit.x.end;
            place(*box, piece);
            piece.boxes = box;
            piece.count = 1;
            group.push_back(piece);
        }
    groups_.push_back(std::move(group));
}

// The taps within some cells; of a sample, which is not divided, both taps or none.
template <class Sum>
Clipped<Sum>& Block<Sum>::clip(const Rows<Sum>& rows, Range cells, const std::int32_t* column) {
    const bool whole_rows = a_.convention.reduction == Reduction::sample_maximum;
    Clipped<Sum>& clipped = clipped_.emplace_back();
    clipped.bin_rows.push_back(0);
    clipped.row_taps.push_back(0);
    const auto cell = [&](std::int32_t tap) {
        return column ? column[rows.place[tap] / lanes<Sum>] : rows.place[tap];
    };
    const auto within = [&](std::int32_t tap) {
        return cell(tap) >= cells.begin && cell(tap) < cells.end;
    };
    for (int bin = 0; bin < rows.bins; ++bin) {
        for (auto row = rows.bin_rows[bin]; row < rows.bin_rows[bin + 1]; ++row) {
            const auto begin = rows.row_taps[row], end = rows.row_taps[row + 1];
            if (whole_rows && !(begin < end && within(begin))) continue;
            for (auto t = begin; t < end; ++t)
                if (whole_rows || within(t)) {
                    clipped.place.push_back(cell(t));
                    clipped.weight.push_back(rows.weight[t]);
                }
            clipped.row_taps.push_back(std::int32_t(clipped.place.size()));
        }
        clipped.bin_rows.push_back(std::int32_t(clipped.row_taps.size() - 1));
    }
    return clipped;
}

template <class Sum>
Range Block<Sum>::clipped_range(const Clipped<Sum>& rows) const {
    Range range;
    for (std::int32_t cell : rows.place) range.add(cell);
    return range.size() ? range : Range{0, 0};
}

template <class Sum>
Piece<Sum> Block<Sum>::piece_of(std::int64_t image, Range y, Range x) {
    if (y.size() == 0 || x.size() == 0) y = x = {0, 0};
    // Planes are packed in blocks of columns; a narrow rectangle is widened to one where it can be.
    const std::int32_t least = std::int32_t(std::min<std::ptrdiff_t>(pack_block, a_.shape[3]));
    if (x.size() > 0 && x.size() < least) {
        x.begin = std::max(0, std::min(x.begin, std::int32_t(a_.shape[3]) - least));
        x.end = x.begin + least;
    }
    Piece<Sum> piece{};
    piece.corner = a_.features + image * a_.strides[0] + y.begin * a_.strides[2] +
                   x.begin * a_.strides[3];
    piece.height = int(y.size());
    piece.width = int(x.size());
    piece.pitch = piece.width | 1;  // an odd pitch keeps rows out of one another's cache sets
    piece.first_row = y.begin;
    piece.first_column = x.begin;
    piece.touched_rows = keep<std::uint8_t>(std::size_t(piece.height));
    piece.touched_blocks = keep<std::uint8_t>(std::size_t(piece.width / pack_block + 1));
    slab_cells_ = std::max(slab_cells_, std::int64_t(piece.height) * piece.pitch);
    return piece;
}

// Cells become places in the piece's slab, which from now on is known to need them.
template <class Sum>
void Block<Sum>::place(Box<Sum>& box, const Piece<Sum>& piece) {
    strip_columns_ = std::max<std::int64_t>(strip_columns_, box.columns);
    const auto begin = box.y.row_taps[box.y.bin_rows[0]];
    const auto end = box.y.row_taps[box.y.bin_rows[box.y.bins]];
    const bool reads = box.columns > 0;
    for (auto t = begin; t < end; ++t) {
        const std::int32_t row = box.y.place[t] - piece.first_row;
        if (reads) piece.touched_rows[row] = 1;
        box.y.place[t] = row * piece.pitch * lanes<Sum>;
    }
    for (int i = 0; i < box.columns; ++i) {
        const std::int32_t column = box.column[i] - piece.first_column;
        if (begin < end) piece.touched_blocks[column / pack_block] = 1;
        box.column[i] = column * lanes<Sum>;
    }
}

}  // namespace roicrop
