// The kernel: every number that roicrop's compiled core writes is made here. README.md in the folder
// above has the picture.
//
// This file is compiled once for each level of vector instructions. It must not use anything with a
// linkage of its own that is not inlined (no standard containers): see vectors.hpp.

#include <algorithm>
#include <limits>

#include "kernel.hpp"
#include "pack.hpp"
#include "sparse_kernel.hpp"
#include "vectors.hpp"

namespace roicrop {
namespace {

constexpr int most_accumulators = 8;
// Columns, and rows of the plan, that are worked on together where a cell is so many vectors.
constexpr int together(int vectors) { return std::min(most_rows, most_accumulators / vectors); }

template <class Sum, int groups, int vectors>
using Accumulators = Vector<Sum>[groups][vectors];

// What a tap does to an accumulator, and from where it starts.
template <Reduction reduction>
struct Taps {
    static constexpr bool adds =
        reduction == Reduction::sum || reduction == Reduction::sample_maximum;
    static constexpr bool weighs = reduction != Reduction::maximum;
    template <class Sum>
    static constexpr Sum start = adds ? Sum(0) : -std::numeric_limits<Sum>::infinity();

    template <class V>
    static V combined(V so_far, V more) {
        if constexpr (adds) return so_far + more;
        return larger(more, so_far);
    }
    template <class Sum>
    static Vector<Sum> with_tap(Vector<Sum> so_far, Sum weight, Vector<Sum> value) {
        if constexpr (adds) return so_far + weight * value;
        if constexpr (weighs) return larger(weight * value, so_far);
        return larger(value, so_far);
    }
};

template <class Sum, int groups, int vectors>
inline void fill(Accumulators<Sum, groups, vectors>& acc, Sum value) {
#pragma GCC unroll 4
    for (int g = 0; g < groups; ++g)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; ++v) acc[g][v] = splat(value);
}

// Some taps of one row of the plan.
template <class Sum>
struct Row {
    const std::int64_t* place;
    const Sum* weight;
    std::int64_t taps;

    // Cuts the first of them off.
    Row segment(int most) {
        Row first = *this;
        first.taps = std::min<std::int64_t>(taps, most);
        place += first.taps;
        weight += first.taps;
        taps -= first.taps;
        return first;
    }
};

template <class Sum>
inline Row<Sum> row_of(const Axis<Sum>& axis, int row) {
    const std::int32_t begin = axis.row_ptr[row];
    return {axis.place + begin, axis.weight + begin, axis.row_ptr[row + 1] - begin};
}

// The micro-kernel, of both passes: taps into accumulators. A group is a column of the map or panel on
// the way down, a row buffer on the way across; a vector holds channels.
template <Reduction reduction, class Sum, int groups, int vectors, class Load>
__attribute__((always_inline)) inline void reduce(Accumulators<Sum, groups, vectors>& acc, Row<Sum> row,
                                                  Load load_tap) {
    for (std::int64_t t = 0; t < row.taps; ++t) {
        const Sum weight = row.weight[t];
        const std::int64_t place = row.place[t];
#pragma GCC unroll 8
        for (int g = 0; g < groups; ++g)
#pragma GCC unroll 8
            for (int v = 0; v < vectors; ++v)
                acc[g][v] = Taps<reduction>::with_tap(acc[g][v], weight, load_tap(place, g, v));
    }
}

// The same of a long row, cut in segments: a sum of very many terms would lose too much.
template <Reduction reduction, class Sum, int groups, int vectors, class Load>
__attribute__((noinline)) void reduce_long(Accumulators<Sum, groups, vectors>& acc, Row<Sum> row,
                                           int segment, Sum start, Load load_tap) {
    fill(acc, start);
    reduce<reduction>(acc, row.segment(segment), load_tap);
    while (row.taps) {
        Accumulators<Sum, groups, vectors> more;
        fill(more, Taps<reduction>::template start<Sum>);
        reduce<reduction>(more, row.segment(segment), load_tap);
        for (int g = 0; g < groups; ++g)
            for (int v = 0; v < vectors; ++v)
                acc[g][v] = Taps<reduction>::combined(acc[g][v], more[g][v]);
    }
}

// A row whatever its length. Accumulators stay in registers only if no function is given them.
template <Reduction reduction, class Sum, int groups, int vectors, class Load>
__attribute__((always_inline)) inline void reduce_row(Accumulators<Sum, groups, vectors>& acc,
                                                      const Row<Sum>& row, int segment, Sum start,
                                                      Load load_tap) {
    fill(acc, start);
    if (__builtin_expect(row.taps <= segment, true)) return reduce<reduction>(acc, row, load_tap);
    Accumulators<Sum, groups, vectors> whole;
    reduce_long<reduction>(whole, row, segment, start, load_tap);
#pragma GCC unroll 8
    for (int g = 0; g < groups; ++g)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; ++v) acc[g][v] = whole[g][v];
}

