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
// Before: of the rectangle that a group of boxes touches, `pack` copies the rows and the blocks of
// columns that any of them reads, as many channels as fill a cache line (16 of float32, 32 of float16,
// 8 of float64), so that the channels of a cell are neighbours. For channels-last maps they are
// already, and this is a copy. Integers, and numbers in the other byte order, become the output's
// elements here. From there on the arithmetic is the same for every lane, and a lane is a channel.
// float16 becomes float32 as it is summed.
//
// Down: a row of the strip is the weighted sum of the map rows that its bin names. Only columns that
// the box reads are summed; `Box::column` lists them. Some columns are summed at once, up to four, as
// the registers allow, so that one weight is fetched for all of them.
//
// Across: a bin is the weighted sum of the strip columns that it names. Some strip rows lie
// interleaved, again up to four, so that one weight serves a bin of each.
//
// After: the tile, whose lanes are channels, is turned so that bins are neighbours, and written. A
// channels-last output is a tile already: mostly bins go there as they are made. A large one is
// written in whole cache lines, but for its boxes' ends. Where slabs end within lines, what is left of one waits for the next
// slab, and at the end of a run of slabs for the seam with its neighbour to be closed.
//
// RoIPool is the same with (max, no weight) in place of (+, ×), ONNX's maximum with (max, ×). For the
// maximum over samples a row of R is one sample, not one bin: both passes interpolate, and the
// maximum is taken as the bins are filled. What these do to a value is in the struct `Taps` and where
// a bin goes in `Whole`, `Partial` and `Lines`; no loop is written out again for a reduction or for an
// element type.
//
// A box too large to pack comes in pieces. Each piece adds to the same tile; the pieces' borders
// depend on the box alone, so the result depends on neither threads nor scratch.
//
// This file is compiled once for each level of vector instructions. It must not use anything with a
// linkage of its own that is not inlined (no standard containers): see lanes.hpp.

#include <algorithm>
#include <limits>

#include "lanes.hpp"
#include "numbers.hpp"
#include "two_pass.hpp"

namespace roicrop {
namespace {

// How many accumulators fit in the registers, and rows in the strip.
constexpr int vectors_together = 8;
template <class Element>
constexpr int rows_together =
    std::max(1, std::min(vectors_together / parts<Element>,
                         strip_column_bytes / (lanes<Element> * int(sizeof(SumOf<Element>)))));
template <class Element>
constexpr int columns_together =
    std::max(1, std::min(vectors_together / parts<Element>, column_block));

constexpr int cells_ahead = 64;  // of a channels-last map are fetched before they are used

// What a bin has of the cache line in which a slab begins: see Task.
struct Waiting {
    char* lines;
    bool of_one_box;  // or of the whole group

    char* of_box(std::int64_t first_bin) const {
        return lines + (of_one_box ? 0 : first_bin * cell_bytes);
    }
};

// One slab of a run: the channels are its own, at most as many as there are lanes.
template <class Sum>
struct Slab : Task<Sum> {
    char* cells;
    Sum* tile;
    int first_of_run;  // channel
    Waiting before, after;
    bool closes;  // the seam at the end of the run
    bool converts;
    Gather gather;
};

// What a tap does to the accumulator, and from where it starts.
template <Reduction reduction>
struct Taps {
    static constexpr bool adds =
        reduction == Reduction::sum || reduction == Reduction::sample_maximum;
    static constexpr bool weighs = reduction != Reduction::maximum;

    template <class Sum>
    static constexpr Sum start = adds ? Sum(0) : -std::numeric_limits<Sum>::infinity();

