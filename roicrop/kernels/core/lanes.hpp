// Vectors of channels, for the level of instructions that this object is built for.
//
// Everything is in an unnamed namespace: the same function is built once for each level, and the
// linker must never take one level's for another's.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "two_pass.hpp"

namespace roicrop {
namespace {

#if defined(__AVX512F__)
constexpr int vector_bytes = 64;
#elif defined(__AVX2__)
constexpr int vector_bytes = 32;
#else
constexpr int vector_bytes = 16;
#endif

template <class Sum>
struct VectorOf {
    typedef Sum type __attribute__((vector_size(vector_bytes)));
    typedef Sum anywhere __attribute__((vector_size(vector_bytes), aligned(1), may_alias));
};
template <class Sum>
using Vector = typename VectorOf<Sum>::type;

template <class Sum>
constexpr int width = vector_bytes / int(sizeof(Sum));

template <class Element>
struct SumOfElement {
    using type = Element;
};
template <>
struct SumOfElement<half> {
    using type = float;
};
template <class Element>
using SumOf = typename SumOfElement<Element>::type;

// The sums of a cell's lanes.
template <class Element>
constexpr int parts = lanes<Element> / width<SumOf<Element>>;
template <class Element>
struct Cell {
    Vector<SumOf<Element>> part[parts<Element>];
};

template <class Sum>
inline Vector<Sum> splat(Sum value) {
    return value - Vector<Sum>{};
}

inline half to_half(float value) {
    std::uint32_t word;
    std::memcpy(&word, &value, sizeof word);
    const half sign = half(word >> 16 & 0x8000u);
    word &= 0x7fffffffu;
    if (word > 0x7f800000u) return half(sign | 0x7e00u);   // NaN
    if (word >= 0x477ff000u) return half(sign | 0x7c00u);  // 65520 and above round to infinity
    if (word < 0x38800000u) {  // below 2⁻¹⁴: adding ½ leaves the half's bits, rounded, at the end
        float magnitude;
        std::memcpy(&magnitude, &word, sizeof magnitude);
        magnitude += 0.5f;
        std::memcpy(&word, &magnitude, sizeof word);
        return half(sign | (word - 0x3f000000u));
    }
    const std::uint32_t odd = word >> 13 & 1u;  // ties go to even
    return half(sign | (word - 0x38000000u + 0xfffu + odd) >> 13);
}

// A sum, as one element.
template <class Sum>
inline void one(Sum* to, Sum value) {
    std::memcpy(to, &value, sizeof value);
}
inline void one(half* to, float value) {
    const half bits = to_half(value);
    std::memcpy(to, &bits, sizeof bits);
}

// The next `width<Sum>` elements, as sums.
template <class Sum>
inline Vector<Sum> load(const Sum* from) {
    return *reinterpret_cast<const typename VectorOf<Sum>::anywhere*>(from);
}

template <class Sum>
inline void store(Sum* to, Vector<Sum> v) {
    *reinterpret_cast<typename VectorOf<Sum>::anywhere*>(to) = v;
}

template <class Sum>
inline Vector<Sum> load(const half* from) {
#if defined(__AVX512F__)
    return (Vector<Sum>)_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
#elif defined(__AVX2__)
    return (Vector<Sum>)_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
#else
    typedef half Halves __attribute__((vector_size(vector_bytes / 2), aligned(1), may_alias));
    typedef std::uint32_t Words __attribute__((vector_size(vector_bytes)));
    const Words bits = __builtin_convertvector(*reinterpret_cast<const Halves*>(from), Words);
    const Words rest = bits & 0x7fffu;
    // Multiplying by 2¹¹² rebases the exponent, and makes subnormals normal.
    const Words finite = (Words)((Vector<Sum>)(rest << 13) * 0x1p112f);
    const Words special = (0u - ((rest + 0x400u) >> 15)) & 0x7f800000u;  // infinity and NaN
    return (Vector<Sum>)(finite | special | (bits & 0x8000u) << 16);
#endif
}

// Rounded to the nearest, ties to even.
#if defined(__AVX512F__)
inline __m256i halves(Vector<float> v) {
    return _mm512_cvtps_ph((__m512)v, _MM_FROUND_TO_NEAREST_INT);
}
#elif defined(__AVX2__)
inline __m128i halves(Vector<float> v) {
    return _mm256_cvtps_ph((__m256)v, _MM_FROUND_TO_NEAREST_INT);
}
#endif

inline void store(half* to, Vector<float> v) {
#if defined(__AVX512F__)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), halves(v));
#elif defined(__AVX2__)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), halves(v));
#else
    for (int i = 0; i < width<float>; ++i) one(to + i, v[i]);
#endif
}

// The larger of each pair; NaN in `v` never wins.
inline Vector<float> larger(Vector<float> v, Vector<float> best) {
#if defined(__AVX512F__)
    return (Vector<float>)_mm512_max_ps((__m512)v, (__m512)best);
#elif defined(__AVX2__)
    return (Vector<float>)_mm256_max_ps((__m256)v, (__m256)best);
#elif defined(__SSE2__)
    return (Vector<float>)_mm_max_ps((__m128)v, (__m128)best);
#else
    return v > best ? v : best;
#endif
}

inline Vector<double> larger(Vector<double> v, Vector<double> best) {
#if defined(__AVX512F__)
    return (Vector<double>)_mm512_max_pd((__m512d)v, (__m512d)best);
#elif defined(__AVX2__)
    return (Vector<double>)_mm256_max_pd((__m256d)v, (__m256d)best);
#elif defined(__SSE2__)
    return (Vector<double>)_mm_max_pd((__m128d)v, (__m128d)best);
#else
    return v > best ? v : best;
#endif
}

// Have a cell, which may straddle two cache lines, brought to the second-level cache. GCC drops calls
// of what does nothing else, so this is always inlined.
__attribute__((always_inline)) inline void fetch(const char* from, std::ptrdiff_t bytes) {
    __builtin_prefetch(from, 0, 2);
    __builtin_prefetch(from + bytes - 1, 0, 2);
}

// The same for lines that are to be changed.
__attribute__((always_inline)) inline void fetch_lines(const char* from, int lines) {
    for (int i = 0; i < lines; ++i) __builtin_prefetch(from + i * cell_bytes, 1, 2);
}

// A part of a cell.
inline void copy_some(void* to, const void* from, std::ptrdiff_t bytes) {
    char* out = static_cast<char*>(to);
    const char* in = static_cast<const char*>(from);
    for (; bytes >= 16; bytes -= 16, out += 16, in += 16) std::memcpy(out, in, 16);
    std::memcpy(out, in, std::size_t(bytes));
}

// To memory past the caches: right for what is larger than they are. `to` lies where a vector may.
template <class Sum>
inline void stream(Sum* to, Vector<Sum> v) {
#if defined(__AVX512F__)
    _mm512_stream_ps(reinterpret_cast<float*>(to), (__m512)v);
#elif defined(__AVX2__)
    _mm256_stream_ps(reinterpret_cast<float*>(to), (__m256)v);
#elif defined(__SSE2__)
    _mm_stream_ps(reinterpret_cast<float*>(to), (__m128)v);
#else
    store(to, v);
#endif
}

inline void stream(half* to, Vector<float> v) {
#if defined(__AVX512F__)
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to), halves(v));
#elif defined(__AVX2__)
    _mm_stream_si128(reinterpret_cast<__m128i*>(to), halves(v));
#else
    store(to, v);
#endif
}

