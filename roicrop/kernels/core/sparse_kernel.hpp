// The kernel of bins that are pooled one by one: taps into accumulators, for a cache line of channels.

#pragma once

#include "pack.hpp"
#include "sparse.hpp"

namespace roicrop {
namespace {

constexpr int longest_run = 256;  // taps that are summed together, so that long sums stay accurate

template <class Element, class Sum>
class SparsePool {
public:
    explicit SparsePool(const SparseTask<Sum>& task) : task_(task) {}

    void run() const {
        if (task_.packs) pack_rectangle();
        for (int i = 0; i < task_.count; ++i) {
            const SparseBox<Sum>& box = *task_.boxes[i];
            for (int b = 0; b < task_.bins; ++b) {
                const int bin = task_.first_bin + b;
                Element* const to = tile() + b * line;
                if (task_.packs)
                    pool(to, box, bin, [this](const Tap<Sum>& tap, int v) {
                        return load<Sum>(cell(tap.y - task_.top, tap.x - task_.left) + v * width<Sum>);
                    });
                else
                    pool(to, box, bin, [this](const Tap<Sum>& tap, int v) { return gathered(tap, v); });
            }
            write(box.out);
        }
    }

private:
    static constexpr int line = lanes<Element>, vectors = line / width<Sum>;

    Element* tile() const { return reinterpret_cast<Element*>(task_.tile); }
    Element* cell(std::ptrdiff_t y, std::ptrdiff_t x) const {
        return reinterpret_cast<Element*>(task_.panel) + (y * task_.width + x) * line;
    }

    void pack_rectangle() const {
        const auto& in = task_.call->strides;
        const Number number = task_.call->number;
        constexpr int run = std::min(vector_bytes / int(sizeof(Element)), pack_block);
        const bool as_it_is = is_element<Element>(number) && in[3] == sizeof(Element);
        for (int y = 0; y < task_.height; ++y) {
            const char* const from = task_.map + (task_.top + y) * in[2] + task_.left * in[3];
            if (as_it_is) {
                pack_planes<Element, run>(cell(y, 0), from, task_.next_channel, task_.channels, task_.width);
                continue;
            }
            for (int x = 0; x < task_.width; ++x)
                gather_of(number)(cell(y, x), from + x * in[3], task_.next_channel, task_.channels, number.swapped);
        }
    }

    // Of a box that is too large to be packed.
    Vector<Sum> gathered(const Tap<Sum>& tap, int v) const {
        alignas(line_bytes) Element channels[line] = {};
        const Arguments& a = *task_.call;
        const char* const from = task_.map + tap.y * a.strides[2] + tap.x * a.strides[3];
        gather_of(a.number)(channels, from, task_.next_channel, task_.channels, a.number.swapped);
        return load<Sum>(channels + v * width<Sum>);
    }

    template <class Load>
    __attribute__((always_inline)) void pool(Element* to, const SparseBox<Sum>& box, int bin,
                                             Load load_tap) const {
        const Tap<Sum>* tap = box.taps + box.ptr[bin];
        const Tap<Sum>* const end = box.taps + box.ptr[bin + 1];
        Vector<Sum> total[vectors] = {};
        while (tap < end) {
            Vector<Sum> acc[2][vectors] = {};
            const Tap<Sum>* const stop = tap + std::min<std::ptrdiff_t>(end - tap, longest_run);
            for (; tap + 1 < stop; tap += 2)
#pragma GCC unroll 8
                for (int v = 0; v < vectors; ++v) {
                    acc[0][v] += tap[0].weight * load_tap(tap[0], v);
                    acc[1][v] += tap[1].weight * load_tap(tap[1], v);
                }
            for (; tap < stop; ++tap)
                for (int v = 0; v < vectors; ++v) acc[0][v] += tap->weight * load_tap(*tap, v);
            for (int v = 0; v < vectors; ++v) total[v] += acc[0][v] + acc[1][v];
        }
        for (int v = 0; v < vectors; ++v)
            store(to + v * width<Sum>, box.is_void[bin] ? splat(Sum(task_.call->convention.void_value)) : total[v]);
    }

    void write(char* to) const {
        const auto& out = task_.call->out_strides;
        const int bins_x = task_.call->bins_x, first_y = task_.first_bin / bins_x, first_x = task_.first_bin % bins_x;
        const int rows = std::max(1, task_.bins / bins_x), columns = task_.bins / rows;
        to += task_.first_channel * out[1] + first_y * out[2] + first_x * out[3];
        for (int c = 0; c < task_.channels; ++c, to += out[1]) {
            const Element* from = tile() + c;
            for (int y = 0; y < rows; ++y)
                for (int x = 0; x < columns; ++x, from += line)
                    std::memcpy(to + y * out[2] + x * out[3], from, sizeof(Element));
        }
    }

    const SparseTask<Sum>& task_;
};

template <class Sum>
void sparse(const SparseTask<Sum>& task) {
    if constexpr (std::is_same_v<Sum, float>)
        if (task.call->element == Element::half) return SparsePool<half, float>(task).run();
    SparsePool<Sum, Sum>(task).run();
}

}  // namespace
}  // namespace roicrop
