// Where cells of the map lie in a slab, and columns in a strip.

#pragma once

#include <cstdint>
#include <vector>

#include "arena.hpp"
#include "crop.hpp"

namespace roicrop {

template <class Sum>
std::int32_t* first_tap(const Rows<Sum>& rows) {
    return rows.place + rows.row_taps[rows.bin_rows[0]];
}
template <class Sum>
std::int32_t* end_of_taps(const Rows<Sum>& rows) {
    return rows.place + rows.row_taps[rows.bin_rows[rows.bins]];
}

// Cells that taps name, numbered in their order.
class NamedCells {
public:
    explicit NamedCells(Range within)
        : first_(within.begin), number_(std::size_t(within.size()), -1) {}

    void add(const std::int32_t* taps, const std::int32_t* end) {
        for (; taps < end; ++taps) number_[std::size_t(*taps - first_)] = 0;
    }
    // Give each its number, and list them.
    void number(std::vector<std::int32_t>& list) {
        std::int32_t next = 0;
        for (std::size_t i = 0; i < number_.size(); ++i) {
            if (number_[i] < 0) continue;
            number_[i] = next++;
            list.push_back(first_ + std::int32_t(i));
        }
    }
    std::int32_t operator[](std::int32_t cell) const { return number_[std::size_t(cell - first_)]; }

private:
    const std::int32_t first_;
    std::vector<std::int32_t> number_;
};

// The cells that one box's taps name become the columns of its strip, and the taps' places in it.
inline void index_columns(std::int32_t* taps, std::int32_t* end, std::vector<std::int32_t>& column) {
    Range cells;
    for (const std::int32_t* tap = taps; tap < end; ++tap) cells.add(*tap);
    NamedCells named(cells);
    named.add(taps, end);
    const std::size_t first = column.size();
    named.number(column);
    for (std::int32_t* tap = taps; tap < end; ++tap) *tap = named[*tap];
    while ((column.size() - first) % column_block) column.push_back(column.back());
}

// The rows of a rectangle that boxes read. A slab holds no others.
class RowsOfSlab {
public:
    explicit RowsOfSlab(Range rectangle) : first_(rectangle.begin), named_(rectangle) {}

    template <class Sum>
    void add(const Rows<Sum>& y) {
        named_.add(first_tap(y), end_of_taps(y));
    }
    // How many there are, and which of the rectangle's.
    int list_them(const std::int32_t*& rows, Arena& arena) {
        std::vector<std::int32_t> list;
        named_.number(list);
        for (std::int32_t& row : list) row -= first_;
        rows = arena.copy(list);
        return int(list.size());
    }
    // Cells along y become places in the slab.
    template <class Sum>
    void place(const Rows<Sum>& y, int pitch) const {
        for (auto* tap = first_tap(y); tap < end_of_taps(y); ++tap)
            *tap = named_[*tap] * pitch * cell_bytes;
    }

private:
    const std::int32_t first_;
    NamedCells named_;
};

// Columns become places in a slab's row, whose blocks that are read are marked as touched.
inline void place_columns(std::int32_t* column, int columns, std::int32_t first_column,
                          std::uint8_t* touched) {
    for (int i = 0; i < columns; ++i) {
        const std::int32_t x = column[i] - first_column;
        touched[x / pack_block] = 1;
        column[i] = x * cell_bytes;
    }
}

inline const char* corner_of(const Arguments& a, std::int64_t image, Range y, Range x) {
    return a.features + image * a.strides[0] + y.begin * a.strides[2] + x.begin * a.strides[3];
}

}  // namespace roicrop
