#include "unpack.hpp"

#include <algorithm>
#include <cstring>

namespace roicrop {
namespace {

// How many bytes may be copied at once if there is room, whether all are wanted or not.
constexpr size_t WIDE = 16;

// Copies `count` bytes forward from `distance` bytes back; what has just been written may be read again.
inline void repeat(uint8_t* to, size_t distance, size_t count, size_t room) {
  const uint8_t* from = to - distance;
  if (distance >= WIDE && room >= count + WIDE) {
    for (size_t done = 0; done < count; done += WIDE) std::memcpy(to + done, from + done, WIDE);
  } else if (distance >= count) {
    std::memcpy(to, from, count);
  } else if (distance == 1) {
    std::memset(to, *from, count);
  } else {
    for (size_t i = 0; i < count; ++i) to[i] = from[i];
  }
}

template <size_t ITEM>
void undo_shuffle_of(const uint8_t* in, size_t items, uint8_t* out) {
  for (size_t i = 0; i < items; ++i)
    for (size_t byte = 0; byte < ITEM; ++byte) out[i * ITEM + byte] = in[byte * items + i];
}

void undo_shuffle_of_any(const uint8_t* in, size_t items, size_t item, uint8_t* out) {
  for (size_t byte = 0; byte < item; ++byte)
    for (size_t i = 0; i < items; ++i) out[i * item + byte] = in[byte * items + i];
}

uint32_t folded(uint32_t sum) { return (sum & 0xffff) + (sum >> 16); }

}  // namespace

bool undo_lzf(const uint8_t* in, size_t count, uint8_t* out, size_t size) {
  const uint8_t* const end = in + count;
  size_t at = 0;
  while (in < end) {
    const size_t control = *in++;
    if (control < 32) {  // control + 1 literal bytes
      const size_t length = control + 1;
      const size_t left = static_cast<size_t>(end - in), room = size - at;
      if (length > left || length > room) return false;
      if (left >= 2 * WIDE && room >= 2 * WIDE)
        std::memcpy(out + at, in, 2 * WIDE);
      else
        std::memcpy(out + at, in, length);
      in += length;
      at += length;
    } else {  // repeat bytes written before
      size_t length = (control >> 5) + 2;
      if (length == 7 + 2) {
        if (in == end) return false;
        length += *in++;
      }
      if (in == end) return false;
      const size_t distance = ((control & 31) << 8 | *in++) + 1;
      if (distance > at || length > size - at) return false;
      repeat(out + at, distance, length, size - at);
      at += length;
    }
  }
  return at == size;
}

void undo_shuffle(const uint8_t* in, size_t count, size_t item, uint8_t* out) {
  const size_t items = count / item;
  switch (item) {
    case 1: std::memcpy(out, in, count); break;
    case 2: undo_shuffle_of<2>(in, items, out); break;
    case 4: undo_shuffle_of<4>(in, items, out); break;
    case 8: undo_shuffle_of<8>(in, items, out); break;
    default: undo_shuffle_of_any(in, items, item, out);
  }
  const size_t done = items * item;
  if (done < count) std::memcpy(out + done, in + done, count - done);
}

uint32_t fletcher32(const uint8_t* in, size_t count) {
  uint32_t one = 0, two = 0;
  for (size_t words = count / 2; words;) {
    const size_t some = std::min<size_t>(words, 360);  // few enough that the sums cannot overflow
    for (size_t i = 0; i < some; ++i, in += 2) {
      one += static_cast<uint32_t>(in[0]) << 8 | in[1];
      two += one;
    }
    one = folded(one);
    two = folded(two);
    words -= some;
  }
  if (count % 2) {
    one = folded(one + (static_cast<uint32_t>(*in) << 8));
    two = folded(two + one);
  }
  return folded(two) << 16 | folded(one);
}

}  // namespace roicrop
