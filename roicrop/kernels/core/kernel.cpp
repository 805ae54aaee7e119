// The kernel: every number that roicrop's compiled core writes is made here. README.md in the folder
// above has the picture.
//
// This file is compiled once for each level of vector instructions. It must not use anything with a
// linkage of its own that is not inlined (no standard containers): see vectors.hpp.

#include <algorithm>
#include <limits>

#include "kernel.hpp"
#include "pack.hpp"
#include "vectors.hpp"

namespace roicrop {
namespace {

constexpr int most_accumulators = 8;
constexpr int longest_sum = 1024;  // taps of x
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
    const std::int32_t* cell;
    const Sum* weight;
    int taps;

    // Cuts the first of them off.
    Row segment(int most) {
        Row first = *this;
        first.taps = std::min(taps, most);
        cell += first.taps;
        weight += first.taps;
        taps -= first.taps;
        return first;
    }
};

template <class Sum>
inline Row<Sum> row_of(const Axis<Sum>& axis, int row) {
    const std::int32_t begin = axis.row_ptr[row];
    return {axis.cell + begin, axis.weight + begin, axis.row_ptr[row + 1] - begin};
}

// The micro-kernel, of both passes: taps into accumulators. A group is a column of the map or panel on
// the way down, a row buffer on the way across; a vector holds channels.
template <Reduction reduction, class Sum, int groups, int vectors, class Load>
__attribute__((always_inline)) inline void reduce(Accumulators<Sum, groups, vectors>& acc, Row<Sum> row,
                                                  Load load_tap) {
    for (int t = 0; t < row.taps; ++t) {
        const Sum weight = row.weight[t];
        const std::ptrdiff_t cell = row.cell[t];
#pragma GCC unroll 8
        for (int g = 0; g < groups; ++g)
#pragma GCC unroll 8
            for (int v = 0; v < vectors; ++v)
                acc[g][v] = Taps<reduction>::with_tap(acc[g][v], weight, load_tap(cell, g, v));
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

// Cells of a map or panel: where (0, 0) is or would be, and the bytes to the next along y and x.
struct Cells {
    const char* at;
    std::ptrdiff_t y, x;
};

// Some vectors of a cell, from `channel` on. The last may begin earlier than where the one before it
// ends: so cells need not be whole vectors.
template <int n>
struct Vectors {
    static constexpr int count = n;
    int channel, last;

    template <class Sum>
    int at(int v) const {
        return v + 1 == n ? last : channel + v * width<Sum>;
    }
};

// Down: row buffers become R_y · F for some rows of R_y, in the columns that the box reads.
template <class Element, Reduction reduction, bool part, int vectors, class Sum>
__attribute__((noinline)) void down(Sum* to, Cells cells, Vectors<vectors> some, const Box<Sum>& box,
                                    const Axis<Sum>& y, int first_row, int rows, bool continues,
                                    int channels) {
    using T = Taps<reduction>;
    constexpr int columns = std::min(column_block, most_accumulators / vectors);
    const int segment = box.segment;
    const std::int32_t* const end = box.column + box.columns;
    for (int r = 0; r < rows; ++r) {
        const Row<Sum> row = row_of(y, first_row + r);
        for (const std::int32_t* column = box.column; column < end; column += columns) {
            const Element* from[columns];
#pragma GCC unroll 4
            for (int g = 0; g < columns; ++g)
                from[g] = reinterpret_cast<const Element*>(cells.at + column[g] * cells.x);
            const auto load_tap = [&](std::ptrdiff_t cell, int g, int v) {
                const auto* const at = reinterpret_cast<const Element*>(
                    reinterpret_cast<const char*>(from[g] + some.template at<Sum>(v)) + cell * cells.y);
                if constexpr (part) return load_part<Sum>(at, channels);
                return load<Sum>(at);
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

// Across: bins become R_y · F · R_xᵀ, from as many row buffers as there are rows. For the maximum over
// samples these are of one bin, otherwise of a bin each. `pitch`: numbers of the tile, from bin to bin.
template <Reduction reduction, int rows, int vectors, class Sum, class To>
__attribute__((noinline)) void across(To* to, std::ptrdiff_t pitch, const Sum* row_buffers,
                                      std::ptrdiff_t buffer, Vectors<vectors> some, const Axis<Sum>& x,
                                      Sum start, bool continues) {
    constexpr bool of_samples = reduction == Reduction::sample_maximum;
    const auto load_tap = [&](std::ptrdiff_t column, int r, int v) {
        return load<Sum>(row_buffers + (column * vectors + v) * width<Sum> + r * buffer);
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
                    store(to + r * below + some.template at<Sum>(v), acc[r][v]);
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
                To* const bin_of = to + some.template at<Sum>(v);
                Vector<Sum> of_bin = continues ? load<Sum>(bin_of) : splat(start);
#pragma GCC unroll 4
                for (int r = 0; r < rows; ++r) of_bin = larger(best[r][v], of_bin);
                store(bin_of, of_bin);
            }
        }
    }
}

// The boxes of one task, one after the other, in some channels at a time: those that are packed together.
template <class Element, Reduction reduction, class Sum>
class Pool {
public:
    explicit Pool(const Task<Sum>& task)
        : task_(task),
          region_(*task.region),
          channels_(region_.lines ? std::min(region_.lines * lanes<Element>, task.channels) : task.channels),
          vectors_((channels_ + width<Sum> - 1) / width<Sum>),
          part_(task.out_cells && channels_ < width<Sum>),
          pitch_(!task.out_cells ? lanes<Element>
                 : part_         ? width<Sum>
                 : keeps()       ? task.channels
                                 : channels_),
          rows_together_(region_.in_bands ? 1 : rows_of(std::min(vectors_, most_accumulators))) {}

    void run() {
        for (int done = 0; done < task_.channels; done += channels_) {
            // Last channels that are too few begin earlier, and repeat what the ones before them made.
            first_ = std::min(done, task_.channels - channels_);
            if (region_.lines && !region_.in_bands) pack<Element>(task_, map(), channels_);
            for (int i = 0; i < region_.count; ++i) pool_box(i);
        }
        if (keeps())
            for (int i = 0; i < region_.count; ++i) {
                box_ = region_.boxes + i;
                write_cells(task_.tile + i * task_.tile_bytes, task_.first_channel, task_.channels, 0, box_->y.bins);
            }
        if (task_.streams) finish_streams();
    }

private:
    static constexpr bool of_samples = reduction == Reduction::sample_maximum;
    // What tiles are made of where channels are last: see `across`, which takes a maximum back from there.
    using Cell = std::conditional_t<of_samples, Sum, Element>;

    // Of samples there are accumulators for the largest too.
    static constexpr int rows_of(int vectors) {
        return std::max(1, together(vectors) / (of_samples && vectors > 1 ? 2 : 1));
    }

    bool keeps() const { return task_.tile_bytes > 0; }
    const char* map() const { return region_.map + (task_.first_channel + first_) * task_.in.channel; }

    void pool_box(int number) {
        box_ = region_.boxes + number;
        char* const tile = task_.tile + number * task_.tile_bytes + (keeps() ? first_ * sizeof(Cell) : 0);
        if (task_.out_cells) return pool_into(reinterpret_cast<Cell*>(tile));
        pool_into(reinterpret_cast<Sum*>(tile));
        write_planes();
    }

    template <class To>
    void pool_into(To* tile) {
        const Axis<Sum>& y = box_->y;
        const bool at_once = task_.out_cells && !keeps();
        for (int bin = 0, bins = 1; bin < y.bins; bin += bins) {
            To* const to = tile + (at_once ? 0 : below(bin));
            if (!of_samples) {
                bins = std::min(rows_together_, y.bins - bin);
                pool_rows(to, y.bin_ptr[bin], bins, false);
            } else {
                const int begin = y.bin_ptr[bin], end = y.bin_ptr[bin + 1];
                if (begin == end)
                    change(to, [&](int, auto) { return splat(Sum(task_.maximum_start)); });
                for (int row = begin; row < end; row += rows_together_)
                    pool_rows(to, row, std::min(rows_together_, end - row), row > begin);
            }
            if (box_->flagged)
                for (int b = 0; b < bins; ++b) finish(to + below(b), bin + b);
            if (at_once)
                write_cells(reinterpret_cast<const char*>(to), task_.first_channel + first_, channels_, bin, bins);
        }
    }

    std::ptrdiff_t below(int bins) const { return bins * pitch_ * box_->x.bins; }

    // Rows of the plan along y, from `row` on, into the tile.
    template <class To>
    void pool_rows(To* tile, int row, int rows, bool continues) {
        const Axis<Sum>& y = box_->y;
        Cells cells{map(), task_.in.y, task_.in.x};
        if (region_.lines) {
            cells = {task_.panel, region_.pitch, region_.lines * line_bytes};
            cells.at -= region_.y * cells.y + region_.x * cells.x;
        }
        if (region_.in_bands) fill_in_bands(row);
        for_each_vectors([&](auto part, auto some) {
            constexpr int vectors = decltype(some)::count;
            const std::ptrdiff_t buffer = std::ptrdiff_t(box_->columns) * vectors * width<Sum>;
            Sum* const buffers = row_buffer(some.channel);
            if (!region_.in_bands)
                down<Element, reduction, part>(buffers, cells, some, *box_, y, row, rows, false, channels_);
            if (rows == 1) return pool_across<1>(tile, buffers, buffer, some, continues);
            if (rows == 2) return pool_across<2>(tile, buffers, buffer, some, continues);
            if (rows == 3) return pool_across<3>(tile, buffers, buffer, some, continues);
            return pool_across<4>(tile, buffers, buffer, some, continues);
        });
    }

    template <int rows, int vectors, class To>
    void pool_across(To* to, const Sum* buffers, std::ptrdiff_t buffer, Vectors<vectors> some, bool continues) {
        if constexpr (rows <= rows_of(vectors)) {
            const Sum start = Sum(reduction == Reduction::sum ? 0.0 : task_.maximum_start);
            across<reduction, rows>(to, pitch_, buffers, buffer, some, box_->x, start, continues);
        }
    }

    // The row buffer of a row of the plan whose scanlines are packed segment by segment.
    void fill_in_bands(int row) {
        Row<Sum> rest = row_of(box_->y, row);
        const Cells cells{task_.panel - region_.x * std::ptrdiff_t(line_bytes), region_.pitch, line_bytes};
        bool continues = false;
        do {
            const Row<Sum> band = rest.segment(box_->segment);
            std::int32_t numbers[longest_sum];
            for (int t = 0; t < band.taps; ++t) {
                numbers[t] = t;
                pack_scanline<Element>(task_, task_.panel + t * cells.y, map() + band.cell[t] * task_.in.y, channels_);
            }
            const std::int32_t row_ptr[] = {0, band.taps};
            const Axis<Sum> y{1, nullptr, row_ptr, numbers, band.weight, nullptr, nullptr};
            for_each_vectors([&](auto part, auto some) {
                down<Element, reduction, part>(row_buffer(some.channel), cells, some, *box_, y, 0, 1,
                                               continues, channels_);
            });
            continues = true;
        } while (rest.taps);
    }

    // Those of a cell's vectors are one after the other where all are kept.
    Sum* row_buffer(int channel) const {
        Sum* const buffers = reinterpret_cast<Sum*>(task_.row_buffer);
        return region_.in_bands ? buffers + std::ptrdiff_t(channel) * box_->columns : buffers;
    }

    // A cell's channels, some vectors at a time: with(whether a cell is but a part of one, Vectors).
    template <class Do>
    void for_each_vectors(Do with) {
        if (part_) return with(std::true_type{}, Vectors<1>{0, 0});
        for (int v = 0; v < vectors_;) {
            const auto next = [&, left = vectors_ - v](auto n) {
                if (n > left) return false;
                const int channel = v * width<Sum>, last = channel + (n - 1) * width<Sum>;
                with(std::false_type{}, Vectors<n>{channel, task_.out_cells ? std::min(last, channels_ - width<Sum>) : last});
                v += n;
                return true;
            };
            next(std::integral_constant<int, 8>{}) || next(std::integral_constant<int, 4>{}) ||
                next(std::integral_constant<int, 2>{}) || next(std::integral_constant<int, 1>{});
        }
    }

    // One p's bins: to(q, vector).
    template <class To, class Change>
    void change(To* cell, Change changed) const {
        for (int q = 0; q < box_->x.bins; ++q, cell += pitch_)
            for (int v = 0; v < vectors_; ++v) {
                const int last = task_.out_cells && !part_ ? channels_ - width<Sum> : v * width<Sum>;
                To* const at = cell + std::min(v * width<Sum>, last);
                store(at, changed(q, load<Sum>(at)));
            }
    }

    // What flags say of the bins of one p.
    template <class To>
    void finish(To* cell, int bin) const {
        const Axis<Sum>&y = box_->y, &x = box_->x;
        change(cell, [&](int q, Vector<Sum> v) {
            if (y.zero[bin] | x.zero[q]) v = v < 0 ? Vector<Sum>{} : v;
            return y.is_void[bin] | x.is_void[q] ? splat(Sum(task_.void_value)) : v;
        });
    }

    // Channels last: the tile's cells are the output's, but mostly for their type.
    void write_cells(const char* from, int first_channel, int channels, int first_bin, int bins) {
        constexpr std::ptrdiff_t size = sizeof(Element);
        const std::ptrdiff_t cells = std::ptrdiff_t(bins) * box_->x.bins, bytes = channels * size;
        const Strides& out = task_.out;
        if (!std::is_same_v<Element, Cell> || pitch_ != channels) {
            const Cell* const tile = reinterpret_cast<const Cell*>(from);
            Element* const staged = reinterpret_cast<Element*>(task_.staged);
            // Each cell is written over the end of the one before it.
            for (std::ptrdiff_t i = 0; i < cells; ++i)
                for (int c = 0; c < channels; c += width<Sum>)
                    store(staged + i * channels + c, load<Sum>(tile + i * pitch_ + c));
            from = task_.staged;
        }
        char* to = box_->out + first_channel * size + first_bin * out.y;
        if (out.x == bytes && (bins == 1 || out.y == box_->x.bins * out.x))
            return copy(to, from, cells * bytes, task_.streams);
        for (int p = 0; p < bins; ++p)
            for (int q = 0; q < box_->x.bins; ++q, from += bytes)
                copy(to + p * out.y + q * out.x, from, bytes, task_.streams);
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
            return copy(to, planes, plane * channels_, task_.streams);
        for (int c = 0; c < channels_; ++c, to += out.channel, planes += bins_y * bins_x) {
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
    const Region<Sum>& region_;
    const int channels_, vectors_;  // of a cell, at a time
    const bool part_;
    const std::ptrdiff_t pitch_;  // of the tile: numbers from a bin to the next
    const int rows_together_;
    int first_ = 0;  // of these channels, in the task
    const Box<Sum>* box_ = nullptr;
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
const Kernel kernel = {single, real64};
}

}  // namespace roicrop
