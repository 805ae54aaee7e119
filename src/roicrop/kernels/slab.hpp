// Where cells of the map lie in a slab, and columns in a strip.

#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "crop.hpp"

namespace roicrop {

// Planes are packed in blocks of columns; a narrow rectangle is widened to one where it can be.
inline Range widened(const Arguments& a, Range x) {
    const std::int32_t least = std::int32_t(std::min<std::ptrdiff_t>(pack_block, a.shape[3]));
    if (x.size() == 0) return {0, 0};
    if (x.size() >= least || a.strides[3] != element_bytes(a.element)) return x;
    const std::int32_t begin = std::min(x.begin, std::int32_t(a.shape[3]) - least);
    return {begin, begin + least};
}

// The cells that one box's taps name become the columns of its strip, and the taps' places in it.
inline void index_columns(std::int32_t* taps, std::int32_t* end,
                          std::vector<std::int32_t>& column) {
    Range cells;
    for (const std::int32_t* tap = taps; tap < end; ++tap) cells.add(*tap);
    std::vector<std::int32_t> place(std::size_t(cells.size()), -1);
    for (const std::int32_t* tap = taps; tap < end; ++tap)
        place[std::size_t(*tap - cells.begin)] = 0;
    const std::size_t first = column.size();
    for (std::size_t x = 0; x < place.size(); ++x) {
        if (place[x] < 0) continue;
        place[x] = std::int32_t(column.size() - first);
        column.push_back(cells.begin + std::int32_t(x));
    }
    for (std::int32_t* tap = taps; tap < end; ++tap) *tap = place[std::size_t(*tap - cells.begin)];
    while ((column.size() - first) % column_block) column.push_back(column.back());
}

// Cells along y become places in a slab, whose rows that are read are marked as touched.
template <class Sum>
void place_rows(const Rows<Sum>& y, std::int32_t first_row, int pitch, std::uint8_t* touched) {
    const auto end = y.row_taps[y.bin_rows[y.bins]];
    for (auto t = y.row_taps[y.bin_rows[0]]; t < end; ++t) {
        const std::int32_t row = y.place[t] - first_row;
        touched[row] = 1;
        y.place[t] = row * pitch * cell_bytes;
    }
}

// Columns become places in a slab's row, whose blocks that are read are marked as touched.
inline void place_columns(std::int32_t* column, int columns, std::int32_t first_column,
                          std::uint8_t* touched) {
    for (int i = 0; i < columns; ++i) {
        const std::int32_t x = column[i] - first_column;
        touched[x / pack_block] = 1;
        column[i] = x * cell_bytes;
    }
}

template <class Sum>
Piece<Sum> piece_of(const Arguments& a, std::int64_t image, Range y, Range x, int pitch) {
    Piece<Sum> piece{};
    piece.corner = a.features + image * a.strides[0] + y.begin * a.strides[2] +
                   x.begin * a.strides[3];
    piece.height = int(y.size());
    piece.width = int(x.size());
    piece.pitch = pitch;
    return piece;
}

}  // namespace roicrop
