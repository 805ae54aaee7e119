// The numbers of a map, most kinds of which are not what the passes compute with.
//
// In an unnamed namespace for the reason that lanes.hpp has.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "two_pass.hpp"

namespace roicrop {
namespace {

// Whether it can be read without conversion.
template <class Element>
inline bool is_element(Number number) {
    return number.kind == 'f' && number.bytes == sizeof(Element) && !number.swapped;
}

// Reads so many numbers, `step` bytes apart, as elements that are neighbours.
using Gather = void (*)(void* to, const char* from, std::ptrdiff_t step, int count);

template <class From, bool swapped>
inline From number_at(const char* at) {
    char bytes[sizeof(From)];
    for (std::size_t i = 0; i < sizeof bytes; ++i) bytes[i] = at[swapped ? sizeof bytes - 1 - i : i];
    From number;
    std::memcpy(&number, bytes, sizeof number);
    return number;
}
template <>
inline bool number_at<bool, false>(const char* at) {
    return *at != 0;
}

template <class From, class To, bool swapped>
void gather(void* to, const char* from, std::ptrdiff_t step, int count) {
    To* const elements = static_cast<To*>(to);
    if (step == sizeof(From))  // vectors
        for (int i = 0; i < count; ++i)
            elements[i] = To(number_at<From, swapped>(from + i * sizeof(From)));
    else
        for (int i = 0; i < count; ++i)
            elements[i] = To(number_at<From, swapped>(from + i * step));
}

template <class From, class To = float>
Gather either(bool swapped) {
    return swapped ? gather<From, To, true> : gather<From, To, false>;
}

// half, float and double are gathered as they are, all else as float.
inline Gather gather_of(Number number) {
    const bool swapped = number.swapped;
    switch (number.kind) {
        case 'b': return gather<bool, float, false>;
        case 'u':
            switch (number.bytes) {
                case 1: return either<std::uint8_t>(swapped);
                case 2: return either<std::uint16_t>(swapped);
                case 4: return either<std::uint32_t>(swapped);
                default: return either<std::uint64_t>(swapped);
            }
        case 'i':
            switch (number.bytes) {
                case 1: return either<std::int8_t>(swapped);
                case 2: return either<std::int16_t>(swapped);
                case 4: return either<std::int32_t>(swapped);
                default: return either<std::int64_t>(swapped);
            }
        default:
            switch (number.bytes) {
                case sizeof(half): return either<half, half>(swapped);
                case sizeof(float): return either<float, float>(swapped);
                case sizeof(double): return either<double, double>(swapped);
                default: return either<long double>(swapped);
            }
    }
}

}  // namespace
}  // namespace roicrop
