// The numbers of a map, most kinds of which are not what the kernel computes with.
//
// In an unnamed namespace for the reason that vectors.hpp has.

#pragma once

#include <cstring>
#include <type_traits>

#include "kernel.hpp"

namespace roicrop {
namespace {

// Reads so many numbers, `step` bytes apart, as elements that are neighbours. half, float and double
// are gathered as they are, all else as float.
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

}  // namespace
}  // namespace roicrop
