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
#include <vector>

#include "arena.hpp"
#include "crop.hpp"
#include "parallel.hpp"

namespace roicrop {

constexpr int block_boxes = 4096;
constexpr int chunk_boxes = 64;                 // at most, planned by one thread at a time
constexpr std::int64_t block_taps = 1 << 17;    // and bins: on a large map they end a block early
constexpr int unit_bins = 4096;
constexpr std::int64_t packed_cells = 1 << 16;  // of a piece: 4 MiB a thread
constexpr std::int64_t shared_cells = 1 << 17;  // of a group, where there is scratch for it
constexpr int piece_columns = 1024;
constexpr std::int64_t scratch_bytes = 18 << 20;  // of all threads

// Some boxes' plans, as one thread made them.
template <class Sum>
struct Chunk {
    std::int64_t first;
    int count;
    AxisPlan<Sum> y, x;
    std::vector<std::int32_t> column, column_ptr;  // the cells that x touches, by box, padded

    std::int64_t taps_and_bins() const {
        return std::int64_t(y.place.size() + y.empty.size() + x.place.size() + x.empty.size());
    }
    void clear() {
        y.clear();
        x.clear();
        column.clear();
        column_ptr.assign(1, 0);
    }
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

// Some taps of one axis of a unit, as they are gathered.
template <class Sum>
struct Clipped {
    std::vector<std::int32_t> bin_rows, row_taps, place, column;
    std::vector<Sum> weight;

    void clear() {
        bin_rows.assign(1, 0);
        row_taps.assign(1, 0);
        place.clear();
        column.clear();
        weight.clear();
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
};

// The pieces that one thread pools, one after the other.
template <class Sum>
struct Group {
    const Piece<Sum>* pieces;
    int count;
};

// What one group may hold.
struct Limits {
    std::int64_t cells, units;
};

template <class Sum>
class Block {
public:
    explicit Block(const Arguments& arguments) : a_(arguments) {}

