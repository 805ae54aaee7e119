// Undoes HDF5's filters shuffle, lzf and fletcher32. Files are not trusted: nothing here reads or writes
// outside the spans that it is given, whatever bytes they hold.
#pragma once

#include <cstddef>
#include <cstdint>

namespace roicrop {

// Decompresses LZF (Lehmann's LibLZF, version 3, as h5py's filter stores it) into `out`; false unless the
// input ends exactly where `size` bytes have been written.
bool undo_lzf(const uint8_t* in, size_t count, uint8_t* out, size_t size);

// The input has the first bytes of all items, then the second ones, and so on; bytes beyond the last whole
// item are unchanged. `out` has `count` bytes.
void undo_shuffle(const uint8_t* in, size_t count, size_t item, uint8_t* out);

// Fletcher's checksum of 16-bit big-endian words, as HDF5 computes it.
uint32_t fletcher32(const uint8_t* in, size_t count);

}  // namespace roicrop
