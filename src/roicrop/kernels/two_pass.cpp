// The two passes: every number that roicrop's compiled core writes is made here.
//
// A plan says, for each axis, which cells make each bin and with which weights: two small sparse
// matrices, R_y and R_x. Pooling a box is pooled = R_y · F · R_xᵀ, for every channel. A direct kernel
// reads sixteen values of F for each bin, channel and sample grid of 2 × 2; two matrix products, one
// after the other, read each value about once.
//
//        the map, packed             the strip                   the tile
//        (box of h × w cells)        (bins × w)                  (bins × bins)
//
//      y ┌──┬──┬──┬──┬──┬──┐
//      0 │  │  │  │  │  │  │  R_y   ┌──┬──┬──┬──┬──┬──┐  R_x   ┌────┬────┬────┐
//      1 │  │  │  │  │  │  │ ─────▶ │  │  │  │  │  │  │ ─────▶ │    │    │    │   ─────▶  out
//      2 │  │  │  │  │  │  │ down   ├──┼──┼──┼──┼──┼──┤ across ├────┼────┼────┤   turned back
//      3 │  │  │  │  │  │  │        │  │  │  │  │  │  │        │    │    │    │
//        └──┴──┴──┴──┴──┴──┘        └──┴──┴──┴──┴──┴──┘        └────┴────┴────┘
//          each cell: 16 channels
//          side by side, one cache line
//
// Before: `pack` copies the rectangle that a group of boxes touches, sixteen channels of it, so that
// the channels of a cell are neighbours (for channels-last maps they are already, and this is little
// more than a copy). From there on the arithmetic is the same for every lane, and a lane is a channel.
//
// Down: a row of the strip is the weighted sum of the map rows that its bin names. Only columns that
// the box reads are summed; `Box::column` lists them. Four columns are summed at once, so that one
// weight is fetched for four cells.
//
// Across: a bin is the weighted sum of the strip columns that it names. Four strip rows lie
// interleaved, so that one weight serves four bins.
//
// After: the tile, whose lanes are channels, is turned so that bins are neighbours, and written. A
// channels-last output is a tile already: averages go there as they are made.
//
// RoIPool is the same with (max, no weight) in place of (+, ×), ONNX's maximum with (max, ×). For the
// maximum over samples a row of R is one sample, not one bin: both passes interpolate, and the
// maximum is taken as the tile is filled. What these do to a value is in the struct `Taps` and in
// `to_bin`; no loop is written out again for a reduction or for an element type.
//
// A box too large to pack comes in pieces. Each piece adds to the same tile; the pieces' borders
// depend on the box alone, so the result depends on neither threads nor scratch.
//
// This file is compiled once for each level of vector instructions. It must not use anything with a
// linkage of its own that is not inlined (no standard containers): see lanes.hpp.

#include <algorithm>
#include <limits>
#include <type_traits>

#include "lanes.hpp"
#include "two_pass.hpp"

namespace roicrop {
namespace {

// How many accumulators fit in the registers decides how many strip rows are taken together.
constexpr int rows_together = vector_bytes == 16 ? 2 : rows_together_at_most;

constexpr int cells_ahead = 64;  // of a channels-last map are fetched before they are used

template <class Sum>
struct Cell {
    Vector<Sum> part[vectors_in_cell];
};

// What a tap does to the accumulator, and from where it starts.
template <Reduction reduction>
struct Taps {
    static constexpr bool adds =
        reduction == Reduction::sum || reduction == Reduction::sample_maximum;
    static constexpr bool weighs = reduction != Reduction::maximum;

    template <class Sum>
    static constexpr Sum start = adds ? Sum(0) : -std::numeric_limits<Sum>::infinity();

    template <class Sum>
    static void take(Cell<Sum>& into, Sum weight, const Sum* cell) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors_in_cell; ++v) {
            const Vector<Sum> value = load<Sum>(cell + v * width<Sum>);
            if constexpr (adds)
                into.part[v] += weight * value;
            else if constexpr (weighs)
                into.part[v] = larger(weight * value, into.part[v]);
            else
                into.part[v] = larger(value, into.part[v]);
        }
    }
};