// Down: row buffers become R_y · F for some rows of R_y, in the columns that the box reads.
template <class Element, Reduction reduction, int vectors, bool part, class Sum>
__attribute__((noinline)) void down(char* row_buffers, const char* cells, const Box<Sum>& box,
                                    const Axis<Sum>& y, int first_row, int rows, bool continues,
                                    int channels) {
    using T = Taps<reduction>;
    constexpr int columns = std::min(column_block, most_accumulators / vectors);
    const int segment = box.segment;
    Sum* to = reinterpret_cast<Sum*>(row_buffers);
    const std::int64_t* const end = box.column + box.columns;
    for (int r = 0; r < rows; ++r) {
    const Row<Sum> row = row_of(y, first_row + r);
    for (const std::int64_t* column = box.column; column < end; column += columns) {
        const auto load_tap = [cells, column, channels](std::int64_t place, int g, int v) {
            const Element* const from = reinterpret_cast<const Element*>(cells + place + column[g]);
            if constexpr (part) return load_part<Sum>(from, channels);
            return load<Sum>(from + v * width<Sum>);
        };
        Accumulators<Sum, columns, vectors> acc;
        reduce_row<reduction>(acc, row, segment, T::template start<Sum>, load_tap);
#pragma GCC unroll 8
        for (int g = 0; g < columns; ++g)
#pragma GCC unroll 8
            for (int v = 0; v < vectors; ++v, to += width<Sum>)
                store(to, __builtin_expect(continues, false) ? T::combined(load<Sum>(to), acc[g][v])
                                                             : acc[g][v]);
    }
    }
}

constexpr int longest_sum = 1024;  // taps of x

// Across: bins become R_y · F · R_xᵀ, from as many row buffers as there are rows. For the maximum over
// samples these are of one bin, otherwise of a bin each. `pitch`: numbers of the tile, from bin to bin.
template <Reduction reduction, int rows, int vectors, class Sum>
__attribute__((noinline)) void across(Sum* to, std::ptrdiff_t pitch, const char* row_buffers,
                                      std::ptrdiff_t buffer_bytes, const Axis<Sum>& x, Sum start,
                                      bool continues) {
    constexpr bool of_samples = reduction == Reduction::sample_maximum;
    constexpr std::ptrdiff_t cell = vectors * vector_bytes;
    const auto load_tap = [&](std::int64_t column, int r, int v) {
        const char* const from = row_buffers + column * cell + r * buffer_bytes;
        return load<Sum>(reinterpret_cast<const Sum*>(from) + v * width<Sum>);
    };
    const std::ptrdiff_t below = x.bins * pitch;
    for (int bin = 0; bin < x.bins; ++bin, to += pitch) {
        Accumulators<Sum, rows, vectors> acc;
        if constexpr (!of_samples) {
            reduce_row<reduction>(acc, row_of(x, x.bin_ptr[bin]), longest_sum, start, load_tap);
#pragma GCC unroll 4
            for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
                for (int v = 0; v < vectors; ++v)
                    store(to + r * below + v * width<Sum>, acc[r][v]);
        } else {
            // A row's best, then the rows', as if sample came after sample: of zeros the first wins.
            Accumulators<Sum, rows, vectors> best;
            fill(best, -std::numeric_limits<Sum>::infinity());
            for (int row = x.bin_ptr[bin]; row < x.bin_ptr[bin + 1]; ++row) {
                fill(acc, Sum(0));
                reduce<reduction>(acc, row_of(x, row), load_tap);
#pragma GCC unroll 4
                for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
                    for (int v = 0; v < vectors; ++v) best[r][v] = larger(acc[r][v], best[r][v]);
            }
#pragma GCC unroll 8
            for (int v = 0; v < vectors; ++v) {
                Sum* const bin_of = to + v * width<Sum>;
                Vector<Sum> of_bin = continues ? load<Sum>(bin_of) : splat(start);
#pragma GCC unroll 4
                for (int r = 0; r < rows; ++r) of_bin = larger(best[r][v], of_bin);
                store(bin_of, of_bin);
            }
        }
    }
}