    // Take the boxes from `first` on, as many as a block may hold: plan them, and cut them into
    // groups of pieces.
    void fill(std::int64_t first) {
        units_.clear();
        groups_.clear();
        arena_.give_back();
        slab_cells_ = strip_columns_ = 0;
        plan(first);
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
    void plan(std::int64_t first);
    void cut_units();
    void group_units();
    void group_neighbours(const Unit** first, const Unit** last, Limits limits);
    std::int64_t image_of(const Unit& unit) const;
    void add_group(const Unit* const* units, int count);
    void add_pieces(const Unit& unit);
    Box<Sum> whole_box(const Unit& unit);
    void cut(std::vector<Part<Sum>>& parts, const Rows<Sum>& rows, Range cells, int most,
             const std::int32_t* column);
    void clip(const Rows<Sum>& rows, Range cells, const std::int32_t* column);
    Range widened(Range x) const;
    std::int64_t cells_to_pack(Range y, Range x) const { return y.size() * widened(x).size(); }
    Piece<Sum> piece_of(std::int64_t image, Range y, Range x, int pitch);

    const Arguments& a_;
    std::int64_t end_ = 0;
    std::vector<Chunk<Sum>> chunks_;
    int chunk_count_ = 0;
    std::vector<Unit> units_;
    std::vector<const Unit*> order_;
    std::vector<Group<Sum>> groups_;
    std::vector<Part<Sum>> parts_y_, parts_x_;
    Clipped<Sum> clipped_;
    Arena arena_;
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
    const auto most = std::min<std::ptrdiff_t>(end - taps, cells.size());
    column.reserve(first + std::size_t(most) + column_block);
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
    for (int i = 0; i < chunk.count; ++i) {
        const std::int32_t* rows = chunk.x.bin_ptr.data() + i * bins;
        std::int32_t* taps = chunk.x.place.data();
        index_columns<Sum>(taps + chunk.x.row_ptr[std::size_t(rows[0])],
                           taps + chunk.x.row_ptr[std::size_t(rows[bins])], chunk.column);
        chunk.column_ptr.push_back(std::int32_t(chunk.column.size()));
    }
}

template <class Sum>
void Block<Sum>::plan(std::int64_t first) {
    const std::int64_t boxes = std::min<std::int64_t>(block_boxes, a_.count - first);
    // At most about twice as many taps as this has a box, and a chunk a small part of a block's.
    const std::int64_t taps_of_a_box = a_.shape[2] + a_.shape[3] +
                                       (a_.bins_y + a_.bins_x) * (1 + a_.convention.samples);
    const std::int64_t each =
        std::clamp<std::int64_t>(block_taps / 8 / taps_of_a_box, 1, chunk_boxes);
    const int chunks = int((boxes + each - 1) / each);
    if (each == 1) chunks_.clear();  // each would keep the room of the largest box that it ever held
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
            chunk.y.reserve(std::size_t(2 * each * (a_.shape[2] + a_.bins_y)));
            chunk.x.reserve(std::size_t(2 * each * (a_.shape[3] + a_.bins_x)));
            chunk.first = first + i * each;
            chunk.count = int(std::min<std::int64_t>(each, first + boxes - chunk.first));
            plan_boxes(a_, chunk);
            taps += chunk.taps_and_bins();
            index_columns(chunk, a_.bins_x);
            ++planned;
        }
    });
    chunk_count_ = planned.load();
    const Chunk<Sum>& last = chunks_[std::size_t(chunk_count_ - 1)];
    end_ = last.first + last.count;
}

template <class Sum>
void Block<Sum>::cut_units() {
    const int rows = std::max(1, std::min(a_.bins_y, unit_bins / a_.bins_x));
    tile_bins_ = std::int64_t(rows) * a_.bins_x;
    for (int c = 0; c < chunk_count_; ++c) {
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
    // So that each thread has some.
    const std::int64_t groups = (std::int64_t(4) * a_.threads + slabs - 1) / slabs;
    const Limits limits{
        std::clamp(scratch_bytes / cell_bytes / a_.threads, packed_cells, shared_cells),
        std::max<std::int64_t>(32, std::int64_t(units_.size()) / groups + 1)};
    order_.clear();
    for (const Unit& unit : units_)
        if (cells_to_pack(unit.y, unit.x) > packed_cells || unit.x.size() > piece_columns)
            add_pieces(unit);
        else
            order_.push_back(&unit);
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
    const std::int64_t together = cells_to_pack(y, x), count = last - first;
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

// Cells along y become places in a slab, whose rows that are read are marked as touched.
template <class Sum>
void place_rows(const Rows<Sum>& y, std::int32_t first_row, int pitch, std::uint8_t* touched) {
    const auto end = y.row_taps[y.bin_rows[y.bins]];
    for (auto t = y.row_taps[y.bin_rows[0]]; t < end; ++t) {
        const std::int32_t row = y.place[t] - first_row;
        touched[row] = 1;
        y.place[t] = row * pitch * lanes<Sum>;
    }
}

// Columns become places in a slab's row, whose blocks that are read are marked as touched.
template <class Sum>
void place_columns(std::int32_t* column, int columns, std::int32_t first_column,
                   std::uint8_t* touched) {
    for (int i = 0; i < columns; ++i) {
        const std::int32_t x = column[i] - first_column;
        touched[x / pack_block] = 1;
        column[i] = x * lanes<Sum>;
    }
}

template <class Sum>
void Block<Sum>::add_group(const Unit* const* units, int count) {
    Range y, x;
    for (int i = 0; i < count; ++i)
        if (units[i]->cells()) {
            y.add(units[i]->y);
            x.add(units[i]->x);
        }
    if (y.size() == 0) y = {0, 0};
    x = widened(x);
    Piece<Sum>* piece = arena_.take<Piece<Sum>>(1);
    // An odd pitch keeps rows out of one another's cache sets.
    *piece = piece_of(image_of(*units[0]), y, x, int(x.size()) | 1);
    piece->touched_rows = arena_.take<std::uint8_t>(std::size_t(piece->height));
    piece->touched_blocks = arena_.take<std::uint8_t>(std::size_t(piece->width / pack_block + 1));
    Box<Sum>* boxes = arena_.take<Box<Sum>>(std::size_t(count));
    for (int i = 0; i < count; ++i) {
        Box<Sum>& box = boxes[i] = whole_box(*units[i]);
        if (units[i]->cells()) {
            place_rows(box.y, y.begin, piece->pitch, piece->touched_rows);
            place_columns<Sum>(box.column, box.columns, x.begin, piece->touched_blocks);
        }
        strip_columns_ = std::max<std::int64_t>(strip_columns_, box.columns);
    }
    piece->boxes = boxes;
    piece->count = count;
    groups_.push_back({piece, 1});
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
        std::int32_t* own = arena_.take<std::int32_t>(std::size_t(columns));
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

// A unit too large to pack, cut into rectangles that are not. Each axis is cut by itself.
template <class Sum>
void Block<Sum>::add_pieces(const Unit& unit) {
    const Box<Sum> whole = whole_box(unit);
    const int columns = int(std::min<std::int64_t>(widened(unit.x).size(), piece_columns));
    const int rows = int(std::max<std::int64_t>(1, packed_cells / columns));
    cut(parts_y_, whole.y, unit.y, rows, nullptr);
    cut(parts_x_, whole.x, unit.x, columns, whole.column);
    int pitch = 0;
    for (Part<Sum>& x : parts_x_) {
        x.cells = widened(x.cells);
        x.touched = arena_.take<std::uint8_t>(std::size_t(x.cells.size() / pack_block + 1));
        place_columns<Sum>(x.column, x.columns, x.cells.begin, x.touched);
        pitch = std::max(pitch, int(x.cells.size()) | 1);
        strip_columns_ = std::max<std::int64_t>(strip_columns_, x.columns);
    }
    for (Part<Sum>& y : parts_y_) {
        y.touched = arena_.take<std::uint8_t>(std::size_t(y.cells.size()));
        place_rows(y.rows, y.cells.begin, pitch, y.touched);
    }

    const int count = int(parts_y_.size() * parts_x_.size());
    Piece<Sum>* pieces = arena_.take<Piece<Sum>>(std::size_t(count));
    Box<Sum>* boxes = arena_.take<Box<Sum>>(std::size_t(count));
    groups_.push_back({pieces, count});
    for (const Part<Sum>& y : parts_y_)
        for (const Part<Sum>& x : parts_x_) {
            *boxes = whole;
            boxes->y = y.rows;
            boxes->x = x.rows;
            boxes->column = x.column;
            boxes->columns = x.columns;
            boxes->begins = &y == &parts_y_.front() && &x == &parts_x_.front();
            boxes->ends = &y == &parts_y_.back() && &x == &parts_x_.back();
            *pieces = piece_of(image_of(unit), y.cells, x.cells, pitch);
            pieces->touched_rows = y.touched;
            pieces->touched_blocks = x.touched;
            pieces->boxes = boxes++;
            pieces->count = 1;
            ++pieces;
        }
}

// Parts of at most so many cells each, those that are not empty.
template <class Sum>
void Block<Sum>::cut(std::vector<Part<Sum>>& parts, const Rows<Sum>& rows, Range cells, int most,
                     const std::int32_t* column) {
    parts.clear();
    for (std::int32_t begin = cells.begin; begin < cells.end; begin += most) {
        clip(rows, {begin, begin + most}, column);
        if (clipped_.place.empty()) continue;
        Part<Sum> part;
        for (std::int32_t cell : clipped_.place) part.cells.add(cell);
        if (column)
            index_columns<Sum>(clipped_.place.data(), clipped_.place.data() + clipped_.place.size(),
                               clipped_.column);
        part.rows = rows;
        part.rows.bin_rows = arena_.copy(clipped_.bin_rows);
        part.rows.row_taps = arena_.copy(clipped_.row_taps);
        part.rows.place = arena_.copy(clipped_.place);
        part.rows.weight = arena_.copy(clipped_.weight);
        part.column = arena_.copy(clipped_.column);
        part.columns = int(clipped_.column.size());
        parts.push_back(part);
    }
}

// Gather the taps within some cells; of a sample, which is not divided, both taps or none.
template <class Sum>
void Block<Sum>::clip(const Rows<Sum>& rows, Range cells, const std::int32_t* column) {
    const bool whole_rows = a_.convention.reduction == Reduction::sample_maximum;
    clipped_.clear();
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
                    clipped_.place.push_back(cell(t));
                    clipped_.weight.push_back(rows.weight[t]);
                }
            clipped_.row_taps.push_back(std::int32_t(clipped_.place.size()));
        }
        clipped_.bin_rows.push_back(std::int32_t(clipped_.row_taps.size() - 1));
    }
}

// Planes are packed in blocks of columns; a narrow rectangle is widened to one where it can be.
template <class Sum>
Range Block<Sum>::widened(Range x) const {
    const std::int32_t least = std::int32_t(std::min<std::ptrdiff_t>(pack_block, a_.shape[3]));
    if (x.size() == 0) return {0, 0};
    if (x.size() >= least) return x;
    const std::int32_t begin = std::min(x.begin, std::int32_t(a_.shape[3]) - least);
    return {begin, begin + least};
}

template <class Sum>
Piece<Sum> Block<Sum>::piece_of(std::int64_t image, Range y, Range x, int pitch) {
    Piece<Sum> piece{};
    piece.corner = a_.features + image * a_.strides[0] + y.begin * a_.strides[2] +
                   x.begin * a_.strides[3];
    piece.height = int(y.size());
    piece.width = int(x.size());
    piece.pitch = pitch;
    slab_cells_ = std::max(slab_cells_, std::int64_t(piece.height) * pitch);
    return piece;
}

}  // namespace roicrop
