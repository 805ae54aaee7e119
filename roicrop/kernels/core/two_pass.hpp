// What the two passes are given: plain pointers and numbers, prepared by crop.cpp and what it reads.
//
// This header is read by objects that are built for different processors, so nothing in it may
// become a function that the linker could share between them.

#pragma once

#include <cstddef>
#include <cstdint>

namespace roicrop {

using half = std::uint16_t;  // the bits of an IEEE binary16; sums are float

constexpr int cell_bytes = 64;  // one cache line holds a cell's lanes
template <class Element>
constexpr int lanes = cell_bytes / int(sizeof(Element));  // channels pooled side by side
constexpr int column_block = 4;          // the columns of a box's strip are a multiple of this
constexpr int pack_block = 16;           // columns that are packed together
constexpr int strip_column_bytes = 256;  // at most, of the rows that the strip holds
constexpr int most_together = 8;         // slabs

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

// One axis of one box. Bin b has the rows bin_rows[b] … bin_rows[b + 1], row r the taps
// row_taps[r] … row_taps[r + 1].
template <class Sum>
struct Rows {
    int bins;
    const std::int32_t* bin_rows;
    const std::int32_t* row_taps;
    // For y, where the tap's map row begins in the slab, in bytes; for x, its column of the strip.
    std::int32_t* place;
    const Sum* weight;
    const std::uint8_t* empty;  // by bin: no sample and no cell
    const std::uint8_t* zero;   // by bin: a maximum considers 0 too
};

template <class Sum>
struct Box {
    Rows<Sum> y, x;
    std::int32_t* column;    // the touched columns, as bytes from the start of a slab's row
    int columns;             // a multiple of column_block: the last is repeated
    char* out;               // channel 0, bin (0, 0)
    bool begins, ends;       // whether this piece is the box's first, its last
    std::int64_t first_bin;  // the bins of its group are counted through
    bool flagged;            // in the last piece: whether a bin may be empty, or consider 0
};

// A rectangle of the map that is packed at once, as far as boxes read its rows, and these boxes.
template <class Sum>
struct Piece {
    const char* corner;                  // channel 0 of the upper left cell
    int height, width;                   // of the slab, in cells
    int pitch;                           // cells from one row of the slab to the next
    const std::int32_t* rows;            // of the rectangle, by row of the slab
    const std::uint8_t* touched_blocks;  // by pack_block of columns
    const Box<Sum>* boxes;
    int count;
};

// What is neighbours in memory, of a map and of an output each for itself.
enum class Layout {
    planes,     // the columns of a row, the bins of one
    cells,      // the channels of a cell, of a bin
    scattered,  // neither
};

struct Strides {
    std::ptrdiff_t channel, y, x;  // bytes
    Layout layout;
};

// Where a run of slabs ends in each bin of a box: a line that it shares with the run that follows, or
// with the next bin.
struct Seam {
    char* out;          // channel 0, bin (0, 0)
    int bins_y, bins_x;
    std::ptrdiff_t to_below, to_next, end;  // bytes; the end within a bin
    bool ends_bin;
    // What waits, bin by bin: of this run, and of the one that follows or, where this is the last, of
    // the first.
    const char *tail, *head;
};

// A slab or a run of them: some pieces of the map, some channels.
template <class Sum>
struct Task {
    const Piece<Sum>* pieces;
    int count;
    int first_channel, channels;
    // From cells to cells only, and for runs of one slab: lanes that `channels` leaves take these, so
    // that other slabs' lanes begin where cache lines do.
    int more_first, more_channels;
    Strides in, out;
    Number number;
    double maximum_start, empty_value;
    bool streams;  // the output takes more memory than caches have

    // Scratch, each at a multiple of cell_bytes. So many slabs are packed in one sweep, and each box
    // is pooled from all of them before the next.
    int together;
    char* slabs;
    std::ptrdiff_t slab_bytes;
    Sum* strip;
    char* tiles;       // of the slabs that are together, or of all in the run
    bool keeps_tiles;  // the latter, since boxes go on in another task
    std::ptrdiff_t tile_bytes;
    char* turned;

    // A large channels-last output is written in whole cache lines. Where slabs end within them,
    // a bin waits with as many bytes as a line has, up to where the next slab begins: in `head` after
    // the first line's worth of a run, in `tail` after others, bin by bin of the group; in `near`, for
    // one box, between slabs that are together. `head` is null where there are no such runs.
    char *head, *tail, *near;
    // The seam at the run's end is closed by its last slab, if the head of the run that follows is
    // there by then, and `closed` says whether it is.
    const char* next_head;
    bool ends_bin;
    std::uint8_t *head_is_there, *closed;
    const std::uint8_t* next_head_is_there;
};

struct Passes {
    void (*single)(Element, Reduction, const Task<float>&);
    void (*real64)(Element, Reduction, const Task<double>&);
    void (*close_seams)(const Seam*, int count);
};

namespace baseline {
extern const Passes passes;
}
namespace avx2 {
extern const Passes passes;
}
namespace avx512 {
extern const Passes passes;
}

}  // namespace roicrop