    template <class Element, class Sum, class Packed>
    static void take(Cell<Element>& into, Sum weight, const Packed* cell) {
#pragma GCC unroll 8
        for (int v = 0; v < parts<Element>; ++v) {
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

template <class Element>
inline Cell<Element> cell_of(SumOf<Element> value) {
    Cell<Element> cell;
    for (auto& part : cell.part) part = splat(value);
    return cell;
}

template <class Element, int n>
inline void fill(Cell<Element> (&cells)[n], SumOf<Element> value) {
#pragma GCC unroll 8
    for (auto& cell : cells) cell = cell_of<Element>(value);
}

// Down: `rows` rows of the strip, from row `first` of R_y on. Column j of strip row r lies at
// (j · rows + r) cells.
template <class Element, Reduction reduction, int rows, class Sum>
void down(Sum* strip, const char* slab, const Box<Sum>& box, int first) {
    using T = Taps<reduction>;
    constexpr int columns = columns_together<Element>;
    const auto& y = box.y;
    for (int r = 0; r < rows; ++r) {
        const int begin = y.row_taps[first + r], end = y.row_taps[first + r + 1];
        for (int j = 0; j < box.columns; j += columns) {
            const std::int32_t* column = box.column + j;
            Cell<Element> cells[columns];
            fill(cells, T::template start<Sum>);
            for (int t = begin; t < end; ++t) {
                const char* row = slab + y.place[t];
                const Sum weight = y.weight[t];
#pragma GCC unroll 4
                for (int i = 0; i < columns; ++i)
                    T::take(cells[i], weight, reinterpret_cast<const Element*>(row + column[i]));
            }
#pragma GCC unroll 4
            for (int i = 0; i < columns; ++i)
#pragma GCC unroll 8
                for (int v = 0; v < parts<Element>; ++v)
                    store(strip + ((j + i) * rows + r) * lanes<Element> + v * width<Sum>,
                          cells[i].part[v]);
        }
    }
}

// Where the bins of a box go. `put` is given the next bin of a row.
//
// Whole: what is made of a bin is all of it. It goes to the tile, or straight to an output whose
// channels are neighbours.
template <class Element, class To>
struct Whole {
    To* bin;
    std::ptrdiff_t to_below, to_next;  // elements from a bin to the one below it, beside it
    bool streams;

    Whole below(int rows) const { return {bin + rows * to_below, to_below, to_next, streams}; }
    void next() { bin += to_next; }
    void put(int row, const Cell<Element>& cell) const {
        constexpr int each = width<SumOf<Element>>;
#pragma GCC unroll 8
        for (int v = 0; v < parts<Element>; ++v) {
            To* const to = bin + row * to_below + v * each;
            streams ? stream(to, cell.part[v]) : store(to, cell.part[v]);
        }
    }
};

// Partial: other pieces of the map, or other samples, add to the tile too.
template <class Element, bool adds>
struct Partial {
    using Sum = SumOf<Element>;
    Sum* bin;
    std::ptrdiff_t to_below;

    Partial below(int rows) const { return {bin + rows * to_below, to_below}; }
    void next() { bin += lanes<Element>; }
    void put(int row, const Cell<Element>& cell) const {
#pragma GCC unroll 8
        for (int v = 0; v < parts<Element>; ++v) {
            Sum* const to = bin + row * to_below + v * width<Sum>;
            const Vector<Sum> so_far = load<Sum>(to);
            store(to, adds ? so_far + cell.part[v] : larger(cell.part[v], so_far));
        }
    }
};

// Lines: the output's cache lines, which slabs mostly do not fill by themselves. What is left waits.
template <class Element>
struct Lines {
    char* bin;  // the slab's channels of it
    const char* before;
    char* after;
    std::ptrdiff_t to_below, to_next, line_to_below;  // bytes
    std::ptrdiff_t in_run, bytes;  // of a bin: in earlier slabs of the run, in this one

    Lines below(int rows) const {
        Lines moved = *this;
        moved.bin += rows * to_below;
        moved.before += rows * line_to_below;
        moved.after += rows * line_to_below;
        return moved;
    }
    void next() {
        bin += to_next;
        before += cell_bytes;
        after += cell_bytes;
    }
    void put(int row, const Cell<Element>& cell) const {
        char* const to = bin + row * to_below;
        const std::ptrdiff_t waiting = into_line(to);
        const Line now = line_of(cell);
        if (waiting == 0 && bytes == cell_bytes) return put_line(to, now, true);
        const Line past = line_at(before + row * line_to_below);
        if (waiting <= in_run && waiting + bytes >= cell_bytes)
            put_line(to - waiting, joined(past, now, cell_bytes - waiting), true);
        put_line(after + row * line_to_below, bytes == cell_bytes ? now : joined(past, now, bytes),
                 false);
    }
};

template <Reduction reduction, class Sum>
inline Sum start_of_bin(const Slab<Sum>& slab) {
    return reduction == Reduction::sum ? Sum(0) : Sum(slab.maximum_start);
}

// Across: all bins of `rows` strip rows. For the maximum over samples these rows are samples of one
// row of bins.
template <class Element, Reduction reduction, int rows, class Sum, class Sink>
void across(const Slab<Sum>& slab, const Box<Sum>& box, Sink sink) {
    using T = Taps<reduction>;
    constexpr bool of_samples = reduction == Reduction::sample_maximum;
    const Sum start = start_of_bin<reduction>(slab);
    const auto& x = box.x;
    for (int bin = 0; bin < x.bins; ++bin, sink.next()) {
        Cell<Element> cells[rows], best;
        if constexpr (of_samples)
            best = cell_of<Element>(start);
        else
            fill(cells, start);
        for (int row = x.bin_rows[bin]; row < x.bin_rows[bin + 1]; ++row) {
            if constexpr (of_samples) fill(cells, Sum(0));
            for (int t = x.row_taps[row]; t < x.row_taps[row + 1]; ++t) {
                const Sum* column = slab.strip + x.place[t] * (rows * lanes<Element>);
                const Sum weight = x.weight[t];
#pragma GCC unroll 4
                for (int r = 0; r < rows; ++r)
                    T::take(cells[r], weight, column + r * lanes<Element>);
            }
            if constexpr (of_samples)
#pragma GCC unroll 4
                for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
                    for (int v = 0; v < parts<Element>; ++v)
                        best.part[v] = larger(cells[r].part[v], best.part[v]);
        }
        if constexpr (of_samples)
            sink.put(0, best);
        else
#pragma GCC unroll 4
            for (int r = 0; r < rows; ++r) sink.put(r, cells[r]);
    }
}

template <class Element, Reduction reduction, int rows, class Sum, class Sink>
inline void down_and_across(const Slab<Sum>& slab, const Box<Sum>& box, Sink sink, int first) {
    down<Element, reduction, rows>(slab.strip, slab.cells, box, first);
    across<Element, reduction, rows>(slab, box, sink);
}

template <class Element, Reduction reduction, class Sum, class Sink>
inline void some_rows(const Slab<Sum>& slab, const Box<Sum>& box, Sink sink, int first, int rows) {
    constexpr int most = rows_together<Element>;
    if (rows == 1) return down_and_across<Element, reduction, 1>(slab, box, sink, first);
    if constexpr (most >= 2)
        if (rows == 2) return down_and_across<Element, reduction, 2>(slab, box, sink, first);
    if constexpr (most >= 3)
        if (rows == 3) return down_and_across<Element, reduction, 3>(slab, box, sink, first);
    if constexpr (most >= 4)
        if (rows == 4) return down_and_across<Element, reduction, 4>(slab, box, sink, first);
}

template <class Element, Reduction reduction, class Sum, class Sink>
void pool(const Slab<Sum>& slab, const Box<Sum>& box, Sink sink) {
    constexpr int most = rows_together<Element>;
    if (reduction != Reduction::sample_maximum) {
        for (int bin = 0; bin < box.y.bins; bin += most)
            some_rows<Element, reduction>(slab, box, sink.below(bin), box.y.bin_rows[bin],
                                          std::min(most, box.y.bins - bin));
        return;
    }
    for (int bin = 0; bin < box.y.bins; ++bin) {
        const int end = box.y.bin_rows[bin + 1];
        for (int row = box.y.bin_rows[bin]; row < end; row += most)
            some_rows<Element, reduction>(slab, box, sink.below(bin), row,
                                          std::min(most, end - row));
    }
}

// Whether `pool` puts each bin once, and all of it.
template <class Element, Reduction reduction, class Sum>
bool puts_whole(const Box<Sum>& box) {
    if (!(box.begins && box.ends)) return false;
    if (reduction != Reduction::sample_maximum) return true;
    for (int bin = 0; bin < box.y.bins; ++bin) {
        const int rows = box.y.bin_rows[bin + 1] - box.y.bin_rows[bin];
        if (rows == 0 || rows > rows_together<Element>) return false;
    }
    return true;
}

template <class Element>
inline void set(SumOf<Element>* cell, SumOf<Element> value) {
    Whole<Element, SumOf<Element>>{cell, 0, 0, false}.put(0, cell_of<Element>(value));
}

template <class Element, Reduction reduction, class Sum>
void start_bins(const Slab<Sum>& slab, const Box<Sum>& box) {
    Sum* cell = slab.tile;
    for (int bin = 0; bin < box.y.bins * box.x.bins; ++bin, cell += lanes<Element>)
        set<Element>(cell, start_of_bin<reduction>(slab));
}

template <class Element, class Sum>
void finish_bins(const Slab<Sum>& slab, const Box<Sum>& box) {
    Sum* cell = slab.tile;
    for (int p = 0; p < box.y.bins; ++p)
        for (int q = 0; q < box.x.bins; ++q, cell += lanes<Element>) {
            if (box.y.zero[p] | box.x.zero[q])
                Partial<Element, false>{cell, 0}.put(0, cell_of<Element>(0));
            if (box.y.empty[p] | box.x.empty[q]) set<Element>(cell, Sum(slab.empty_value));
        }
}

// ---- between the map's layout and cells -------------------------------------------------------

// Lanes without a channel of their own hold what is no one's: here nothing, below other channels.
template <class Element, class Sum>
void pack_one_by_one(const Slab<Sum>& slab, Element* to, const char* from, int columns) {
    for (int x = 0; x < columns; ++x, to += lanes<Element>, from += slab.in.x) {
        alignas(cell_bytes) Element cell[lanes<Element>] = {};
        slab.gather(cell, from, slab.in.channel, slab.channels);
        std::memcpy(to, cell, cell_bytes);
    }
}

// Some columns of one row, n at a time. A last run that is not full begins earlier, and repeats what
// the one before it did; where there is none before it, runs are shorter.
template <class Element, int n, class Sum>
void pack_planes(const Slab<Sum>& slab, Element* to, const char* from, std::ptrdiff_t to_channel,
                 int columns) {
    if constexpr (n == 1) {
        for (int c = 0; c < lanes<Element>; ++c)
            std::memcpy(to + c, from + std::min(c, slab.channels - 1) * to_channel,
                        sizeof(Element));
    } else {
        if (columns < n)
            return pack_planes<Element, n / 2>(slab, to, from, to_channel, columns);
        for (int c = 0; c < lanes<Element>; c += n) {
            const char* plane[n];
            for (int i = 0; i < n; ++i)
                plane[i] = from + std::min(c + i, slab.channels - 1) * to_channel;
            for (int x = 0; x < columns; x += n) {
                const int first = std::min(x, columns - n);
                Run<Element, n> turned[n];
#pragma GCC unroll 16
                for (int i = 0; i < n; ++i)
                    turned[i] = load_run<Element, n>(plane[i] +
                                                     first * std::ptrdiff_t(sizeof(Element)));
                transpose(turned);
#pragma GCC unroll 16
                for (int i = 0; i < n; ++i)
                    store_run<Element, n>(to + (first + i) * lanes<Element> + c, turned[i]);
            }
        }
    }
}

template <class Element, class Sum>
void pack_block_of_planes(const Slab<Sum>& slab, Element* to, const char* from, int columns) {
    constexpr int run = longest_run<Element>;
    if (!slab.converts) return pack_planes<Element, run>(slab, to, from, slab.in.channel, columns);
    alignas(cell_bytes) Element block[lanes<Element>][pack_block];
    for (int c = 0; c < slab.channels; ++c, from += slab.in.channel)
        slab.gather(block[c], from, slab.in.x, columns);
    pack_planes<Element, run>(slab, to, reinterpret_cast<const char*>(block), sizeof block[0],
                              columns);
}

// Of some cells of a row, those from which on a whole line lies within them. What such a line has of
// the cells that follow is never written.
inline int lines_within(int cells, std::ptrdiff_t step, std::ptrdiff_t bytes) {
    const std::ptrdiff_t beyond = cell_bytes - bytes;
    if (beyond <= 0) return cells;
    return step > 0 ? std::max(0, cells - int((beyond + step - 1) / step)) : 0;
}

// Cells of a channels-last map lie so far apart that the processor does not see them coming. `ahead`:
// bytes from a cell to the one that is wanted some rows later.
template <class Element, class Sum>
void pack_cells(const Slab<Sum>& slab, Element* to, const char* from, int columns,
                int columns_of_row, std::ptrdiff_t ahead) {
    const std::ptrdiff_t step = slab.in.x;
    const std::ptrdiff_t bytes = slab.channels * slab.in.channel;
    const std::ptrdiff_t more_bytes = slab.more_channels * slab.in.channel;
    const std::ptrdiff_t more = (slab.more_first - slab.first_channel) * slab.in.channel;
    const bool by_lines = !slab.converts && more_bytes == 0;
    const int lines = by_lines ? std::min(columns, lines_within(columns_of_row, step, bytes)) : 0;
    for (int x = 0; x < lines; ++x, to += lanes<Element>, from += step) {
        fetch(from + ahead, bytes);
        std::memcpy(to, from, cell_bytes);
    }
    for (int x = lines; x < columns; ++x, to += lanes<Element>, from += step) {
        fetch(from + ahead, bytes);
        alignas(cell_bytes) Element cell[lanes<Element>] = {};
        if (slab.converts) {
            slab.gather(cell, from, slab.in.channel, slab.channels);
            slab.gather(cell + slab.channels, from + more, slab.in.channel, slab.more_channels);
        } else {
            copy_some(cell, from, bytes);
            copy_some(cell + slab.channels, from + more, more_bytes);
        }
        std::memcpy(to, cell, cell_bytes);
    }
}

// The columns from x on, at most pack_block of them, of a row of the slab.
template <class Element, class Sum>
void pack_some(const Slab<Sum>& slab, const Piece<Sum>& piece, int row, int x) {
    const bool planes = slab.in.layout == Layout::planes;
    const int columns = std::min(pack_block, piece.width - x);
    const int begin = planes ? std::max(0, std::min(x, piece.width - pack_block)) : x;
    Element* to = reinterpret_cast<Element*>(
        slab.cells + (std::ptrdiff_t(row) * piece.pitch + begin) * cell_bytes);
    const std::ptrdiff_t y = piece.rows[row];
    const char* from = piece.corner + slab.first_channel * slab.in.channel + y * slab.in.y +
                       begin * slab.in.x;
    if (planes) return pack_block_of_planes(slab, to, from, std::min(pack_block, piece.width));
    if (slab.in.layout != Layout::cells) return pack_one_by_one(slab, to, from, columns);
    const int row_ahead = row + 1 + cells_ahead / piece.width;
    const std::ptrdiff_t rows_ahead = row_ahead < piece.height ? piece.rows[row_ahead] - y : 0;
    pack_cells(slab, to, from, columns, piece.width - x, rows_ahead * slab.in.y);
}

template <class Element, class Sum>
void pack(const Slab<Sum>* slabs, int count, const Piece<Sum>& piece) {
    for (int row = 0; row < piece.height; ++row)
        for (int x = 0; x < piece.width; x += pack_block) {
            if (!piece.touched_blocks[x / pack_block]) continue;
            for (int i = 0; i < count; ++i) pack_some<Element>(slabs[i], piece, row, x);
        }
}

template <class Element, class Sum>
void write_one_by_one(const Slab<Sum>& slab, const Box<Sum>& box) {
    const Sum* cell = slab.tile;
    for (int p = 0; p < box.y.bins; ++p)
        for (int q = 0; q < box.x.bins; ++q, cell += lanes<Element>)
            for (int c = 0; c < slab.channels; ++c) {
                const std::ptrdiff_t to = (slab.first_channel + c) * slab.out.channel +
                                          p * slab.out.y + q * slab.out.x;
                one(reinterpret_cast<Element*>(box.out + to), cell[c]);
            }
}

// Channels first, with the bins of a row in one run, mostly all of a channel's. The tile is turned
// into `slab.turned`, which then holds what the output holds, and copied from there.
template <class Element, class Sum>
void write_planes(const Slab<Sum>& slab, const Box<Sum>& box) {
    constexpr int n = width<Sum>;
    const int bins = box.y.bins * box.x.bins;
    Element* turned = reinterpret_cast<Element*>(slab.turned);
    for (int bin = 0; bin < bins; bin += n) {
        // A last block that is not full begins earlier. With fewer bins than a vector has elements,
        // what a channel writes too much is the next one's, which writes it again.
        const int first = std::max(0, std::min(bin, bins - n));
        for (int v = 0; v < parts<Element>; ++v) {
            Vector<Sum> block[n];
#pragma GCC unroll 16
            for (int i = 0; i < n; ++i)
                block[i] = load<Sum>(slab.tile + (first + i) * lanes<Element> + v * n);
            transpose(block);
#pragma GCC unroll 16
            for (int i = 0; i < n; ++i) store(turned + (v * n + i) * bins + first, block[i]);
        }
    }
    char* to = box.out + slab.first_channel * slab.out.channel;
    const std::ptrdiff_t row = box.x.bins * std::ptrdiff_t(sizeof(Element));
    const std::ptrdiff_t run = box.y.bins * row;
    const bool rows_are_neighbours = box.y.bins == 1 || slab.out.y == row;
    if (rows_are_neighbours && slab.out.channel == run)
        return copy(to, turned, run * slab.channels, slab.streams);
    for (int c = 0; c < slab.channels; ++c, to += slab.out.channel, turned += bins) {
        if (rows_are_neighbours)
            copy(to, turned, run, slab.streams);
        else
            for (int p = 0; p < box.y.bins; ++p)
                copy(to + p * slab.out.y, turned + p * box.x.bins, row, slab.streams);
    }
}

template <class Element, class Sum>
inline void to_elements(Element* to, const Sum* cell) {
#pragma GCC unroll 8
    for (int v = 0; v < parts<Element>; ++v)
        store(to + v * width<Sum>, load<Sum>(cell + v * width<Sum>));
}

// Bins that lie side by side, gathered where each may write a whole cell, and the next over its end.
template <class Element, class Sum>
void write_short_cells(const Slab<Sum>& slab, const Box<Sum>& box) {
    const std::ptrdiff_t bins = box.y.bins * box.x.bins;
    Element* to = reinterpret_cast<Element*>(slab.turned);
    for (std::ptrdiff_t bin = 0; bin < bins; ++bin, to += slab.channels)
        to_elements(to, slab.tile + bin * lanes<Element>);
    copy(box.out + slab.first_channel * slab.out.channel, slab.turned, bins * slab.out.x,
         slab.streams);
}

// Channels last: a bin's lanes are neighbours in the output as they are in the tile.
template <class Element, class Sum>
void write_cells(const Slab<Sum>& slab, const Box<Sum>& box) {
    const Sum* cell = slab.tile;
    char* first = box.out + slab.first_channel * slab.out.channel;
    const std::ptrdiff_t bytes = slab.channels * std::ptrdiff_t(sizeof(Element));
    if (slab.out.x == bytes && slab.out.y == box.x.bins * bytes)
        return write_short_cells<Element>(slab, box);
    const std::ptrdiff_t more_bytes = slab.more_channels * std::ptrdiff_t(sizeof(Element));
    for (int p = 0; p < box.y.bins; ++p)
        for (int q = 0; q < box.x.bins; ++q, cell += lanes<Element>) {
            char* to = first + p * slab.out.y + q * slab.out.x;
            alignas(cell_bytes) Element line[lanes<Element>];
            to_elements(line, cell);
            if (bytes == cell_bytes) {
                copy(to, line, cell_bytes, slab.streams);
                continue;
            }
            copy_some(to, line, bytes);
            copy_some(to + (slab.more_first - slab.first_channel) * slab.out.channel,
                      line + slab.channels, more_bytes);
        }
}

template <class Element, class Sum>
Lines<Element> to_lines(const Slab<Sum>& slab, const Box<Sum>& box) {
    constexpr std::ptrdiff_t size = sizeof(Element);
    return {box.out + slab.first_channel * size,
            slab.before.of_box(box.first_bin),
            slab.after.of_box(box.first_bin),
            slab.out.y,
            slab.out.x,
            box.x.bins * cell_bytes,
            (slab.first_channel - slab.first_of_run) * size,
            slab.channels * size};
}

template <class Element, class Sum>
void write_lines(const Slab<Sum>& slab, const Box<Sum>& box) {
    const Sum* cell = slab.tile;
    Lines<Element> row = to_lines<Element>(slab, box);
    for (int p = 0; p < box.y.bins; ++p, row = row.below(1)) {
        Lines<Element> lines = row;
        for (int q = 0; q < box.x.bins; ++q, lines.next(), cell += lanes<Element>)
            lines.put(0, cell_at<Element>(cell));
    }
}

template <class Element, class Sum>
void write(const Slab<Sum>& slab, const Box<Sum>& box) {
    if (slab.head) return write_lines<Element>(slab, box);
    switch (slab.out.layout) {
        case Layout::planes: return write_planes<Element>(slab, box);
        case Layout::cells: return write_cells<Element>(slab, box);
        case Layout::scattered: return write_one_by_one<Element>(slab, box);
    }
}

// ---- the seams --------------------------------------------------------------------------------

// One run ends and the next begins at `at`, within a line or not.
void join(char* at, const char* tail, const char* head) {
    const std::ptrdiff_t bytes = cell_bytes - into_line(at);
    if (bytes < cell_bytes)
        put_line(at + bytes - cell_bytes, joined(line_at(tail), line_at(head), bytes), true);
}

// Where there is no other, the rest of the line is not ours.
void begin_alone(char* at, const char* head) {
    if (into_line(at)) std::memcpy(at, head, std::size_t(cell_bytes - into_line(at)));
}

void end_alone(char* at, const char* tail) {
    const std::ptrdiff_t bytes = into_line(at);
    std::memcpy(at - bytes, tail + cell_bytes - bytes, std::size_t(bytes));
}

void close(const Seam& seam) {
    const char *tail = seam.tail, *head = seam.head;
    const char* neighbours = nullptr;  // where two bins lie side by side
    for (int p = 0; p < seam.bins_y; ++p)
        for (int q = 0; q < seam.bins_x; ++q, tail += cell_bytes, head += cell_bytes) {
            char* const row = seam.out + p * seam.to_below;
            char *const bin = row + q * seam.to_next, *const end = bin + seam.end;
            if (!seam.ends_bin) {
                join(end, tail, head);
                continue;
            }
            if (bin != neighbours) begin_alone(bin, head);
            const bool ends_row = q + 1 == seam.bins_x, is_last = ends_row && p + 1 == seam.bins_y;
            neighbours = ends_row ? row + seam.to_below : bin + seam.to_next;
            if (is_last || end != neighbours) neighbours = nullptr;
            neighbours ? join(end, tail, head + cell_bytes) : end_alone(end, tail);
        }
}

// ---- the tasks --------------------------------------------------------------------------------

// Where channels are neighbours in the output and fill the lanes, bins need not stop at the tile.
template <class Element, class Sum>
bool output_is_tile(const Slab<Sum>& slab) {
    constexpr std::ptrdiff_t size = sizeof(Element);
    return slab.out.layout == Layout::cells && slab.channels == lanes<Element> &&
           slab.out.y % size == 0 && slab.out.x % size == 0;
}

template <class Element, class Sum>
Whole<Element, Element> to_output(const Slab<Sum>& slab, const Box<Sum>& box) {
    char* first = box.out + slab.first_channel * slab.out.channel;
    const auto unaligned = reinterpret_cast<std::intptr_t>(first) | slab.out.y | slab.out.x;
    constexpr std::ptrdiff_t size = sizeof(Element);
    return {reinterpret_cast<Element*>(first), slab.out.y / size, slab.out.x / size,
            slab.streams && unaligned % cell_bytes == 0};
}

template <class Element, Reduction reduction, class Sum>
void pool_into_tile(const Slab<Sum>& slab, const Box<Sum>& box) {
    const std::ptrdiff_t below = box.x.bins * lanes<Element>;
    if (puts_whole<Element, reduction>(box)) {
        pool<Element, reduction>(
            slab, box, Whole<Element, Sum>{slab.tile, below, lanes<Element>, false});
    } else {
        if (box.begins) start_bins<Element, reduction>(slab, box);
        pool<Element, reduction>(
            slab, box, Partial<Element, reduction == Reduction::sum>{slab.tile, below});
    }
    if (box.ends && box.flagged) finish_bins<Element>(slab, box);
}

template <class Element, Reduction reduction, class Sum>
void pool_box(const Slab<Sum>& slab, const Box<Sum>& box) {
    if (!box.flagged && puts_whole<Element, reduction>(box)) {
        if (slab.head) return pool<Element, reduction>(slab, box, to_lines<Element>(slab, box));
        if (output_is_tile<Element>(slab))
            return pool<Element, reduction>(slab, box, to_output<Element>(slab, box));
    }
    pool_into_tile<Element, reduction>(slab, box);
    if (box.ends) write<Element>(slab, box);
}

// What waits for the next box. Always inlined: see `fetch`.
template <class Sum>
__attribute__((always_inline)) inline void fetch_waiting(const Slab<Sum>& first,
                                                         const Slab<Sum>& last,
                                                         std::int64_t bin, int bins) {
    const char *before = first.before.of_box(bin), *after = last.after.of_box(bin);
    fetch_lines(before, bins);
    if (last.closes)
        fetch_lines(last.next_head + bin * cell_bytes, bins);
    else if (after != before)
        fetch_lines(after, bins);
}

template <class Element, class Sum>
void close_after(const Slab<Sum>& slab, const Box<Sum>& box) {
    const int end = (slab.first_channel + slab.channels) * int(sizeof(Element));
    close({box.out, box.y.bins, box.x.bins, slab.out.y, slab.out.x, end, slab.ends_bin,
           slab.after.of_box(box.first_bin), slab.next_head + box.first_bin * cell_bytes});
}

template <class Element, Reduction reduction, class Sum>
void pool_slabs(const Slab<Sum>* slabs, int count) {
    for (int i = 0; i < slabs->count; ++i) {
        const Piece<Sum>& piece = slabs->pieces[i];
        pack<Element>(slabs, count, piece);
        for (int k = 0; k < piece.count; ++k) {
            const Box<Sum>& box = piece.boxes[k];
            const int bins = box.y.bins * box.x.bins;
            if (slabs->head) fetch_waiting(slabs[0], slabs[count - 1], box.first_bin + bins, bins);
            for (int j = 0; j < count; ++j) pool_box<Element, reduction>(slabs[j], box);
            if (slabs[count - 1].closes && box.ends) close_after<Element>(slabs[count - 1], box);
        }
    }
}

// The slab from channel c on, the nth of those that are together.
template <class Element, class Sum>
Slab<Sum> slab_of(const Task<Sum>& run, int c, int n, bool closes, Gather gather) {
    const int end = run.first_channel + run.channels, next = c + lanes<Element>;
    const int in_run = (c - run.first_channel) / lanes<Element>;
    Slab<Sum> slab{run, run.slabs + n * run.slab_bytes, nullptr, run.first_channel, {}, {},
                   closes && next >= end, !is_element<Element>(run.number), gather};
    slab.tile = reinterpret_cast<Sum*>(run.tiles + (run.keeps_tiles ? in_run : n) * run.tile_bytes);
    slab.first_channel = c;
    slab.channels = std::min(lanes<Element>, end - c);
    const Waiting head{run.head, false}, tail{run.tail, false}, near{run.near, true};
    const bool last = n + 1 == run.together || next >= end;
    slab.before = in_run <= 1 ? head : n == 0 ? tail : near;
    slab.after = in_run == 0 ? head : last && !slab.closes ? tail : near;
    return slab;
}

// Whether the last slab of a run finds what it needs to close the seam after it.
template <class Element, class Sum>
bool may_close(const Task<Sum>& task) {
    if (!task.head || task.channels <= lanes<Element>) return false;
    // A run that follows itself has pooled the first slab of each box before the last.
    return task.next_head == task.head || __atomic_load_n(task.next_head_is_there, __ATOMIC_ACQUIRE);
}

template <class Element, Reduction reduction, class Sum>
void run(const Task<Sum>& task) {
    Slab<Sum> slabs[most_together];
    const Gather gather = gather_of(task.number);
    const int end = task.first_channel + task.channels;
    bool closes = false;
    for (int c = task.first_channel; c < end;) {
        const bool last = c + task.together * lanes<Element> >= end;
        closes = last && may_close<Element>(task);
        int count = 0;
        for (; count < task.together && c < end; ++count, c += lanes<Element>)
            slabs[count] = slab_of<Element>(task, c, count, closes, gather);
        pool_slabs<Element, reduction>(slabs, count);
        if (task.head) __atomic_store_n(task.head_is_there, true, __ATOMIC_RELEASE);
    }
    if (task.head) *task.closed = closes;
    if (task.streams) finish_streams();
}

template <class Element, class Sum>
void by_reduction(Reduction reduction, const Task<Sum>& task) {
    switch (reduction) {
        case Reduction::sum: return run<Element, Reduction::sum>(task);
        case Reduction::sample_maximum: return run<Element, Reduction::sample_maximum>(task);
        case Reduction::corner_maximum: return run<Element, Reduction::corner_maximum>(task);
        case Reduction::maximum: return run<Element, Reduction::maximum>(task);
    }
}

void single(Element element, Reduction reduction, const Task<float>& task) {
    if (element == Element::half) return by_reduction<half>(reduction, task);
    by_reduction<float>(reduction, task);
}

void real64(Element, Reduction reduction, const Task<double>& task) {
    by_reduction<double>(reduction, task);
}

void close_seams(const Seam* seams, int count) {
    for (int i = 0; i < count; ++i) close(seams[i]);
    finish_streams();
}

}  // namespace

namespace LEVEL {
const Passes passes = {single, real64, close_seams};
}

}  // namespace roicrop
