// The kernel: computes every number that roicrop's compiled core writes. README.md in the folder above
// has a picture of it.
//
// This file is compiled once for each level of vector instructions. It must not use anything with
// external linkage that is not inlined (no standard containers): see vectors.hpp.

#include <algorithm>
#include <limits>

#include "kernel.hpp"
#include "pack.hpp"
#include "vectors.hpp"

namespace roicrop {
namespace {

constexpr int most_accumulators = 8;
constexpr int most_rows = 4;       // of the plan, in row buffers at once
constexpr int longest_sum = 1024;  // taps of x

template <class Sum, int groups, int vectors>
using Accumulators = Vector<Sum>[groups][vectors];

template <class Sum, int groups, int vectors>
inline void fill(Accumulators<Sum, groups, vectors>& acc, Sum value) {
#pragma GCC unroll 4
    for (int g = 0; g < groups; ++g)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; ++v) acc[g][v] = splat(value);
}

// The micro-kernel of both passes: taps into accumulators. A group is a column of the map or panel on
// the way down, and a row buffer on the way across; a vector holds channels.
template <Reduction reduction, class Sum, int groups, int vectors, class Load>
__attribute__((always_inline)) inline void reduce(Accumulators<Sum, groups, vectors>& acc, const Axis& axis,
                                                  int tap, int end, Load load_tap) {
    const Sum* const weights = static_cast<const Sum*>(axis.weight);
    for (; tap < end; ++tap) {
        const Sum weight = weights[tap];
        const std::ptrdiff_t index = axis.index[tap];
#pragma GCC unroll 8
        for (int g = 0; g < groups; ++g)
#pragma GCC unroll 8
            for (int v = 0; v < vectors; ++v)
                acc[g][v] = Taps<reduction>::with_tap(acc[g][v], weight, load_tap(index, g, v));
    }
}

// The same for a long row, cut into segments, because a sum of very many terms would lose precision.
template <Reduction reduction, class Sum, int groups, int vectors, class Load>
__attribute__((noinline)) void reduce_long(Accumulators<Sum, groups, vectors>& acc, const Axis& axis, int tap,
                                           int end, int segment, Sum start, Load load_tap) {
    for (fill(acc, start); tap < end; tap += segment) {
        Accumulators<Sum, groups, vectors> more;
        fill(more, Taps<reduction>::template start<Sum>);
        reduce<reduction, Sum>(more, axis, tap, std::min(tap + segment, end), load_tap);
        for (int g = 0; g < groups; ++g)
            for (int v = 0; v < vectors; ++v) acc[g][v] = Taps<reduction>::combined(acc[g][v], more[g][v]);
    }
}

// A row of any length. Accumulators stay in registers only if they are not passed to a function.
template <Reduction reduction, class Sum, int groups, int vectors, class Load>
__attribute__((always_inline)) inline void reduce_row(Accumulators<Sum, groups, vectors>& acc, const Axis& axis,
                                                      int row, int segment, Sum start, Load load_tap) {
    const int tap = axis.row_ptr[row], end = axis.row_ptr[row + 1];
    fill(acc, start);
    if (__builtin_expect(end - tap <= segment, true))
        return reduce<reduction, Sum>(acc, axis, tap, end, load_tap);
    Accumulators<Sum, groups, vectors> whole;
    reduce_long<reduction>(whole, axis, tap, end, segment, start, load_tap);
#pragma GCC unroll 8
    for (int g = 0; g < groups; ++g)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; ++v) acc[g][v] = whole[g][v];
}

// The scanlines of a map or panel: where cell (0, 0) is or would be, and bytes from one to the next.
struct Scanlines {
    const char* at;
    std::ptrdiff_t next;

    Scanlines from(std::ptrdiff_t bytes) const { return {at + bytes, next}; }
};

