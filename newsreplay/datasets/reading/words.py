"""Values that stand somewhere in a text, as columns: strings, or dictionary-encoded by first appearance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from newsreplay.arrow import dictionary_of, room
from newsreplay.kernels.compiling import compiled, int64, kernel
from newsreplay.kernels.mixing import GOLDEN
from newsreplay.kernels.octets import octets, put_octets, repeated, zeros
from newsreplay.log.rows import Column

# Of what is known of a word: its first eight bytes, the next eight, its first row << 32 | its length.
_LOW, _HIGH, _WHERE = range(3)
_LENGTH = np.uint64(0xFFFFFFFF)


def encoded(data: Column, begin: Column, end: Column) -> pa.DictionaryArray:
    """The values from byte begin[i] up to end[i] of `data`, dictionary-encoded; null where begin[i] > end[i].

    The words are strings where `begin` and `end` are int32, large strings where they are int64. Whether the values are
    UTF-8 is not looked at.

    >>> text = np.frombuffer(b"ann,bob,ann", np.uint8)
    >>> encoded(text, np.array([0, 4, 8], np.int32), np.array([3, 7, 11], np.int32)).to_pylist()
    ['ann', 'bob', 'ann']
    """
    codes, words = room(begin.size, np.int32), room((begin.size, 3), np.uint64)
    slots = room(1 << (begin.size * 3 // 2 + 1).bit_length(), np.int32)  # a third of them stay free
    slots[:] = 0
    count, missing = _encode(data, begin, end, slots, words, codes)
    first = (words[:count, _WHERE] >> np.uint64(32)).astype(np.int64)
    values = strings(data, begin[first], end[first])
    return dictionary_of(codes, values, valid=codes >= 0 if missing else None)


def strings(data: Column, begin: Column, end: Column) -> pa.StringArray | pa.LargeStringArray:
    """The same values as strings; none may be missing."""
    offsets = room(begin.size + 1, begin.dtype)
    offsets[0] = 0
    np.cumsum(end - begin, out=offsets[1:])
    text = room(int(offsets[-1]) + 8, np.uint8)  # eight bytes are written at once
    _gather(data, begin, offsets, text)
    kind = pa.StringArray if begin.dtype == np.int32 else pa.LargeStringArray
    return kind.from_buffers(begin.size, pa.py_buffer(offsets), pa.py_buffer(text[:-8]))


def places_of(values: pa.StringArray | pa.LargeStringArray) -> tuple[Column, Column, Column]:
    """The text in which strings stand, and where each begins and ends in it: int32, or int64 of large strings."""
    _, ends, data = values.buffers()
    bounds = np.frombuffer(ends or bytes(8), np.int32 if values.type == pa.string() else np.int64)
    bounds = bounds[values.offset : values.offset + len(values) + 1]
    return np.frombuffer(data or b"", np.uint8), bounds[:-1], bounds[1:]


def bytes_of(values: pa.StringArray) -> Column:
    """The bytes of all values, one after the other."""
    data, begin, end = places_of(values)
    return data[begin[0] : end[-1]] if begin.size else data[:0]


def first_bytes(values: pa.StringArray) -> Column:
    """The first byte of each value, 0 of empty ones and nulls."""
    first = room(len(values), np.uint8)
    _first_bytes(*places_of(values), first)
    return first


@compiled
def _first_bytes(data: Any, begin: Any, end: Any, first: Any) -> None:
    for row in range(first.size):
        first[row] = data[begin[row]] if begin[row] < end[row] else 0


def is_utf8(data: bytes | memoryview, begin: int = 0, end: int | None = None) -> bool:
    """Whether bytes are UTF-8, from `begin` up to `end`; there must be less than 2 GB of them."""
    bounds = np.array([begin, len(data) if end is None else end], np.int32)
    return are_utf8(pa.StringArray.from_buffers(1, pa.py_buffer(bounds), pa.py_buffer(data)))


def are_utf8(values: pa.StringArray) -> bool:
    """Whether each of some strings is what strings must be."""
    if _is_ascii(bytes_of(values)):
        return True
    try:
        values.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def holds(data: Column, byte: bytes) -> bool:
    """Whether a byte is among others."""
    return _holds(data, ord(byte))


@compiled
def _holds(data: Any, byte: int) -> bool:
    whole = data.size - data.size % 8
    found = np.uint64(0)
    for at in range(0, whole, 8):
        found |= zeros(octets(data, at) ^ repeated(byte))
    for at in range(whole, data.size):
        found |= np.uint64(data[at] == byte)
    return bool(found != 0)


@compiled
def _is_ascii(data: Any) -> bool:
    found = np.uint64(0)
    for at in range(0, data.size, 8):
        found |= octets(data, at)
    return bool(found & repeated(128) == 0)


@kernel
def _up_to_eight(data: Any, at: int, length: int) -> np.uint64:
    """As many bytes as there are, eight at most, the first one lowest."""
    if length >= 8:
        return octets(data, at)
    return octets(data, at) & ((np.uint64(1) << np.uint64(8 * length)) - np.uint64(1)) if length > 0 else np.uint64(0)


@kernel
def _are_equal(data: Any, one: int, other: int, length: int) -> bool:
    while length > 0:
        if _up_to_eight(data, one, length) != _up_to_eight(data, other, length):
            return False
        one, other, length = one + 8, other + 8, length - 8
    return True


@kernel
def _mixed(word: np.uint64, more: np.uint64) -> np.uint64:
    return (word ^ word >> np.uint64(32) ^ more) * GOLDEN


@compiled
def _encode(data: Any, begin: Any, end: Any, slots: Any, words: Any, codes: Any) -> tuple[int, int]:
    """Give each value its code by way of a hash table (code + 1, 0 = free); words and missing values.

    What is known of a word decides on nearly all values, since few ids are longer than sixteen bytes.
    """
    count, missing, last = int64(0), int64(0), np.uint64(slots.size - 1)
    for row in range(begin.size):
        at = int64(begin[row])
        length = int64(end[row]) - at
        if length < 0:
            codes[row] = -1
            missing += 1
            continue
        low, high = _up_to_eight(data, at, length), _up_to_eight(data, at + 8, length - 8)
        word = _mixed(_mixed(np.uint64(length), low), high)
        for place in range(at + 16, at + length, 8):
            word = _mixed(word, _up_to_eight(data, place, at + length - place))
        slot = word >> np.uint64(32) & last
        while slots[slot]:
            code = np.uint64(slots[slot] - 1)
            where = words[code, _WHERE]
            alike = words[code, _LOW] == low and words[code, _HIGH] == high and int64(where & _LENGTH) == length
            if alike and (
                length <= 16 or _are_equal(data, int64(begin[where >> np.uint64(32)]) + 16, at + 16, length - 16)
            ):
                break
            slot = slot + np.uint64(1) & last
        if not slots[slot]:
            words[count, _LOW], words[count, _HIGH] = low, high
            words[count, _WHERE] = np.uint64(row) << np.uint64(32) | np.uint64(length)
            count += 1
            slots[slot] = count
        codes[row] = slots[slot] - 1
    return count, missing


@compiled
def _gather(data: Any, begin: Any, offsets: Any, text: Any) -> None:
    """The values one after the other; what is written beyond one is written over by the next."""
    for row in range(begin.size):
        at, out = int64(begin[row]), int64(offsets[row])
        for shift in range(0, int64(offsets[row + 1]) - out, 8):
            put_octets(text, out + shift, octets(data, at + shift))