template <class Sum, int n>
inline void fill(Cell<Sum> (&cells)[n], Sum value) {
#pragma GCC unroll 4
    for (auto& cell : cells)
#pragma GCC unroll 4
        for (auto& part : cell.part) part = splat(value);
}

// Down: `rows` rows of the strip, from row `first` of R_y on. Column j of strip row r lies at
// (j · rows + r) cells.
template <Reduction reduction, int rows, class Sum>
void down(Sum* strip, const Sum* slab, const Box<Sum>& box, int first) {
    using T = Taps<reduction>;
    const auto& y = box.y;
    for (int r = 0; r < rows; ++r) {
        const int begin = y.row_taps[first + r], end = y.row_taps[first + r + 1];
        for (int j = 0; j < box.columns; j += column_block) {
            const std::int32_t* column = box.column + j;
            Cell<Sum> cells[column_block];
            fill(cells, T::template start<Sum>);
            for (int t = begin; t < end; ++t) {
                const Sum* row = slab + y.place[t];
                const Sum weight = y.weight[t];
#pragma GCC unroll 4
                for (int i = 0; i < column_block; ++i) T::take(cells[i], weight, row + column[i]);
            }
#pragma GCC unroll 4
            for (int i = 0; i < column_block; ++i)
#pragma GCC unroll 4
                for (int v = 0; v < vectors_in_cell; ++v)
                    store(strip + ((j + i) * rows + r) * lanes<Sum> + v * width<Sum>,
                          cells[i].part[v]);
        }
    }
}

// Where the bins of a box go, a cell for each: the tile, or straight to a channels-last output.
template <class Sum>
struct Bins {
    Sum* first;
    std::ptrdiff_t to_below, to_next;  // elements from a bin to the one below it, beside it
    bool streams;

    Sum* at(int p, int q) const { return first + p * to_below + q * to_next; }
    Bins below(int rows) const { return {at(rows, 0), to_below, to_next, streams}; }
};

// Whether what is made of a bin is all of it, or other pieces of the map and other samples add to it.
enum class Put { whole, part };

template <Reduction reduction, Put put, class Sum>
inline void to_bin(Sum* bin, Vector<Sum> value, bool streams) {
    if constexpr (put == Put::whole)
        return streams ? stream(bin, value) : store(bin, value);
    const Vector<Sum> so_far = load<Sum>(bin);
    store(bin, reduction == Reduction::sum ? so_far + value : larger(value, so_far));
}

// Across: all bins of `rows` strip rows. Strip row r goes to row r of the bins, or, for the maximum
// over samples, all of them to the first.
template <Reduction reduction, Put put, int rows, class Sum>
void across(Bins<Sum> bins, const Sum* strip, const Box<Sum>& box) {
    using T = Taps<reduction>;
    const auto& x = box.x;
    const std::ptrdiff_t below = reduction == Reduction::sample_maximum ? 0 : bins.to_below;
    for (int bin = 0; bin < x.bins; ++bin, bins.first += bins.to_next) {
        for (int sample = x.bin_rows[bin]; sample < x.bin_rows[bin + 1]; ++sample) {
            Cell<Sum> cells[rows];
            fill(cells, T::template start<Sum>);
            for (int t = x.row_taps[sample]; t < x.row_taps[sample + 1]; ++t) {
                const Sum* column = strip + x.place[t] * rows;
                const Sum weight = x.weight[t];
#pragma GCC unroll 4
                for (int r = 0; r < rows; ++r) T::take(cells[r], weight, column + r * lanes<Sum>);
            }
#pragma GCC unroll 4
            for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
                for (int v = 0; v < vectors_in_cell; ++v)
                    to_bin<reduction, put>(bins.first + r * below + v * width<Sum>,
                                           cells[r].part[v], bins.streams);
        }
    }
}

template <Reduction reduction, Put put, int rows, class Sum>
inline void down_and_across(const Task<Sum>& task, const Box<Sum>& box, Bins<Sum> bins, int first) {
    down<reduction, rows>(task.strip, task.slab, box, first);
    across<reduction, put, rows>(bins, task.strip, box);
}