// Down: row buffers become R_y · F for some rows of R_y, in the columns that the box reads.
template <class Element, Reduction reduction, int vectors, class Sum>
__attribute__((noinline)) void down(Sum* to, Scanlines map, Vectors<vectors> some, const Box& box,
                                    const Axis& axis, int first_row, int rows, bool continues = false) {
    using T = Taps<reduction>;
    const Axis y = axis;  // a copy, which no store to row buffers can alias
    constexpr int columns = vectors > most_accumulators / 2 ? 1 : vectors > most_accumulators / 4 ? 2 : column_block;
    constexpr int cell = vectors * width<Sum>;
    const int segment = box.segment, end = box.columns;
    to += box.first_column * rows * cell;
    for (int column = box.first_column; column < end; column += columns, to += columns * rows * cell) {
        const char* from[columns];
#pragma GCC unroll 8
        for (int g = 0; g < columns; ++g) from[g] = map.at + box.column[column + g];
        const auto load_tap = [&](std::ptrdiff_t scanline, int g, int v) {
            const char* const cell_of = from[g] + scanline * map.next;
            return load<Sum>(reinterpret_cast<const Element*>(cell_of) + some.template at<Sum>(v));
        };
        for (int r = 0; r < rows; ++r) {
            Accumulators<Sum, columns, vectors> acc;
            reduce_row<reduction>(acc, y, first_row + r, segment, T::template start<Sum>, load_tap);
#pragma GCC unroll 8
            for (int g = 0; g < columns; ++g)
#pragma GCC unroll 8
                for (int v = 0; v < vectors; ++v) {
                    Sum* const at = to + (g * rows + r) * cell + v * width<Sum>;
                    store(at, __builtin_expect(continues, false) ? T::combined(load<Sum>(at), acc[g][v]) : acc[g][v]);
                }
        }
    }
}

// Where bins go, a tile or the output: the elements from a bin to the next, and to the one below.
template <class To>
struct Bins {
    To* at;
    std::ptrdiff_t next, below;
    bool streams;

    Bins row(int p) const { return {at + p * below, next, below, streams}; }
};