// The boxes of one task, one after the other.
template <class Element, Reduction reduction, class Sum>
class Pool {
public:
    explicit Pool(const Task<Sum>& task)
        : task_(task),
          box_(task.region->boxes),
          vectors_((task.channels + width<Sum> - 1) / width<Sum>),
          part_(!task.packs && task.channels < width<Sum>),
          pitch_(task.packs ? lanes<Element> : part_ ? width<Sum> : task.channels),
          rows_together_(std::min(rows_of(std::min(vectors_, most_accumulators)),
                                  task.region->in_bands ? 1 : most_rows)) {}

    void run() {
        if (task_.packs && !task_.region->in_bands) pack<Element>(task_);
        for (int i = 0; i < task_.region->count; ++i, ++box_) pool_box();
        if (task_.streams) finish_streams();
    }

private:
    static constexpr bool of_samples = reduction == Reduction::sample_maximum;
    // Of samples there are accumulators for the largest too.
    static constexpr int rows_of(int vectors) {
        return std::max(1, together(vectors) / (of_samples && vectors > 1 ? 2 : 1));
    }

    void pool_box() {
        const Axis<Sum>& y = box_->y;
        for (int bin = 0, bins = 1; bin < y.bins; bin += bins) {
            Sum* const tile = reinterpret_cast<Sum*>(task_.tile) + (task_.out_cells ? 0 : below(bin));
            if (!of_samples) {
                bins = std::min(rows_together_, y.bins - bin);
                pool_rows(tile, y.bin_ptr[bin], bins, false);
            } else {
                const int begin = y.bin_ptr[bin], end = y.bin_ptr[bin + 1];
                if (begin == end) set_bins(tile, Sum(task_.maximum_start));
                for (int row = begin; row < end; row += rows_together_)
                    pool_rows(tile, row, std::min(rows_together_, end - row), row > begin);
            }
            if (box_->flagged)
                for (int b = 0; b < bins; ++b) finish(tile + below(b), bin + b);
            if (task_.out_cells) write_cells(tile, bin, bins);
        }
        if (!task_.out_cells) write_planes();
    }

    std::ptrdiff_t below(int bins) const { return bins * pitch_ * box_->x.bins; }

    // Rows of the plan along y, from `row` on, into the tile.
    void pool_rows(Sum* tile, int row, int rows, bool continues) {
        const Axis<Sum>& y = box_->y;
        const char* const cells = task_.packs ? task_.panel + task_.region->origin
                                              : task_.region->map + task_.first_channel * task_.in.channel;
        if (task_.region->in_bands) fill_in_bands(row);
        for_each_chunk([&](auto vectors, auto part, int channel) {
            const std::ptrdiff_t buffer_bytes = box_->columns * vectors * vector_bytes;
            char* buffers = row_buffer(channel);
            if (!task_.region->in_bands)
                down<Element, reduction, vectors, part>(buffers, cells + channel * sizeof(Element), *box_,
                                                        y, row, rows, false, task_.channels);
            Sum* const at = tile + channel;
            if (rows == 1) return pool_across<1, vectors>(at, buffers, buffer_bytes, continues);
            if (rows == 2) return pool_across<2, vectors>(at, buffers, buffer_bytes, continues);
            if (rows == 3) return pool_across<3, vectors>(at, buffers, buffer_bytes, continues);
            return pool_across<4, vectors>(at, buffers, buffer_bytes, continues);
        });
    }