// Copy to memory.
inline void copy(void* to, const void* from, std::ptrdiff_t bytes, bool streams) {
    if (streams && bytes >= cell_bytes) {
        char* out = static_cast<char*>(to);
        const char* in = static_cast<const char*>(from);
        const std::ptrdiff_t before = -reinterpret_cast<std::intptr_t>(out) & (cell_bytes - 1);
        if (before) std::memcpy(out, in, std::size_t(before));
        std::ptrdiff_t i = before;
        for (; i + cell_bytes <= bytes; i += cell_bytes)
#pragma GCC unroll 4
            for (int v = 0; v < cell_bytes; v += vector_bytes)
                stream(reinterpret_cast<float*>(out + i + v),
                       load<float>(reinterpret_cast<const float*>(in + i + v)));
        if (i < bytes) std::memcpy(out + i, in + i, std::size_t(bytes - i));
        return;
    }
    std::memcpy(to, from, std::size_t(bytes));
}

template <class Element>
inline Cell<Element> cell_at(const SumOf<Element>* from) {
    using Sum = SumOf<Element>;
    Cell<Element> cell;
#pragma GCC unroll 8
    for (int v = 0; v < parts<Element>; ++v) cell.part[v] = load<Sum>(from + v * width<Sum>);
    return cell;
}