// Across: bins become R_y · F · R_xᵀ, from as many row buffers as there are rows. For the maximum over
// samples the rows belong to one bin, otherwise each to a bin of its own.
template <Reduction reduction, int rows, int vectors, class Sum, class To, class From>
__attribute__((noinline)) void across(Bins<To> to, const From* row_buffers, Vectors<vectors> some, const Axis& axis,
                                      Sum start, bool continues) {
    const Axis x = axis;  // a copy, which no store to bins can alias
    constexpr bool of_samples = reduction == Reduction::sample_maximum;
    const auto load_tap = [&](std::ptrdiff_t column, int r, int v) {
        return load<Sum>(row_buffers + ((column * rows + r) * vectors + v) * width<Sum>);
    };
    for (int bin = 0; bin < x.bins; ++bin, to.at += to.next) {
        Accumulators<Sum, rows, vectors> acc;
        if constexpr (!of_samples) {
            reduce_row<reduction>(acc, x, x.bin_ptr[bin], longest_sum, start, load_tap);
#pragma GCC unroll 4
            for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
                for (int v = 0; v < vectors; ++v) {
                    To* const at = to.at + r * to.below + some.template at<Sum>(v);
                    to.streams ? stream(at, acc[r][v]) : store(at, acc[r][v]);
                }
        } else {
            // The best of each row, then of all rows, as if samples came one by one: the first zero wins.
            Accumulators<Sum, rows, vectors> best;
            fill(best, -std::numeric_limits<Sum>::infinity());
            for (int row = x.bin_ptr[bin]; row < x.bin_ptr[bin + 1]; ++row) {
                fill(acc, Sum(0));
                reduce<reduction, Sum>(acc, x, x.row_ptr[row], x.row_ptr[row + 1], load_tap);
#pragma GCC unroll 4
                for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
                    for (int v = 0; v < vectors; ++v) best[r][v] = larger(acc[r][v], best[r][v]);
            }
#pragma GCC unroll 8
            for (int v = 0; v < vectors; ++v) {
                To* const bin_of = to.at + some.template at<Sum>(v);
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
    explicit Pool(const Task& task)
        : task_(task),
          call_(*task.call),
          region_(*task.region),
          pitch_(task.out_cells && !call_.turned ? std::max(task.channels, width<Sum>) : lanes<Element>),
          bins_y_(call_.own_channels ? 1 : call_.bins_y),
          bins_x_(call_.own_channels ? 1 : call_.bins_x),
          channels_of_panel_(region_.lines ? region_.lines * lanes<Element> : task.channels),
          panels_((task.channels + channels_of_panel_ - 1) / channels_of_panel_) {}

    void run() {
        for (int i = 0; i < panels_; ++i) {
            take_panel(i);
            if (region_.lines && !region_.in_bands) pack<Element>(call_, region_, map_, panel_, channels_);
        }
        const int together = panels_ > 1 ? task_.tiles : 1;
        for (int first = 0; first < region_.count; first += together) {
            const Box* const boxes = region_.boxes + first;
            const int count = std::min(together, region_.count - first);
            // From the last panel on: its channels may not fill a vector, and write over the tile's next cell.
            for (int i = panels_; i--;) {
                if (panels_ > 1) take_panel(i);
                for (int b = 0; b < count; ++b) pool_box(boxes + b, task_.tile + b * task_.tile_bytes);
            }
            for (int b = 0; panels_ > 1 && b < count; ++b) {
                take_box(boxes + b, task_.tile + b * task_.tile_bytes);
                write_cells();
            }
        }
        if (task_.streams) finish_streams();
    }

private:
    static constexpr bool of_samples = reduction == Reduction::sample_maximum;
    // The elements of tiles if channels are last: see `across`, which reads a maximum back from them.
    using Cell = std::conditional_t<of_samples, Sum, Element>;
    static constexpr std::ptrdiff_t size = sizeof(Element);

    // How many rows are processed together if a cell has this many vectors. For samples there are also
    // accumulators for the largest.
    static constexpr int rows_of(int vectors) {
        const int rows = std::min(most_rows, most_accumulators / vectors);
        return std::max(1, rows / (of_samples && vectors > 1 ? 2 : 1));
    }

    // The panel with some of the task's channels: all that is read, until another is taken.
    void take_panel(int i) {
        first_channel_ = i * channels_of_panel_;
        channels_ = std::min(channels_of_panel_, task_.channels - first_channel_);
        map_ = region_.map + task_.bin * call_.own_channels;
        map_ += (task_.first_channel + first_channel_) * call_.strides[1];
        panel_ = task_.panel + i * region_.height * region_.pitch;
        read_ = {map_, call_.strides[2]};
        if (region_.lines)
            read_ = {panel_ - region_.y * region_.pitch - region_.x * region_.lines * line_bytes, region_.pitch};
        vectors_ = (channels_ + width<Sum> - 1) / width<Sum>;
        last_ = task_.out_cells && panels_ == 1 ? std::max(channels_ - width<Sum>, 0) : (vectors_ - 1) * width<Sum>;
        rows_together_ = region_.in_bands ? 1 : rows_of(std::min(vectors_, most_accumulators));
    }

    void take_box(const Box* box, char* tile) {
        tile_ = tile;
        box_ = call_.own_channels ? &(own_ = own_bin(*box)) : box;
    }

    void pool_box(const Box* box, char* tile) {
        take_box(box, tile);
        if (!task_.out_cells) {
            pool_into(tile_bins<Sum>());
            return write_planes();
        }
        const std::ptrdiff_t(&out)[4] = call_.out_strides;
        char* const to = box_->out + task_.first_channel * size;
        const bool fills_lines = (reinterpret_cast<std::intptr_t>(to) | out[2] | out[3]) % line_bytes == 0;
        const bool fits = task_.streams ? fills_lines : (out[2] | out[3]) % size == 0;
        const Bins<Element> bins{reinterpret_cast<Element*>(to), out[3] / size, out[2] / size, task_.streams};
        if (panels_ == 1 && fits && !of_samples && !box->flagged && !call_.turned && channels_ >= width<Sum>)
            return pool_into(bins);
        pool_into(tile_bins<Cell>());
        if (panels_ == 1) write_cells();
    }

    // The only bin that the task's channels are for.
    Box own_bin(Box box) const {
        const int p = task_.bin / call_.bins_x, q = task_.bin % call_.bins_x;
        box.out += p * call_.out_strides[2] + q * call_.out_strides[3];
        for (const auto& [axis, bin] : {std::pair{&box.y, p}, std::pair{&box.x, q}}) {
            axis->bins = 1;
            axis->bin_ptr += bin;
            axis->is_void += bin;
            axis->zero += bin;
        }
        const int begin = box.x.row_ptr[box.x.bin_ptr[0]], end = box.x.row_ptr[box.x.bin_ptr[1]];
        if (begin == end || region_.in_bands) return box;
        box.first_column = box.x.index[begin] / column_block * column_block;
        box.columns = (box.x.index[end - 1] / column_block + 1) * column_block;
        return box;
    }

    template <class To>
    Bins<To> tile_bins() const {
        return {reinterpret_cast<To*>(tile_) + first_channel_, pitch_, box_->x.bins * pitch_, false};
    }

    template <class To>
    void pool_into(Bins<To> to) {
        if constexpr (reduction == Reduction::sum)
            if (call_.turned) return pool_turned(to);
        const Axis& y = box_->y;
        for (int bin = 0, bins = 1; bin < y.bins; bin += bins) {
            const Bins<To> row = to.row(bin);
            if (!of_samples) {
                bins = std::min(rows_together_, y.bins - bin);
                pool_rows(row, y.bin_ptr[bin], bins, false);
            } else {
                const int begin = y.bin_ptr[bin], end = y.bin_ptr[bin + 1];
                for (int r = begin; r < end; r += rows_together_)
                    pool_rows(row, r, std::min(rows_together_, end - r), r > begin);
            }
            if (box_->flagged)
                for (int b = 0; b < bins; ++b) finish(row.row(b), bin + b);
        }
    }

    // Rows of the plan along y, from `row` on.
    template <class To>
    void pool_rows(Bins<To> to, int row, int rows, bool continues) {
        if (region_.in_bands) fill_in_bands(box_->y, row);
        for_each_vectors([&](auto some) {
            Sum* const buffers = row_buffer(some.before);
            const Bins<To> bins{to.at + some.channel, to.next, to.below, to.streams};
            if (!region_.in_bands)
                down<Element, reduction>(buffers, read_.from(some.channel * size), some, *box_, box_->y, row, rows);
            pool_across<rows_of(some.count)>(rows, bins, buffers, some, continues);
        });
    }

    template <int n, int vectors, class To>
    __attribute__((always_inline)) void pool_across(int rows, Bins<To> to, const Sum* buffers, Vectors<vectors> some,
                                                    bool continues) {
        if constexpr (n > 1)
            if (rows < n) return pool_across<n - 1>(rows, to, buffers, some, continues);
        const Sum start = Sum(reduction == Reduction::sum ? 0.0 : call_.convention.maximum_start);
        across<reduction, n>(to, buffers, some, box_->x, start, continues);
    }

    // Bins that list cells of the panel: each is a row of R_x, and the whole panel is the row buffer.
    template <class To>
    void pool_turned(Bins<To> to) {
        constexpr int vectors = lanes<Element> / width<Sum>;
        const Bins<To> row = to;
        if (!region_.in_bands)
            across<reduction, 1>(to, reinterpret_cast<const Element*>(panel_),
                                 Vectors<vectors>{0, (vectors - 1) * width<Sum>, 0}, box_->x, Sum(0), false);
        for (int bin = 0; region_.in_bands && bin < box_->x.bins; ++bin, to.at += to.next) {
            fill_in_bands(box_->x, box_->x.bin_ptr[bin]);
            for_each_vectors([&](auto some) {
                for (int v = 0; v < some.count; ++v)
                    store(to.at + some.channel + some.template at<Sum>(v),
                          load<Sum>(row_buffer(some.before) + v * width<Sum>));
            });
        }
        if (box_->flagged) finish(row, 0);
    }

    // The row buffer of a row of the plan whose scanlines, or a turned box's cells, are packed segment by segment.
    void fill_in_bands(const Axis& axis, int row) {
        const Scanlines panel = read_.from(region_.y * region_.pitch);
        const int begin = axis.row_ptr[row], end = axis.row_ptr[row + 1];
        int tap = begin;
        do {
            const int taps = std::min(end - tap, box_->segment);
            std::int32_t scanline[longest_sum];
            for (int t = 0; t < taps; ++t) {
                scanline[t] = t;
                const char* from = map_ + box_->y.index[tap + t] * call_.strides[2];
                if (call_.turned) from += box_->x.index[tap + t] * call_.strides[3];
                pack_scanline<Element>(call_, region_, panel_ + t * region_.pitch, from, channels_);
            }
            const std::int32_t row_ptr[] = {0, taps};
            const Sum* const weights = static_cast<const Sum*>(axis.weight) + tap;
            const Axis band{1, nullptr, row_ptr, scanline, weights, nullptr, nullptr};
            for_each_vectors([&](auto some) {
                down<Element, reduction>(row_buffer(some.before), panel.from(some.channel * size), some, *box_, band,
                                         0, 1, tap > begin);
            });
            tap += taps;
        } while (tap < end);
    }

    // The buffers of a cell's vectors follow each other if all are kept.
    Sum* row_buffer(int channel) const {
        Sum* const buffers = reinterpret_cast<Sum*>(task_.row_buffer);
        return region_.in_bands ? buffers + std::ptrdiff_t(channel) * box_->columns : buffers;
    }

    // Go through a cell's channels, as many vectors at a time as there are accumulators for.
    template <class Do>
    void for_each_vectors(Do with) {
        for (int v = 0; v < vectors_; v += most_accumulators)
            with_vectors<1>(with, v, std::min(vectors_ - v, most_accumulators));
    }

    template <int n, class Do>
    void with_vectors(Do& with, int first, int count) {
        if constexpr (n < most_accumulators)
            if (count > n) return with_vectors<n + 1>(with, first, count);
        const int channel = n == 1 ? std::min(first * width<Sum>, last_) : first * width<Sum>;
        with(Vectors<n>{channel, std::min((n - 1) * width<Sum>, last_ - channel), first * width<Sum>});
    }

    // Apply the flags to one row of bins.
    template <class To>
    void finish(Bins<To> row, int p) const {
        const Axis&y = box_->y, &x = box_->x;
        const bool is_empty = of_samples && y.bin_ptr[p] == y.bin_ptr[p + 1];  // nothing was written yet
        for (int q = 0; q < x.bins; ++q, row.at += row.next)
            for (int v = 0; v < vectors_; ++v) {
                To* const at = row.at + std::min(v * width<Sum>, last_);
                Vector<Sum> bin = is_empty ? splat(Sum(call_.convention.maximum_start)) : load<Sum>(at);
                if (y.zero[p] | x.zero[q]) bin = bin < 0 ? Vector<Sum>{} : bin;
                store(at, y.is_void[p] | x.is_void[q] ? splat(Sum(call_.convention.void_value)) : bin);
            }
    }

    // Channels last: the tile's cells are the output's, usually except for their type.
    void write_cells() {
        const std::ptrdiff_t channels = task_.channels, bytes = channels * size;
        const int bins = bins_y_ * bins_x_;
        const char* from = tile_;
        if (!std::is_same_v<Element, Cell> || pitch_ != channels) {
            const Cell* cell = reinterpret_cast<const Cell*>(from);
            Element* to = reinterpret_cast<Element*>(task_.staged);
            // Each cell is written over the end of the one before it.
            for (int bin = 0; bin < bins; ++bin, cell += pitch_, to += channels)
                for (int c = 0; c < channels; c += width<Sum>) store(to + c, load<Sum>(cell + c));
            from = task_.staged;
        }
        const auto& out = call_.out_strides;
        char* const to = box_->out + task_.first_channel * size;
        if (out[3] == bytes && (bins_y_ == 1 || out[2] == bins_x_ * bytes))
            return copy(to, from, bins * bytes, task_.streams);
        for (int p = 0; p < bins_y_; ++p)
            for (int q = 0; q < bins_x_; ++q, from += bytes)
                copy(to + p * out[2] + q * out[3], from, bytes, task_.streams);
    }

    // Channels first: the tile is transposed, and copied to the output from there.
    __attribute__((noinline)) void write_planes() {
        constexpr int n = width<Sum>, pitch = lanes<Element>;
        const int bins = bins_y_ * bins_x_;
        const Sum* const tile = reinterpret_cast<const Sum*>(tile_);
        Element* planes = reinterpret_cast<Element*>(task_.staged);
        int bin = 0;
        for (; bins - bin > n / 4; bin += n) {
            // With fewer bins than a vector has numbers, a channel writes into the next one's place,
            // which is then written again.
            const int first = std::max(0, std::min(bin, bins - n));
            for (int c = 0; c < vectors_ * n; c += piece<Sum>)
                transpose<Sum, n>(
                    [&](int i) { return tile + (first + i) * pitch + c; },
                    [&](int i, Vector<Sum> channel) { store(planes + (c + i) * bins + first, channel); });
        }
        for (; bin < bins; ++bin)
            for (int c = 0; c < vectors_ * n; c += n) {
                Element cell[n];
                store(cell, load<Sum>(tile + bin * pitch + c));
#pragma GCC unroll 16
                for (int i = 0; i < n; ++i) planes[(c + i) * bins + bin] = cell[i];
            }
        const auto& out = call_.out_strides;
        char* to = box_->out + task_.first_channel * out[1];
        const std::ptrdiff_t plane = bins * size;
        const bool neighbours = out[3] == size && (bins_y_ == 1 || out[2] == bins_x_ * size);
        if (neighbours && out[1] == plane) return copy(to, planes, plane * task_.channels, task_.streams);
        for (int c = 0; c < task_.channels; ++c, to += out[1], planes += bins) {
            if (neighbours && bins > 1)
                copy(to, planes, plane, task_.streams);
            else
                for (int p = 0; p < bins_y_; ++p)
                    for (int q = 0; q < bins_x_; ++q)
                        std::memcpy(to + p * out[2] + q * out[3], planes + p * bins_x_ + q, size);
        }
    }

    const Task& task_;
    const Arguments& call_;
    const Region& region_;
    const std::ptrdiff_t pitch_;  // of the tile: numbers from one bin to the next
    const int bins_y_, bins_x_;   // of the output, for these channels
    const int channels_of_panel_, panels_;
    int first_channel_ = 0, channels_ = 0;  // of the panel, counted from the task's first
    const char* map_ = nullptr;             // its channels of the window's cell (0, 0)
    char *panel_ = nullptr, *tile_ = nullptr;
    Scanlines read_{};           // of the map or the panel
    int vectors_ = 0, last_ = 0;  // of a cell; the channel at which the last vector begins
    int rows_together_ = 1;
    const Box* box_ = nullptr;
    Box own_{};  // if the task is for one of its bins
};

template <class Element>
void pool_elements(const Task& task) {
    using Sum = std::conditional_t<std::is_same_v<Element, half>, float, Element>;
    switch (task.call->convention.reduction) {
        case Reduction::sum: return Pool<Element, Reduction::sum, Sum>(task).run();
        case Reduction::sample_maximum: return Pool<Element, Reduction::sample_maximum, Sum>(task).run();
        case Reduction::corner_maximum: return Pool<Element, Reduction::corner_maximum, Sum>(task).run();
        case Reduction::maximum: return Pool<Element, Reduction::maximum, Sum>(task).run();
    }
}

}  // namespace

void pool::LEVEL(const Task& task) {
    switch (task.call->element) {
        case Element::half: return pool_elements<half>(task);
        case Element::single: return pool_elements<float>(task);
        case Element::real64: return pool_elements<double>(task);
    }
}

}  // namespace roicrop
