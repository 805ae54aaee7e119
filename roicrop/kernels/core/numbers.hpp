// The numbers of a map, most kinds of which are not what the kernel computes with.
//
// In an unnamed namespace for the reason that vectors.hpp has.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernel.hpp"

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

template <class Of1, class Of2, class Of4, class Of8>
Gather gather_integers(Number number) {
    switch (number.bytes) {
        case 1: return either<Of1>(number.swapped);
        case 2: return either<Of2>(number.swapped);
        case 4: return either<Of4>(number.swapped);
        default: return either<Of8>(number.swapped);
    }
}

inline Gather gather_reals(Number number) {
    switch (number.bytes) {
        case sizeof(half): return either<half, half>(number.swapped);
        case sizeof(float): return either<float, float>(number.swapped);
        case sizeof(double): return either<double, double>(number.swapped);
        default: return either<long double>(number.swapped);
    }
}

// half, float and double are gathered as they are, all else as float.
inline Gather gather_of(Number number) {
    using std::int8_t, std::int16_t, std::int32_t, std::int64_t;
    using std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t;
    switch (number.kind) {
        case 'b': return gather<bool, float, false>;
        case 'u': return gather_integers<uint8_t, uint16_t, uint32_t, uint64_t>(number);
        case 'i': return gather_integers<int8_t, int16_t, int32_t, int64_t>(number);
        default: return gather_reals(number);
    }
}

}  // namespace
}  // namespace roicrop