// A cache line of an output, whatever it holds.
using Line = Cell<float>;

inline Line line_at(const char* from) {
    return cell_at<float>(reinterpret_cast<const float*>(from));
}

inline void put_line(char* to, const Line& line, bool streams) {
    float* const at = reinterpret_cast<float*>(to);
#pragma GCC unroll 4
    for (int v = 0; v < parts<float>; ++v)
        streams ? stream(at + v * width<float>, line.part[v])
                : store(at + v * width<float>, line.part[v]);
}

inline std::ptrdiff_t into_line(const void* at) {
    return reinterpret_cast<std::intptr_t>(at) & (cell_bytes - 1);
}

// A cell's elements.
template <class Element>
inline Line line_of(const Cell<Element>& cell) {
#if defined(__AVX512F__)
    if constexpr (std::is_same_v<Element, half>) {
        const __m512i first = _mm512_castsi256_si512(halves(cell.part[0]));
        return {(Vector<float>)_mm512_inserti64x4(first, halves(cell.part[1]), 1)};
    } else {
        return {(Vector<float>)cell.part[0]};
    }
#else
    alignas(cell_bytes) Element line[lanes<Element>];
    for (int v = 0; v < parts<Element>; ++v)
        store(line + v * width<SumOf<Element>>, cell.part[v]);
    return line_at(reinterpret_cast<const char*>(line));
#endif
}

// The last bytes of one line, then the first `taken` of another: an even number, at most a line.
inline Line joined(const Line& past, const Line& next, std::ptrdiff_t taken) {
#if defined(__AVX512BW__)
    alignas(cell_bytes) static constexpr std::int16_t count[] = {
        0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
        16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
    const __m512i from = _mm512_add_epi16(_mm512_load_si512(count),
                                          _mm512_set1_epi16(std::int16_t(taken / 2)));
    return {(Vector<float>)_mm512_permutex2var_epi16((__m512i)past.part[0], from,
                                                     (__m512i)next.part[0])};
#else
    alignas(cell_bytes) char both[2 * cell_bytes];
    put_line(both, past, false);
    put_line(both + cell_bytes, next, false);
    return line_at(both + taken);
#endif
}

// Streamed data is seen by other threads only after this.
inline void finish_streams() {
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

// n elements that are turned together, and as many as may be.
template <class Element>
constexpr int longest_run = std::min(vector_bytes / int(sizeof(Element)), pack_block);
template <class Element, int n>
struct RunOf {
    typedef Element type __attribute__((vector_size(n * sizeof(Element))));
    typedef Element anywhere __attribute__((vector_size(n * sizeof(Element)), aligned(1), may_alias));
};
template <class Element, int n>
using Run = typename RunOf<Element, n>::type;

template <class Element, int n>
inline Run<Element, n> load_run(const char* from) {
    return *reinterpret_cast<const typename RunOf<Element, n>::anywhere*>(from);
}

template <class Element, int n>
inline void store_run(Element* to, Run<Element, n> run) {
    *reinterpret_cast<typename RunOf<Element, n>::anywhere*>(to) = run;
}

// Element i of a pair of vectors, taken alternately from one and the other.
template <int from, class V, int... i>
inline V interleave(V a, V b, std::integer_sequence<int, i...>) {
    constexpr int n = sizeof...(i);
    return __builtin_shufflevector(a, b, (from + i / 2 + i % 2 * n)...);
}

// n vectors of n elements, turned about their diagonal. Each stage interleaves vector i with vector
// i + n/2; after log₂ n stages every element has moved to its place.
template <class V, int n>
inline void transpose(V (&rows)[n]) {
    constexpr auto order = std::make_integer_sequence<int, n>{};
#pragma GCC unroll 4
    for (int stage = 1; stage < n; stage *= 2) {
        V next[n];
#pragma GCC unroll 16
        for (int i = 0; i < n / 2; ++i) {
            next[2 * i] = interleave<0>(rows[i], rows[i + n / 2], order);
            next[2 * i + 1] = interleave<n / 2>(rows[i], rows[i + n / 2], order);
        }
#pragma GCC unroll 16
        for (int i = 0; i < n; ++i) rows[i] = next[i];
    }
}

}  // namespace
}  // namespace roicrop