    template <int rows, int vectors>
    void pool_across(Sum* to, const char* buffers, std::ptrdiff_t buffer_bytes, bool continues) {
        if constexpr (rows <= rows_of(vectors)) {
            const Sum start = Sum(reduction == Reduction::sum ? 0.0 : task_.maximum_start);
            across<reduction, rows, vectors>(to, pitch_, buffers, buffer_bytes, box_->x, start, continues);
        }
    }

    // The row buffer of a row of the plan whose scanlines are packed segment by segment.
    void fill_in_bands(int row) {
        const Region<Sum>& region = *task_.region;
        const char* const map = region.map + task_.first_channel * task_.in.channel;
        Row<Sum> rest = row_of(box_->y, row);
        bool continues = false;
        do {
            Row<Sum> band = rest.segment(box_->segment);
            std::int64_t place[longest_sum];
            for (std::int64_t t = 0; t < band.taps; ++t) {
                place[t] = t * region.pitch;
                pack_scanline<Element>(task_, task_.panel + place[t], map + band.place[t]);
            }
            const std::int32_t row_ptr[] = {0, std::int32_t(band.taps)};
            const Axis<Sum> y{1, nullptr, row_ptr, place, band.weight, nullptr, nullptr};
            for_each_chunk([&](auto vectors, auto, int channel) {
                down<Element, reduction, vectors, false>(
                    row_buffer(channel), task_.panel + region.origin + channel * sizeof(Element), *box_,
                    y, 0, 1, continues, 0);
            });
            continues = true;
        } while (rest.taps);
    }

    // Those of chunks of channels are one after the other where all are kept.
    char* row_buffer(int channel) const {
        return task_.row_buffer + (task_.region->in_bands ? channel * box_->columns * sizeof(Sum) : 0);
    }

    // A cell's channels, some vectors at a time. The last vector that is not full begins earlier, and
    // makes again what the one before it made; where there is none before it, it is read in part.
    template <class Do>
    void for_each_chunk(Do with) {
        constexpr std::false_type whole;
        if (part_) return with(std::integral_constant<int, 1>{}, std::true_type{}, 0);
        const int full = task_.packs ? vectors_ : task_.channels / width<Sum>;
        int v = 0;
        for (; v + 8 <= full; v += 8) with(std::integral_constant<int, 8>{}, whole, v * width<Sum>);
        if (full & 4) with(std::integral_constant<int, 4>{}, whole, v * width<Sum>), v += 4;
        if (full & 2) with(std::integral_constant<int, 2>{}, whole, v * width<Sum>), v += 2;
        if (full & 1) with(std::integral_constant<int, 1>{}, whole, v * width<Sum>);
        if (full < vectors_) with(std::integral_constant<int, 1>{}, whole, task_.channels - width<Sum>);
    }

    // One p's bins.
    void set_bins(Sum* tile, Sum value) const {
        for (std::ptrdiff_t i = 0; i < below(1); i += width<Sum>) store(tile + i, splat(value));
    }

    // What flags say of the bins of one p.
    void finish(Sum* cell, int bin) const {
        const Axis<Sum>&y = box_->y, &x = box_->x;
        for (int q = 0; q < x.bins; ++q, cell += pitch_)
            for (int c = 0; c < pitch_; ++c) {
                if ((y.zero[bin] | x.zero[q]) && cell[c] < 0) cell[c] = 0;
                if (y.is_void[bin] | x.is_void[q]) cell[c] = Sum(task_.void_value);
            }
    }

