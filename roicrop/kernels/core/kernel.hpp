// What the kernel is given: plain pointers and numbers, prepared by batch.hpp and crop.cpp.
//
// This header is read by objects that are built for different processors, so nothing in it may
// become a function that the linker could share between them.

#pragma once

#include <cstddef>
#include <cstdint>

namespace roicrop {

using half = std::uint16_t;  // the bits of an IEEE binary16; sums are float

constexpr int line_bytes = 64;     // a cache line
constexpr int column_block = 4;    // the columns of a box are listed in multiples of this
constexpr int pack_block = 16;     // columns that are packed together
constexpr int most_rows = 4;       // of the plan, in row buffers at once
constexpr int slack = line_bytes;  // that vectors may go past the end of scratch

enum class Element { half, single, real64 };

// A number of a map, as NumPy says it: a kind of b, u, i or f, bytes, and whether these are in the
// other order.
struct Number {
    char kind;
    int bytes;
    bool swapped;
};

enum class Reduction {
    sum,             // weighted cells are added: averages and integrals
    sample_maximum,  // a row is a sample; the largest of a bin's samples
    corner_maximum,  // the largest weighted cell
    maximum,         // the largest cell
};

// The plan of one axis of one box: bin b has the rows bin_ptr[b] … bin_ptr[b + 1], row r the taps
// row_ptr[r] … row_ptr[r + 1].
template <class Sum>
struct Axis {
    int bins;
    const std::int32_t *bin_ptr, *row_ptr;
    // Of each tap: along y the bytes to its scanline, along x the number of its column.
    const std::int64_t* place;
    const Sum* weight;
    const std::uint8_t* is_void;  // by bin: no sample and no cell
    const std::uint8_t* zero;     // by bin: a maximum considers 0 too
};

// A box, or some of its bins along y.
template <class Sum>
struct Box {
    Axis<Sum> y, x;
    const std::int64_t* column;  // bytes to each that is read, the last repeated
    int columns;                 // a multiple of column_block
    int segment;                 // taps of y that are summed together, so that long sums stay accurate
    bool flagged;                // whether a bin is void, or considers 0
    char* out;                   // channel 0, bin (0, 0)
};

// A rectangle of one image, and the boxes that are pooled from it.
template <class Sum>
struct Region {
    const char* map;        // channel 0 of the rectangle's first cell
    int height, width;      // cells
    std::ptrdiff_t pitch;   // bytes from one scanline of the panel to the next
    std::ptrdiff_t origin;  // bytes from where columns are counted to the map or panel
    const std::uint8_t *scanlines, *column_blocks;  // which of the rectangle some box reads
    bool in_bands;  // its one box is too large to pack at once: each segment is packed by itself
    const Box<Sum>* boxes;
    int count;
};

struct Strides {
    std::ptrdiff_t channel, y, x;  // bytes
};

// One region, some channels.
template <class Sum>
struct Task {
    const Region<Sum>* region;
    int first_channel, channels;
    Strides in, out;
    Number number;
    bool packs;           // else the map's cells are read where they are
    bool out_cells;       // the channels of a bin are neighbours in the output; else mostly its bins are
    bool streams;         // the output takes more memory than caches have
    double maximum_start, void_value;
    // Scratch, each at the beginning of a cache line.
    char *panel, *row_buffer, *tile, *staged;
};

template <class Sum>
struct SparseTask;

struct Kernel {
    void (*single)(Element, Reduction, const Task<float>&);
    void (*real64)(Element, Reduction, const Task<double>&);
    void (*sparse_single)(Element, const SparseTask<float>&);
    void (*sparse_real64)(Element, const SparseTask<double>&);
};

namespace baseline {
extern const Kernel kernel;
}
namespace avx2 {
extern const Kernel kernel;
}
namespace avx512 {
extern const Kernel kernel;
}

}  // namespace roicrop