template <Reduction reduction, Put put, class Sum>
inline void some_rows(const Task<Sum>& task, const Box<Sum>& box, Bins<Sum> bins, int first,
                      int rows) {
    if (rows == 1) return down_and_across<reduction, put, 1>(task, box, bins, first);
    if (rows == 2) return down_and_across<reduction, put, 2>(task, box, bins, first);
    if constexpr (rows_together > 2) {
        if (rows == 3) return down_and_across<reduction, put, 3>(task, box, bins, first);
        return down_and_across<reduction, put, 4>(task, box, bins, first);
    }
}

template <Reduction reduction, Put put, class Sum>
void pool(const Task<Sum>& task, const Box<Sum>& box, Bins<Sum> bins) {
    if (reduction != Reduction::sample_maximum) {
        for (int bin = 0; bin < box.y.bins; bin += rows_together)
            some_rows<reduction, put>(task, box, bins.below(bin), box.y.bin_rows[bin],
                                      std::min(rows_together, box.y.bins - bin));
        return;
    }
    for (int bin = 0; bin < box.y.bins; ++bin) {
        const int end = box.y.bin_rows[bin + 1];
        for (int row = box.y.bin_rows[bin]; row < end; row += rows_together)
            some_rows<reduction, put>(task, box, bins.below(bin), row,
                                      std::min(rows_together, end - row));
    }
}

template <class Sum>
inline void set(Sum* cell, Sum value) {
    for (int v = 0; v < vectors_in_cell; ++v) store(cell + v * width<Sum>, splat(value));
}

template <Reduction reduction, class Sum>
void start_bins(const Task<Sum>& task, const Box<Sum>& box, Bins<Sum> bins) {
    const Sum start = reduction == Reduction::sum ? Sum(0) : Sum(task.maximum_start);
    for (int p = 0; p < box.y.bins; ++p)
        for (int q = 0; q < box.x.bins; ++q)
            set(bins.at(p, q), start);
}

template <class Sum>
inline void raise_to_zero(Sum* cell) {
    for (int v = 0; v < vectors_in_cell; ++v, cell += width<Sum>)
        store(cell, larger(load<Sum>(cell), splat(Sum(0))));
}

template <class Sum>
void finish_bins(const Task<Sum>& task, const Box<Sum>& box, Bins<Sum> bins) {
    for (int p = 0; p < box.y.bins; ++p)
        for (int q = 0; q < box.x.bins; ++q) {
            if (box.y.zero[p] | box.x.zero[q]) raise_to_zero(bins.at(p, q));
            if (box.y.empty[p] | box.x.empty[q]) set(bins.at(p, q), Sum(task.empty_value));
        }
}

// ---- between the map's layout and cells -------------------------------------------------------

template <class Element>
inline const Element* at(const char* base, std::ptrdiff_t offset) {
    return reinterpret_cast<const Element*>(base + offset);
}

template <class Element, class Sum>
void pack_one_by_one(const Task<Sum>& task, Sum* to, const char* from, int columns) {
    for (int x = 0; x < columns; ++x)
        for (int c = 0; c < lanes<Sum>; ++c)
            to[x * lanes<Sum> + c] = one(at<Element>(
                from, std::min(c, task.channels - 1) * task.in.channel + x * task.in.x));
}

// pack_block columns of one row. Lanes without a channel of their own repeat the last one.
template <class Element, class Sum>
void pack_planes(const Task<Sum>& task, Sum* to, const char* from) {
    constexpr int n = width<Sum>;
    for (int v = 0; v < vectors_in_cell; ++v) {
        const char* plane[n];
        for (int i = 0; i < n; ++i)
            plane[i] = from + std::min(v * n + i, task.channels - 1) * task.in.channel;
        for (int x = 0; x < pack_block; x += n) {
            Vector<Sum> turned[n];
#pragma GCC unroll 16
            for (int i = 0; i < n; ++i)
                turned[i] = load<Sum>(at<Element>(plane[i], 0) + x);
            transpose<Sum>(turned);
#pragma GCC unroll 16
            for (int i = 0; i < n; ++i) store(to + (x + i) * lanes<Sum> + v * n, turned[i]);
        }
    }
}

