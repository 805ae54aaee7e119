// Vectors of channels, for the level of instructions that this object is built for.
//
// Everything is in an unnamed namespace: the same function is built once for each level, and the linker
// must never use one level's function for another.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kernel.hpp"

namespace roicrop {
namespace {

#if defined(__AVX512F__)
constexpr int vector_bytes = 64;
#elif defined(__AVX2__)
constexpr int vector_bytes = 32;
#else
constexpr int vector_bytes = 16;
#endif

// n numbers side by side, in a register and anywhere in memory.
template <class Number, int n>
struct RunOf {
    typedef Number type __attribute__((vector_size(n * sizeof(Number))));
    typedef Number anywhere __attribute__((vector_size(n * sizeof(Number)), aligned(1), may_alias));
};
template <class Number, int n>
using Run = typename RunOf<Number, n>::type;

template <class Number, int n>
inline Run<Number, n> load_run(const void* from) {
    return *static_cast<const typename RunOf<Number, n>::anywhere*>(from);
}

template <class Number, int n>
inline void store_run(void* to, Run<Number, n> run) {
    *static_cast<typename RunOf<Number, n>::anywhere*>(to) = run;
}

// As many elements as one instruction processes.
template <class Sum>
constexpr int width = vector_bytes / int(sizeof(Sum));
template <class Sum>
using Vector = Run<Sum, width<Sum>>;

template <class Sum>
inline Vector<Sum> splat(Sum value) {
    return value - Vector<Sum>{};
}

// Some vectors of a cell, from `channel` on. The last may overlap the one before it, so that cells need
// not be whole vectors.
template <int n>
struct Vectors {
    static constexpr int count = n;
    int channel, last;  // the first vector's channel in the cell; the last one's, counted from there
    int before;         // channels in the vectors before these, if none overlapped