    // Channels last: the tile's cells are the output's, but for their type.
    void write_cells(const Sum* tile, int first_bin, int bins) {
        constexpr std::ptrdiff_t size = sizeof(Element);
        const std::ptrdiff_t channels = task_.channels, cells = std::ptrdiff_t(bins) * box_->x.bins;
        const Strides& out = task_.out;
        const char* from = reinterpret_cast<const char*>(tile);
        if (!std::is_same_v<Element, Sum> || pitch_ != channels) {
            Element* const staged = reinterpret_cast<Element*>(task_.staged);
            // Each cell is written over the end of the one before it.
            const std::ptrdiff_t together = pitch_ == channels ? cells * channels : channels;
            for (std::ptrdiff_t i = 0; i * together < cells * channels; ++i)
                for (std::ptrdiff_t c = 0; c < together; c += width<Sum>)
                    store(staged + i * together + c, load<Sum>(tile + i * pitch_ + c));
            from = task_.staged;
        }
        char* to = box_->out + task_.first_channel * size + first_bin * out.y;
        if (out.x == channels * size && (bins == 1 || out.y == box_->x.bins * out.x))
            return copy(to, from, cells * out.x, task_.streams);
        for (int p = 0; p < bins; ++p)
            for (int q = 0; q < box_->x.bins; ++q, from += channels * size)
                copy(to + p * out.y + q * out.x, from, channels * size, task_.streams);
    }

    // Channels first: the tile is transposed, and what the output holds is copied from there.
    __attribute__((noinline)) void write_planes() {
        constexpr int n = width<Sum>, pitch = lanes<Element>;
        const int bins = box_->y.bins * box_->x.bins;
        const Sum* const tile = reinterpret_cast<const Sum*>(task_.tile);
        Element* const planes = reinterpret_cast<Element*>(task_.staged);
        for (int c = 0; c < vectors_ * n; c += n) {
            // With fewer bins than a vector has numbers, what a channel writes too much is the next
            // one's, which writes it again.
            for (int bin = 0; bin < bins; bin += n) {
                const int first = std::max(0, std::min(bin, bins - n));
                Vector<Sum> block[n];
#pragma GCC unroll 16
                for (int i = 0; i < n; ++i) block[i] = load<Sum>(tile + (first + i) * pitch + c);
                transpose(block);
#pragma GCC unroll 16
                for (int i = 0; i < n; ++i) store(planes + (c + i) * bins + first, block[i]);
            }
        }
        copy_planes(planes);
    }

    void copy_planes(const Element* planes) {
        constexpr std::ptrdiff_t size = sizeof(Element);
        const Strides& out = task_.out;
        const int bins_y = box_->y.bins, bins_x = box_->x.bins;
        char* to = box_->out + task_.first_channel * out.channel;
        const std::ptrdiff_t row = bins_x * size, plane = bins_y * row;
        const bool neighbours = out.x == size && (bins_y == 1 || out.y == row);
        if (neighbours && out.channel == plane)
            return copy(to, planes, plane * task_.channels, task_.streams);
        for (int c = 0; c < task_.channels; ++c, to += out.channel, planes += bins_y * bins_x) {
            if (neighbours) {
                copy(to, planes, plane, task_.streams);
                continue;
            }
            for (int p = 0; p < bins_y; ++p)
                for (int q = 0; q < bins_x; ++q)
                    std::memcpy(to + p * out.y + q * out.x, planes + p * bins_x + q, size);
        }
    }

    const Task<Sum>& task_;
    const Box<Sum>* box_;
    const int vectors_;  // of a cell
    const bool part_;
    const std::ptrdiff_t pitch_;  // of the tile: numbers from a bin to the next
    const int rows_together_;
};

template <class Element, class Sum>
void by_reduction(Reduction reduction, const Task<Sum>& task) {
    switch (reduction) {
        case Reduction::sum: return Pool<Element, Reduction::sum, Sum>(task).run();
        case Reduction::sample_maximum: return Pool<Element, Reduction::sample_maximum, Sum>(task).run();
        case Reduction::corner_maximum: return Pool<Element, Reduction::corner_maximum, Sum>(task).run();
        case Reduction::maximum: return Pool<Element, Reduction::maximum, Sum>(task).run();
    }
}

void single(Element element, Reduction reduction, const Task<float>& task) {
    if (element == Element::half) return by_reduction<half>(reduction, task);
    by_reduction<float>(reduction, task);
}

void real64(Element, Reduction reduction, const Task<double>& task) {
    by_reduction<double>(reduction, task);
}

}  // namespace

namespace LEVEL {
const Kernel kernel = {single, real64, sparse_single, sparse_real64};
}

}  // namespace roicrop
