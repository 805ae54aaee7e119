"""Ways to damage bytes and texts."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

_WORDS = (
    b"\x00", b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\xff" * 8, b"\x00" * 8,
    b"\x1b]0;x\x07", b"\r", b"\n", b"NaN", b"Infinity", b"-1", b"1e400", b"18446744073709551616",
    b"\xc2\x85", b"\xe2\x80\xa8", b"\xed\xa0\x80", b'"', b"[", b"{", b"}", b"]", b",", b"null",
)  # fmt: skip
_NUMBERS = (
    "0", "-0", "1e309", "-1e309", "nan", "inf", "1e-320", "99999999999999999999", "0x10", "1_000",
    "", " ", "1,5", "true", "null", "3.5", "-7", "١٢", "½",
)  # fmt: skip


def damaged(data: bytes, rng: random.Random) -> bytes:
    """The bytes after one to a few changes."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        if data:
            data = rng.choice(_CHANGES)(data, rng)
    return data


def edited(text: str, rng: random.Random) -> str:
    """A text after changes that leave most of its structure."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        text = rng.choice((_number, _swap_lines, _drop_line, _repeat, _case, _insert))(text, rng)
    return text


def _flip(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def _byte(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    value = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
    return data[:at] + bytes([value]) + data[at + 1 :]


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def _word(data: bytes, rng: random.Random) -> bytes:
    at, word = rng.randrange(len(data)), rng.choice(_WORDS)
    skip = rng.choice((0, len(word)))
    return data[:at] + word + data[at + skip :]


def _integer(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    value = rng.choice((0, 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1, rng.getrandbits(64)))
    size = rng.choice((1, 2, 4, 8))
    packed = struct.pack("<Q", value)[:size]
    return data[:at] + packed + data[at + size :]


def _move(data: bytes, rng: random.Random) -> bytes:
    first, second = rng.randrange(len(data)), rng.randrange(len(data))
    length = rng.choice((1, 4, 16, 64, 512))
    piece = data[first : first + length]
    return data[:second] + piece + data[second + len(piece) :]


def _remove(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.choice((1, 2, 8, 100)) :]


_CHANGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip, _flip, _byte, _byte, _cut, _word, _integer, _integer, _move, _remove,
)  # fmt: skip


def _number(text: str, rng: random.Random) -> str:
    digits = [i for i, character in enumerate(text) if character.isdigit()]
    if not digits:
        return text
    at = rng.choice(digits)
    end = at
    while end < len(text) and (text[end].isdigit() or text[end] in ".e-"):
        end += 1
    return text[:at] + rng.choice(_NUMBERS) + text[end:]


def _swap_lines(text: str, rng: random.Random) -> str:
    lines = text.split("\n")
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[i], lines[j] = lines[j], lines[i]
    return "\n".join(lines)


def _drop_line(text: str, rng: random.Random) -> str:
    lines = text.split("\n")
    del lines[rng.randrange(len(lines))]
    return "\n".join(lines)


def _repeat(text: str, rng: random.Random) -> str:
    if not text:
        return text
    at = rng.randrange(len(text))
    piece = text[at : at + rng.choice((1, 3, 10))]
    return text[:at] + piece * rng.choice((2, 10, 2000)) + text[at:]


def _case(text: str, rng: random.Random) -> str:
    change = rng.choice((str.upper, str.lower, str.swapcase))
    return str(change(text))


def _insert(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    piece = rng.choice((*_NUMBERS, *'\x00\x1b\ud800\u2028\r"[{;'))
    return text[:at] + str(piece) + text[at:]