template <class Element, class Sum>
inline void pack_cell(Sum* to, const Element* cell) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors_in_cell; ++v)
        store(to + v * width<Sum>, load<Sum>(cell + v * width<Sum>));
}

// Cells of a channels-last map lie so far apart that the processor does not see them coming. `ahead`:
// bytes from a cell to the one that is wanted some rows later.
template <class Element, class Sum>
void pack_cells(const Task<Sum>& task, Sum* to, const char* from, int columns,
                std::ptrdiff_t ahead) {
    const std::ptrdiff_t step = task.in.x;
    const std::ptrdiff_t bytes = task.channels * std::ptrdiff_t(sizeof(Element));
    if (task.channels == lanes<Sum>) {
        for (int x = 0; x < columns; ++x, to += lanes<Sum>, from += step) {
            fetch(from + ahead, bytes);
            pack_cell(to, at<Element>(from, 0));
        }
        return;
    }
    const std::ptrdiff_t more_bytes = task.more_channels * std::ptrdiff_t(sizeof(Element));
    const std::ptrdiff_t more = (task.more_first - task.first_channel) * task.in.channel;
    alignas(cell_bytes) Element some[lanes<Sum>] = {};
    for (int x = 0; x < columns; ++x, to += lanes<Sum>, from += step) {
        fetch(from + ahead, bytes);
        copy_some(some, from, bytes);
        copy_some(some + task.channels, from + more, more_bytes);
        pack_cell(to, some);
    }
}

// The columns from x on, at most pack_block of them, of row y.
template <class Element, class Sum>
void pack_some(const Task<Sum>& task, const Piece<Sum>& piece, int y, int x) {
    const bool planes = task.in.layout == Layout::planes && piece.width >= pack_block;
    const int columns = std::min(pack_block, piece.width - x);
    // A last block that is not full begins earlier, and repeats what the one before it did.
    const int begin = planes ? std::min(x, piece.width - pack_block) : x;
    Sum* to = task.slab + (std::ptrdiff_t(y) * piece.pitch + begin) * lanes<Sum>;
    const char* from = piece.corner + task.first_channel * task.in.channel + y * task.in.y +
                       begin * task.in.x;
    if (planes) return pack_planes<Element>(task, to, from);
    if (task.in.layout != Layout::cells) return pack_one_by_one<Element>(task, to, from, columns);
    const int rows_ahead = 1 + cells_ahead / piece.width;
    const bool last_rows = y + rows_ahead >= piece.height;
    pack_cells<Element>(task, to, from, columns, last_rows ? 0 : rows_ahead * task.in.y);
}

template <class Element, class Sum>
void pack(Tasks<Sum> tasks, const Piece<Sum>& piece) {
    for (int y = 0; y < piece.height; ++y) {
        if (!piece.touched_rows[y]) continue;
        for (int x = 0; x < piece.width; x += pack_block) {
            if (!piece.touched_blocks[x / pack_block]) continue;
            for (int i = 0; i < tasks.count; ++i) pack_some<Element>(tasks.slabs[i], piece, y, x);
        }
    }
}

template <class Element, class Sum>
void write_one_by_one(const Task<Sum>& task, const Box<Sum>& box) {
    const Sum* cell = task.tile;
    for (int p = 0; p < box.y.bins; ++p)
        for (int q = 0; q < box.x.bins; ++q, cell += lanes<Sum>)
            for (int c = 0; c < task.channels; ++c) {
                const std::ptrdiff_t to = (task.first_channel + c) * task.out.channel +
                                          p * task.out.y + q * task.out.x;
                one(reinterpret_cast<Element*>(box.out + to), cell[c]);
            }
}

