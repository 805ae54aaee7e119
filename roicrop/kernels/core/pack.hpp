// Packing: scanlines of the map become scanlines of the panel, in which a cell's channels are
// neighbours. Integers, and numbers in the other byte order, become the output's elements here.
//
// In an unnamed namespace for the reason given in vectors.hpp.

#pragma once

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "kernel.hpp"
#include "vectors.hpp"

namespace roicrop {
namespace {

// Reads `count` numbers, `step` bytes apart, into adjacent elements. half, float and double are
// gathered as they are, everything else as float.
using Gather = void (*)(void* to, const char* from, std::ptrdiff_t step, int count, bool swapped);

template <class From, class To = float>
void gather(void* to, const char* from, std::ptrdiff_t any_step, int count, bool any_swapped) {
    const auto all = [&](auto step, auto swapped) {
        for (int i = 0; i < count; ++i) {
            constexpr int size = sizeof(From);
            char bytes[size];
            for (int b = 0; b < size; ++b) bytes[b] = from[i * step + (swapped ? size - 1 - b : b)];
            From number;
            std::memcpy(&number, bytes, sizeof number);
            static_cast<To*>(to)[i] = To(number);
        }
    };
    if (any_step == sizeof(From) && !any_swapped)  // vectors
        return all(std::integral_constant<int, sizeof(From)>{}, std::false_type{});
    all(any_step, any_swapped);
}

inline Gather gather_of(Number number) {
    const bool is_signed = number.kind == 'i', is_real = number.kind == 'f';
    switch (number.bytes) {
        case 1: return is_signed ? gather<std::int8_t> : gather<std::uint8_t>;
        case 2: return is_real ? gather<half, half> : is_signed ? gather<std::int16_t> : gather<std::uint16_t>;
        case 4: return is_real ? gather<float> : is_signed ? gather<std::int32_t> : gather<std::uint32_t>;
        case 8: return is_real ? gather<double, double> : is_signed ? gather<std::int64_t> : gather<std::uint64_t>;
        default: return gather<long double>;
    }
}

// The channels in a cell of the panel: a cache line.
template <class Element>
constexpr int lanes = line_bytes / int(sizeof(Element));

// Some columns of one scanline, a piece at a time. If the last piece is not full, it begins earlier and
// repeats part of the one before it.
template <class Element>
void pack_planes(Element* to, const char* from, std::ptrdiff_t to_channel, int channels, int columns) {
    constexpr int n = vector_bytes / int(sizeof(Element)), k = piece<Element>;
    const char* plane[lanes<Element>];
    for (int c = 0; c < lanes<Element>; ++c) plane[c] = from + std::min(c, channels - 1) * to_channel;
    if (columns < k) {
        for (int x = 0; x < columns; ++x, to += lanes<Element>)
            for (int c = 0; c < lanes<Element>; ++c)
                std::memcpy(to + c, plane[c] + x * std::ptrdiff_t(sizeof(Element)), sizeof(Element));
        return;
    }
    for (int x = 0; x < columns; x += k) {
        const std::ptrdiff_t first = std::min(x, columns - k);
        for (int c = 0; c < lanes<Element>; c += n)
            transpose<Element, n>(
                [&](int i) { return plane[c + i] + first * sizeof(Element); },
                [&](int i, auto cell) { store_run<Element, n>(to + (first + i) * lanes<Element> + c, cell); });
    }
}

// Cells of a channels-last map are so far apart that the processor does not prefetch them. What a last
// line has of the cells after it is never used.
inline void copy_cells(char* to, std::ptrdiff_t to_next, const char* from, std::ptrdiff_t next, int bytes,
                       int columns) {
    constexpr int ahead = 16;
    const std::ptrdiff_t lines = (bytes + line_bytes - 1) / line_bytes * line_bytes;
    for (int x = 0; x < columns; ++x, to += to_next, from += next) {
        for (int i = 0; i < bytes; i += line_bytes) __builtin_prefetch(from + ahead * next + i);
        int i = 0;
        const bool follows = next * (columns - 1 - x) + bytes >= lines;  // cells whose memory fills the last line
        const std::ptrdiff_t end = follows ? lines : bytes / line_bytes * line_bytes;
        for (; i < end; i += line_bytes) std::memcpy(to + i, from + i, line_bytes);
        if (i < bytes) std::memcpy(to + i, from + i, std::size_t(bytes - i));
    }
}

// One scanline of a region, from the map's scanline at `from`.
template <class Element>
void pack_scanline(const Arguments& call, const Region& region, char* to, const char* from, int channels) {
    const Number number = call.number;
    const std::ptrdiff_t cell = region.lines * line_bytes, channel = call.strides[1], x = call.strides[3];
    const bool same = number.kind == 'f' && number.bytes == sizeof(Element) && !number.swapped;
    const bool neighbours = x == number.bytes && region.lines == 1;
    Element* const cells = reinterpret_cast<Element*>(to);
    from += region.x * x;
    if (same && channel == number.bytes)
        return copy_cells(to, cell, from, x, channels * number.bytes, region.width);
    if (same && neighbours)
        return pack_planes<Element>(cells, from, channel, channels, region.width);
    const Gather gather = gather_of(number);
    if (!neighbours) {
        for (int i = 0; i < region.width; ++i)
            gather(to + i * cell, from + i * x, channel, channels, number.swapped);
        return;
    }
    for (int i = 0; i < region.width; i += pack_block) {
        const int columns = std::min(pack_block, region.width - i);
        alignas(line_bytes) Element block[lanes<Element>][pack_block];
        for (int c = 0; c < channels; ++c)
            gather(block[c], from + i * x + c * channel, x, columns, number.swapped);
        pack_planes<Element>(cells + i * lanes<Element>, reinterpret_cast<const char*>(block), sizeof block[0],
                             channels, columns);
    }
}

// Packs the part of a region that boxes read.
template <class Element>
void pack(const Arguments& call, const Region& region, const char* map, char* panel, int channels) {
    map += region.y * call.strides[2];
    for (int y = 0; y < region.height; ++y, map += call.strides[2], panel += region.pitch)
        if (region.scanlines[y]) pack_scanline<Element>(call, region, panel, map, channels);
}

}  // namespace
}  // namespace roicrop
