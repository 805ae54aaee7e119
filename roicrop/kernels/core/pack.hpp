// Packing: scanlines of the map become scanlines of the panel, in which a cell's channels are
// neighbours. Integers, and numbers in the other byte order, become the output's elements here.
//
// In an unnamed namespace for the reason that vectors.hpp has.

#pragma once

#include "kernel.hpp"
#include "numbers.hpp"
#include "vectors.hpp"

namespace roicrop {
namespace {

// Channels of a cell of the panel: a cache line.
template <class Element>
constexpr int lanes = line_bytes / int(sizeof(Element));

// Some columns of one scanline, n at a time. A last run that is not full begins earlier, and repeats
// what the one before it did; where there is none before it, runs are shorter.
template <class Element, int n>
void pack_planes(Element* to, const char* from, std::ptrdiff_t to_channel, int channels, int columns) {
    if constexpr (n == 1) {
        for (int c = 0; c < lanes<Element>; ++c)
            std::memcpy(to + c, from + std::min(c, channels - 1) * to_channel, sizeof(Element));
    } else {
        if (columns < n)
            return pack_planes<Element, n / 2>(to, from, to_channel, channels, columns);
        for (int c = 0; c < lanes<Element>; c += n) {
            const char* plane[n];
            for (int i = 0; i < n; ++i) plane[i] = from + std::min(c + i, channels - 1) * to_channel;
            for (int x = 0; x < columns; x += n) {
                const int first = std::min(x, columns - n);
                Run<Element, n> block[n];
#pragma GCC unroll 16
                for (int i = 0; i < n; ++i)
                    block[i] = load_run<Element, n>(plane[i] + first * std::ptrdiff_t(sizeof(Element)));
                transpose(block);
#pragma GCC unroll 16
                for (int i = 0; i < n; ++i)
                    store_run<Element, n>(to + (first + i) * lanes<Element> + c, block[i]);
            }
        }
    }
}

// The columns of one scanline from the panel's `to` and the map's `from` on.
template <class Element, class Sum>
void pack_columns(const Task<Sum>& task, Gather gather, Element* to, const char* from, int columns) {
    const Strides& in = task.in;
    if (in.x != task.number.bytes) {  // not neighbours: one cell after the other
        for (int x = 0; x < columns; ++x, to += lanes<Element>, from += in.x) {
            alignas(line_bytes) Element cell[lanes<Element>] = {};
            gather(cell, from, in.channel, task.channels);
            std::memcpy(to, cell, line_bytes);
        }
        return;
    }
    constexpr int run = std::min(vector_bytes / int(sizeof(Element)), pack_block);
    if (is_element<Element>(task.number))
        return pack_planes<Element, run>(to, from, in.channel, task.channels, columns);
    alignas(line_bytes) Element block[lanes<Element>][pack_block];
    for (int c = 0; c < task.channels; ++c, from += in.channel)
        gather(block[c], from, in.x, columns);
    const char* const gathered = reinterpret_cast<const char*>(block);
    pack_planes<Element, run>(to, gathered, sizeof block[0], task.channels, columns);
}

// One scanline of a region, as far as boxes read it.
template <class Element, class Sum>
void pack_scanline(const Task<Sum>& task, char* to, const char* from) {
    const Region<Sum>& region = *task.region;
    const Gather gather = gather_of(task.number);
    for (int x = 0; x < region.width; x += pack_block) {
        if (!region.column_blocks[x / pack_block]) continue;
        const int columns = std::min(pack_block, region.width);
        const int begin = std::min(x, region.width - columns);
        pack_columns(task, gather, reinterpret_cast<Element*>(to + begin * line_bytes),
                     from + begin * task.in.x, columns);
    }
}

template <class Element, class Sum>
void pack(const Task<Sum>& task) {
    const Region<Sum>& region = *task.region;
    const char* const map = region.map + task.first_channel * task.in.channel;
    for (int y = 0; y < region.height; ++y)
        if (region.scanlines[y])
            pack_scanline<Element>(task, task.panel + y * region.pitch, map + y * task.in.y);
}

}  // namespace
}  // namespace roicrop