// Channels first, with a channel's bins in one run. The tile is turned into `task.turned`, which then
// holds what the output holds, and copied from there.
template <class Element, class Sum>
void write_planes(const Task<Sum>& task, const Box<Sum>& box) {
    constexpr int n = width<Sum>;
    const int bins = box.y.bins * box.x.bins;
    Element* const turned = reinterpret_cast<Element*>(task.turned);
    for (int bin = 0; bin < bins; bin += n) {
        // A last block that is not full begins earlier. With fewer bins than a vector has elements,
        // what a channel writes too much is the next one's, which writes it again.
        const int first = std::max(0, std::min(bin, bins - n));
        for (int v = 0; v < vectors_in_cell; ++v) {
            Vector<Sum> block[n];
#pragma GCC unroll 16
            for (int i = 0; i < n; ++i)
                block[i] = load<Sum>(task.tile + (first + i) * lanes<Sum> + v * n);
            transpose<Sum>(block);
#pragma GCC unroll 16
            for (int i = 0; i < n; ++i) store(turned + (v * n + i) * bins + first, block[i]);
        }
    }
    char* to = box.out + task.first_channel * task.out.channel;
    const std::ptrdiff_t run = bins * std::ptrdiff_t(sizeof(Element));
    if (task.out.channel == run) return copy(to, turned, run * task.channels, task.streams);
    for (int c = 0; c < task.channels; ++c)
        copy(to + c * task.out.channel, turned + c * bins, run, task.streams);
}

// Channels last: a bin's lanes are neighbours in the output as they are in the tile.
template <class Element, class Sum>
void write_cells(const Task<Sum>& task, const Box<Sum>& box) {
    const Sum* cell = task.tile;
    char* first = box.out + task.first_channel * task.out.channel;
    const std::ptrdiff_t bytes = task.channels * std::ptrdiff_t(sizeof(Element));
    const std::ptrdiff_t more_bytes = task.more_channels * std::ptrdiff_t(sizeof(Element));
    const bool whole = std::is_same_v<Element, Sum> && bytes == cell_bytes;
    for (int p = 0; p < box.y.bins; ++p)
        for (int q = 0; q < box.x.bins; ++q, cell += lanes<Sum>) {
            char* to = first + p * task.out.y + q * task.out.x;
            if (whole) {
                copy(to, cell, cell_bytes, task.streams);
                continue;
            }
            alignas(cell_bytes) Element line[lanes<Sum>];
            for (int v = 0; v < vectors_in_cell; ++v)
                store(line + v * width<Sum>, load<Sum>(cell + v * width<Sum>));
            copy_some(to, line, bytes);
            copy_some(to + (task.more_first - task.first_channel) * task.out.channel,
                      line + task.channels, more_bytes);
        }
}

// The same for several slabs, whose channels are neighbours too: what is written is longer, and
// more of it is whole cache lines. This puts one slab's into the line.
template <class Element, class Sum>
void collect_cells(const Task<Sum>& task, const Box<Sum>& box, Element* line, int slabs) {
    const Sum* cell = task.tile;
    const int bins = box.y.bins * box.x.bins;
    for (int bin = 0; bin < bins; ++bin, cell += lanes<Sum>, line += slabs * lanes<Sum>)
        for (int v = 0; v < vectors_in_cell; ++v)
            store(line + v * width<Sum>, load<Sum>(cell + v * width<Sum>));
}

template <class Element, class Sum>
void write_collected(Tasks<Sum> tasks, const Box<Sum>& box) {
    const Task<Sum> &first = tasks.slabs[0], &last = tasks.slabs[tasks.count - 1];
    const std::ptrdiff_t size = sizeof(Element);
    const std::ptrdiff_t bytes = (last.first_channel + last.channels - first.first_channel) * size;
    const char* line = tasks.line;
    char* to = box.out + first.first_channel * first.out.channel;
    for (int p = 0; p < box.y.bins; ++p)
        for (int q = 0; q < box.x.bins; ++q, line += tasks.count * lanes<Sum> * size)
            copy(to + p * first.out.y + q * first.out.x, line, bytes, first.streams);
}

template <class Element, class Sum>
void write(const Task<Sum>& task, const Box<Sum>& box) {
    switch (task.out.layout) {
        case Layout::planes: return write_planes<Element>(task, box);
        case Layout::cells: return write_cells<Element>(task, box);
        case Layout::scattered: return write_one_by_one<Element>(task, box);
    }
}

// ---- the tasks --------------------------------------------------------------------------------

// Where channels are neighbours in the output and fill the lanes, bins need not stop at the tile.
template <class Element, class Sum>
bool output_is_tile(const Task<Sum>& task) {
    constexpr std::ptrdiff_t size = sizeof(Sum);
    return std::is_same_v<Element, Sum> && task.out.layout == Layout::cells &&
           task.channels == lanes<Sum> && task.out.y % size == 0 && task.out.x % size == 0;
}

