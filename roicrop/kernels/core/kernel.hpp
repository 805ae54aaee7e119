// The data that the core and its kernel take: plain pointers and numbers.
//
// This header is included in objects built for different processors, so nothing in it may become a
// function that the linker could share between them.

#pragma once

#include <cstddef>
#include <cstdint>

namespace roicrop {

using half = std::uint16_t;  // the bits of an IEEE binary16; sums are float

constexpr int line_bytes = 64;   // a cache line
constexpr int column_block = 4;  // the columns of a box are listed in multiples of this
constexpr int pack_block = 16;   // columns that are transposed together

enum class Element { half, single, real64 };

// A number of a map, as NumPy describes it: a kind (b, u, i or f), its bytes, and whether these are in
// the other order.
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

enum class Operator { align, pool };
enum class Positions { scaled_step, step_scaled, fraction, corners };
enum class Border { clamp, repeat, inside, continued, zero, extrapolate };
enum class Rounding { half_away, half_even, none };
enum class Pixels { as_given, rounded, moved_and_rounded };
enum class Ratio { fixed, adaptive, exact };

// The part of a convention that the plan and the kernel need: fields as in roicrop.conventions.
struct Convention {
    Operator op;
    Positions positions;
    Border border;
    Ratio ratio;
    Reduction reduction;
    Rounding rounding;
    Pixels pixels;
    bool end_cell;
    std::int64_t unread;
    std::int64_t samples;  // if the ratio is fixed
    std::int64_t min_samples, points_apart;
    bool nearest, normalized, clipped;
    double offset_before, offset_after, added_pixel, added_cell, sample_at;
    double min_size;  // −infinity if there is none
    double maximum_start, void_value;
};

// One call of the core.
struct Arguments {
    Convention convention;
    double spatial_scale;
    std::int64_t map_size[2];  // of the whole map
    std::int64_t origin[2];    // of the window of the map that `features` holds
    // Instead of the origin: the place of each row and column of the map in the window; −1 if missing.
    const std::int32_t* places[2];
    Element element;           // of the output
    Number number;             // of the map
    const char* features;      // (N, C, H, W)
    std::ptrdiff_t shape[4], strides[4];
    const std::int64_t* image_index;  // (K,)
    const void* boxes;                // (K, 4) xyxy; double for Element::real64, else float
    std::int64_t count;
    const std::int64_t* rows;  // (K,) the row of `out` for each box; null if row k is for box k
    char* out;                 // (rows, C, PH, PW)
    std::ptrdiff_t out_strides[4];
    int bins_y, bins_x;
    int threads;
    std::ptrdiff_t own_channels;  // position-sensitive: bytes from one bin's channels to the next one's, else 0
    const void* turned;          // roicrop.sampling's numbers for boxes with an angle, in their own axes: (K, 8)
                                 // begin and bin size along y and x, cosine, sine, and the centre's y and x;
    const std::int64_t* counts;  // (K, 2) samples per bin. Both null if there are no angles
};

// The plan of one axis of one box: bin b has the rows bin_ptr[b] … bin_ptr[b + 1], row r the taps
// row_ptr[r] … row_ptr[r + 1].
struct Axis {
    int bins;
    const std::int32_t *bin_ptr, *row_ptr;
    // Of each tap, the entry of what its pass reads: going down a scanline; going across an entry of the row
    // buffer, or a cell of the panel if that is the row buffer.
    std::int32_t* index;
    const void* weight;           // double for Element::real64, else float
    const std::uint8_t* is_void;  // by bin: no sample and no cell
    const std::uint8_t* zero;     // by bin: a maximum considers 0 too
};

// All bins of a turned box belong to x, and it has no row buffer but the panel. If that has no room for the box,
// y and x index the scanline and the column of each tap's cell.
struct Box {
    Axis y, x;
    std::int64_t* column;        // bytes to each cell along x that is read, in order, the last repeated
    int first_column, columns;   // the range of columns needed, in multiples of column_block
    int segment;                 // taps of y that are summed together, so that long sums stay accurate
    bool flagged;                // whether some bin is void, or considers 0
    char* out;                   // channel 0, bin (0, 0)
};

// Some boxes of one image, and the rectangle of the image that is packed for them.
struct Region {
    const char* map;          // channel 0 of the window's cell (0, 0)
    const Box* boxes;
    int count;
    int channels;             // of each task
    int lines;                // cache lines per cell of a panel; 0: the map is read in place
    int y, x, height, width;  // of the rectangle, in cells
    std::ptrdiff_t pitch;     // bytes from one scanline of the panel to the next
    const std::uint8_t* scanlines;  // which scanlines of the rectangle some box reads
    bool in_bands;  // its one box is too large to pack at once: each segment is packed by itself
};

// One region, and some channels.
struct Task {
    const Arguments* call;
    bool out_cells;  // the channels of a bin are neighbours in the output; otherwise its bins usually are
    bool streams;    // the output is larger than the caches
    char *panel, *row_buffer, *staged, *tile;  // scratch, each at the beginning of a cache line
    const Region* region;
    int first_channel, channels;
    int bin;  // if each bin has channels of its own
    int tiles;  // of so many boxes are filled from one panel, then from the next
    std::ptrdiff_t tile_bytes;
};

struct Kernel {
    const char* level;
    void (*pool)(const Task&);
};

// By level.
namespace pool {
void baseline(const Task&), avx2(const Task&), avx512(const Task&);
}

// The kernel for this processor's best level, or for the one named; null if it has no such level.
const Kernel* kernel_for(const char* level);

// Pools the boxes of a call; std::invalid_argument if one reads a cell that the window lacks.
void crop(const Arguments&, const Kernel&);

}  // namespace roicrop