    template <class Sum>
    std::ptrdiff_t at(int v) const {
        return n > 1 && v + 1 == n ? last : v * width<Sum>;
    }
};

// The compiler's own binary16: it converts without instructions for that, too.
#if defined(__ARM_FP16_FORMAT_IEEE)
using Binary16 = __fp16;
#else
using Binary16 = _Float16;
#endif

// The next `width<Sum>` elements, as sums.
template <class Sum>
inline Vector<Sum> load(const Sum* from) {
    return load_run<Sum, width<Sum>>(from);
}

template <class Sum>
inline Vector<Sum> load(const half* from) {
#if defined(__AVX512F__)
    return (Vector<Sum>)_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
#elif defined(__AVX2__)
    return (Vector<Sum>)_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
#else
    Vector<Sum> sums;
    Binary16 halves[width<Sum>];
    std::memcpy(halves, from, sizeof halves);
    for (int i = 0; i < width<Sum>; ++i) sums[i] = halves[i];
    return sums;
#endif
}

// Sums as elements: the same, or rounded to the nearest half, ties to even.
template <class Element, class V>
inline auto elements(V sums) {
    if constexpr (!std::is_same_v<Element, half>) {
        return sums;
    } else {
#if defined(__AVX512F__)
        return (Run<half, 16>)_mm512_cvtps_ph((__m512)sums, _MM_FROUND_TO_NEAREST_INT);
#elif defined(__AVX2__)
        return (Run<half, 8>)_mm256_cvtps_ph((__m256)sums, _MM_FROUND_TO_NEAREST_INT);
#else
        Binary16 rounded[width<float>];
        for (int i = 0; i < width<float>; ++i) rounded[i] = Binary16(sums[i]);
        return load_run<half, width<float>>(rounded);
#endif
    }
}

template <class Element, class V>
inline void store(Element* to, V sums) {
    store_run<Element, sizeof(V) / sizeof(sums[0])>(to, elements<Element>(sums));
}

// To memory, bypassing the caches: best for data larger than they are. `to` is aligned for a vector.
template <class Element, class V>
inline void stream(Element* to, V sums) {
    const auto all = elements<Element>(sums);
    float* const at = reinterpret_cast<float*>(to);
#if defined(__AVX512F__)
    if constexpr (sizeof all == 64) return _mm512_stream_ps(at, (__m512)all);
#endif
#if defined(__AVX2__)
    if constexpr (sizeof all == 32) return _mm256_stream_ps(at, (__m256)all);
#endif
#if defined(__SSE2__)
    if constexpr (sizeof all == 16) return _mm_stream_ps(at, (__m128)all);
#endif
    store(to, sums);
}

// The larger of each pair, in one instruction; NaN in `v` never wins.
template <class V>
inline V larger(V v, V best) {
    return v > best ? v : best;
}

// What a tap does to an accumulator, and the value that the accumulator starts from.
template <Reduction reduction>
struct Taps {
    static constexpr bool adds = reduction == Reduction::sum || reduction == Reduction::sample_maximum;
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
        if constexpr (reduction != Reduction::maximum) return larger(weight * value, so_far);
        return larger(value, so_far);
    }
};

// Copy to memory.
inline void copy(void* to, const void* from, std::ptrdiff_t bytes, bool streams) {
    char* out = static_cast<char*>(to);
    const char* in = static_cast<const char*>(from);
    if (streams && bytes >= line_bytes) {
        const std::ptrdiff_t before = -reinterpret_cast<std::intptr_t>(out) & (line_bytes - 1);
        if (before) std::memcpy(out, in, std::size_t(before));
        std::ptrdiff_t i = before;
        for (; i + line_bytes <= bytes; i += line_bytes)
#pragma GCC unroll 4
            for (int v = 0; v < line_bytes; v += vector_bytes)
                stream(reinterpret_cast<float*>(out + i + v),
                       load<float>(reinterpret_cast<const float*>(in + i + v)));
        out += i, in += i, bytes -= i;
    }
    if (bytes) std::memcpy(out, in, std::size_t(bytes));
}

// Other threads see streamed data only after this.
inline void finish_streams() {
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

// The numbers in 16 bytes: shuffles within them are cheap at every level.
template <class Number>
constexpr int piece = 16 / int(sizeof(Number));

// Pieces from at(first), at(first + step) and so on, side by side in one vector.
template <class Number, int n, class At, int... i>
inline Run<Number, n> load_pieces(At at, int first, int step, std::integer_sequence<int, i...>) {
    if constexpr (n == piece<Number>) {
        return load_run<Number, n>(at(first));
    } else {
        constexpr auto half_order = std::make_integer_sequence<int, n / 2>{};
        const auto low = load_pieces<Number, n / 2>(at, first, step, half_order);
        return __builtin_shufflevector(
            low, load_pieces<Number, n / 2>(at, first + n / 2 / piece<Number> * step, step, half_order), i...);
    }
}

// In each piece of a pair of vectors: numbers taken alternately from one and the other.
template <int from, int piece, class V, int... i>
inline V interleave(V a, V b, std::integer_sequence<int, i...>) {
    constexpr int n = sizeof...(i);
    return __builtin_shufflevector(a, b, (i / piece * piece + from + i % piece / 2 + i % 2 * n)...);
}

// n pieces transposed: calls put(j, ·) with number j of each piece. Each stage interleaves vector i with
// vector i + k/2; after log₂ k stages every number has moved to its place.
template <class Number, int n, class At, class Put>
inline void transpose(At at, Put put) {
    constexpr int k = piece<Number>;
    constexpr auto order = std::make_integer_sequence<int, n>{};
    Run<Number, n> block[k];
#pragma GCC unroll 8
    for (int i = 0; i < k; ++i) block[i] = load_pieces<Number, n>(at, i, k, order);
#pragma GCC unroll 3
    for (int stage = 1; stage < k; stage *= 2) {
        Run<Number, n> next[k];
#pragma GCC unroll 4
        for (int i = 0; i < k / 2; ++i) {
            next[2 * i] = interleave<0, k>(block[i], block[i + k / 2], order);
            next[2 * i + 1] = interleave<k / 2, k>(block[i], block[i + k / 2], order);
        }
#pragma GCC unroll 8
        for (int i = 0; i < k; ++i) block[i] = next[i];
    }
#pragma GCC unroll 8
    for (int i = 0; i < k; ++i) put(i, block[i]);
}

}  // namespace
}  // namespace roicrop