template <class Sum>
Bins<Sum> bins_of_output(const Task<Sum>& task, const Box<Sum>& box) {
    char* first = box.out + task.first_channel * task.out.channel;
    const auto unaligned = reinterpret_cast<std::intptr_t>(first) | task.out.y | task.out.x;
    constexpr std::ptrdiff_t size = sizeof(Sum);
    return {reinterpret_cast<Sum*>(first), task.out.y / size, task.out.x / size,
            task.streams && unaligned % cell_bytes == 0};
}

// Whether the tile then holds all of the box.
template <Reduction reduction, class Sum>
bool pool_into_tile(const Task<Sum>& task, const Box<Sum>& box) {
    const Bins<Sum> tile{task.tile, box.x.bins * lanes<Sum>, lanes<Sum>, false};
    if (reduction == Reduction::sum && box.begins && box.ends) {
        pool<reduction, Put::whole>(task, box, tile);
    } else {
        if (box.begins) start_bins<reduction>(task, box, tile);
        pool<reduction, Put::part>(task, box, tile);
    }
    if (box.ends) finish_bins(task, box, tile);
    return box.ends;
}

template <class Element, Reduction reduction, class Sum>
void pool_box(const Task<Sum>& task, const Box<Sum>& box) {
    if constexpr (reduction == Reduction::sum)
        if (box.begins && box.ends && output_is_tile<Element>(task)) {
            const Bins<Sum> bins = bins_of_output(task, box);
            pool<reduction, Put::whole>(task, box, bins);
            finish_bins(task, box, bins);
            return;
        }
    if (pool_into_tile<reduction>(task, box)) write<Element>(task, box);
}

template <class Element, Reduction reduction, class Sum>
void pool_box_together(Tasks<Sum> tasks, const Box<Sum>& box) {
    Element* line = reinterpret_cast<Element*>(tasks.line);
    for (int i = 0; i < tasks.count; ++i) {
        pool_into_tile<reduction>(tasks.slabs[i], box);
        collect_cells(tasks.slabs[i], box, line + i * lanes<Sum>, tasks.count);
    }
    write_collected<Element>(tasks, box);
}

template <class Element, Reduction reduction, class Sum>
void run(Tasks<Sum> tasks) {
    const Task<Sum>& any = *tasks.slabs;
    // A box that comes in pieces keeps the one tile that there is until the last of them.
    if (any.count > 1 && tasks.count > 1) {
        for (int i = 0; i < tasks.count; ++i)
            run<Element, reduction>(Tasks<Sum>{tasks.slabs + i, 1, tasks.line});
        return;
    }
    for (int i = 0; i < any.count; ++i) {
        const Piece<Sum>& piece = any.pieces[i];
        pack<Element>(tasks, piece);
        for (int k = 0; k < piece.count; ++k)
            if (tasks.count > 1)
                pool_box_together<Element, reduction>(tasks, piece.boxes[k]);
            else
                pool_box<Element, reduction>(any, piece.boxes[k]);
    }
    if (any.streams) finish_streams();
}

template <class Element, class Sum>
void by_reduction(Reduction reduction, Tasks<Sum> tasks) {
    switch (reduction) {
        case Reduction::sum: return run<Element, Reduction::sum>(tasks);
        case Reduction::sample_maximum: return run<Element, Reduction::sample_maximum>(tasks);
        case Reduction::corner_maximum: return run<Element, Reduction::corner_maximum>(tasks);
        case Reduction::maximum: return run<Element, Reduction::maximum>(tasks);
    }
}

void single(Element element, Reduction reduction, Tasks<float> tasks) {
    if (element == Element::half) return by_reduction<half>(reduction, tasks);
    by_reduction<float>(reduction, tasks);
}

void real64(Element, Reduction reduction, Tasks<double> tasks) {
    by_reduction<double>(reduction, tasks);
}

}  // namespace

namespace LEVEL {
const Passes passes = {single, real64};
}

}  // namespace roicrop
