"""JSON lines in compiled code: where the values of a few wanted keys stand in each line.

Libraries that read JSON lines into columns build or skip values in ways of their own and give up a whole file for
one bad line. `scan` checks the grammar of every line in full, but only notes where the wanted values begin and end,
and marks a line in any doubt, which is left to `json.loads`. What `scan` does not mark, `json.loads` accepts, with
the same values. In doubt are, apart from what is no JSON: anything but an object, a wanted key that comes twice or
may be spelt with escapes, a wanted string with the escape of a surrogate, a number of more than 300 characters
(Python has a limit for integers), `NaN` and `Infinity`, nesting deeper than 63, and bytes that are not UTF-8.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from newsreplay.datasets.reading.sizes import SIZES
from newsreplay.datasets.reading.words import encoded, is_utf8
from newsreplay.kernels.compiling import compiled, int64, kernel
from newsreplay.kernels.octets import below, first_marked, octets, repeated, zeros
from newsreplay.log.rows import Column

#: What stands under a path. FRACTION is a number with a fraction or an exponent, ESCAPED a string with escapes.
MISSING, NULL, BOOLEAN, INTEGER, FRACTION, STRING, ESCAPED, OBJECT, ARRAY = range(9)

DEEPEST = 63  # objects and arrays inside each other: one bit each of an int64
LONGEST_NUMBER = 300  # characters

Path = tuple[str, ...]


class Scan(NamedTuple):
    """Lines, and where in `data` the values under the wanted paths stand in them."""

    data: Column  #: uint8[bytes]
    line: Column  #: int32[lines + 1]: line l stands from line[l] up to line[l + 1], its line end included
    begin: Column  #: int32[lines, paths]: first byte; in strings the one after the quote
    end: Column  #: int32[lines, paths]: first byte no more; in strings the quote
    kind: Column  #: uint8[lines, paths]: what it is, MISSING in doubtful lines; where MISSING, no begin and end
    doubtful: Column  #: bool[lines]
    stop: int  #: where the next scan begins


def scan(data: bytes, paths: tuple[Path, ...], start: int = 0, *, lines: int = SIZES.lines) -> Scan:
    """Scan up to `lines` lines of `data` from byte `start` on for the values under `paths`.

    A path is the keys that lead to a value, outermost first, through objects only. Lines end with a line feed,
    the last one perhaps without. `data` must be shorter than 2 GB.

    >>> values = scan(b'{"id": "a", "at": {"x": 7}}', (("id",), ("at", "x")))
    >>> texts(values, 0).to_pylist(), integers(values, 1)[0].tolist()
    (['a'], [7])
    """
    if data and not data.endswith(b"\n"):
        data += b"\n"
    array = np.frombuffer(data, np.uint8)
    most = min(lines, len(data) - start)
    keys = _keys(paths)
    line = np.empty(most + 1, np.int32)
    begin, end = np.empty((2, most, len(paths)), np.int32)
    kind = np.zeros((most, len(paths)), np.uint8)
    doubtful = np.zeros(most, np.bool_)
    seen = np.full(len(keys.path), -1)
    room = Scan(array, line, begin, end, kind, doubtful, start)
    count = _scan(room, keys, np.empty((2, DEEPEST + 1), np.int64), seen)
    stop = int(line[count])
    if not is_utf8(data, start, stop):
        bad = [not is_utf8(data, *bounds) for bounds in pairwise(line[: count + 1].tolist())]
        doubtful[:count] |= bad
        kind[:count][bad] = MISSING
    return Scan(array, line[: count + 1], begin[:count], end[:count], kind[:count], doubtful[:count], stop)


def texts(
    scan: Scan, path: int, kinds: tuple[int, ...] = (STRING, ESCAPED), lines: Column | None = None
) -> pa.DictionaryArray:
    """The values of these kinds under the path of this number, null in lines with none, dictionary-encoded.

    Strings are decoded; numbers are given as they are written. `lines` are the numbers of those that are wanted, all by
    default.
    """
    is_wanted = np.zeros(ARRAY + 1, np.bool_)
    is_wanted[list(kinds)] = True
    begin, end, kind = (column[:, path] if lines is None else column[lines, path] for column in scan[2:5])
    taken = is_wanted[kind]
    data = scan.data
    if (kind[taken] == ESCAPED).any():
        offsets = np.empty(taken.size + 1, np.int32)
        # Nothing is longer decoded than it is written.
        out = np.empty(np.sum(end - begin, where=taken), np.uint8)
        _copy(data, begin, end, kind, taken, offsets, out)
        data, begin, end = out, offsets[:-1], offsets[1:]
    return encoded(data, np.where(taken, begin, 1), np.where(taken, end, 0))


def integers(scan: Scan, path: int) -> tuple[Column, Column]:
    """The integers of up to 18 digits under the path of this number (int64), and where there are any (bool)."""
    values = np.zeros(len(scan.kind), np.int64)
    _parse(scan.data, scan.begin[:, path], scan.end[:, path], scan.kind[:, path], values)
    length = scan.end[:, path] - scan.begin[:, path]
    return values, (scan.kind[:, path] == INTEGER) & (length <= 18)


class _Keys(NamedTuple):
    """The wanted keys as a tree, its nodes numbered breadth first, so that siblings stand side by side."""

    text: Column  # uint8: the keys of all nodes
    at: Column  # int64[nodes + 1]: where each begins in `text`
    child: Column  # int64[nodes + 1]: first child; the last one stands before the next node's first
    path: Column  # int64[nodes]: number of the path that ends here, -1 = none


@cache
def _keys(paths: tuple[Path, ...]) -> _Keys:
    nodes: list[Path] = [()]
    child = []
    for node in nodes:  # grows on the way
        child.append(len(nodes))
        size = len(node)
        nodes.extend(dict.fromkeys(path[: size + 1] for path in paths if len(path) > size and path[:size] == node))
    keys = [node[-1].encode() if node else b"" for node in nodes]
    return _Keys(
        np.frombuffer(b"".join(keys), np.uint8),
        np.cumsum([0, *map(len, keys)]),
        np.array([*child, len(nodes)]),
        np.array([paths.index(node) if node in paths else -1 for node in nodes]),
    )


# The kernels need no bounds: data end with a line feed, which no token contains, and every loop stops there.

_SPACE, _QUOTE, _COMMA, _MINUS, _COLON, _BACKSLASH = 32, 34, 44, 45, 58, 92
_OPEN_ARRAY, _CLOSE_ARRAY, _OPEN_OBJECT, _CLOSE_OBJECT, _LINE_END = 91, 93, 123, 125, 10
_HEX = np.array([chr(byte) in "0123456789abcdefABCDEF" for byte in range(256)])
_ESCAPED = np.zeros(256, np.uint8)  # what stands for what after a backslash, 0 = nothing
_ESCAPED[list(b'"\\/bfnrt')] = list(b'"\\/\b\f\n\r\t')


@kernel
def _next(data: Column, i: int) -> int:
    """The first byte from i on that is no white space inside a line."""
    while data[i] == 32 or data[i] == 9 or data[i] == 13:
        i += 1
    return i


@kernel
def _plain_end(data: Column, i: int) -> int:
    """The first byte from i on that ends a string, begins an escape or may not stand in a string."""
    while True:
        word = octets(data, i)
        marks = zeros(word ^ repeated(_QUOTE)) | zeros(word ^ repeated(_BACKSLASH)) | below(word, _SPACE)
        if marks:
            return i + first_marked(marks)
        i += 8


@kernel
def _escape_end(data: Column, i: int) -> int:
    """The byte after the escape that begins at i, -1 if it is none."""
    if _ESCAPED[data[i + 1]]:
        return i + 2
    if data[i + 1] != 117:  # u
        return -1
    for place in range(i + 2, i + 6):
        if not _HEX[data[place]]:
            return -1
    return i + 6


@kernel
def _is_surrogate(data: Column, i: int) -> bool:
    """Whether the escape that begins at i may be `\\ud800` to `\\udfff`."""
    surrogate: bool = data[i + 1] == 117 and (data[i + 2] | 32) == 100 and data[i + 3] >= 56  # u, d, 8
    return surrogate


@kernel
def _digits_end(data: Column, i: int) -> int:
    """The first byte from i on that is no digit, -1 if that is the first."""
    begin = i
    while 48 <= data[i] <= 57:
        i += 1
    return i if i > begin else -1


@kernel
def _literal_end(data: Column, i: int) -> int:
    """The byte after `true`, `false` or `null`, -1 if there is none."""
    if data[i] == 116 and data[i + 1] == 114 and data[i + 2] == 117 and data[i + 3] == 101:
        return i + 4
    if data[i] == 102 and data[i + 1] == 97 and data[i + 2] == 108 and data[i + 3] == 115 and data[i + 4] == 101:
        return i + 5
    if data[i] == 110 and data[i + 1] == 117 and data[i + 2] == 108 and data[i + 3] == 108:
        return i + 4
    return -1


@kernel
def _child(data: Column, begin: int, end: int, keys: _Keys, node: int) -> int:
    """The child of a node under the key that stands from begin up to end, -1 if there is none."""
    for child in range(keys.child[node], keys.child[node + 1]):
        shift = keys.at[child] - begin
        if keys.at[child + 1] - shift == end:
            i = begin
            while i < end and data[i] == keys.text[i + shift]:
                i += 1
            if i == end:
                return child
    return -1


@compiled
def _scan(room: Scan, keys: _Keys, scratch: Column, seen: Column) -> int:
    """Fill the columns of a `Scan`, from its `stop` on; how many lines there are.

    It is one function, as parsers by hand are: every branch moves the place, the depth and the stack of what is open,
    and functions cut out of it would have to be handed all of these, and hand them back, for each value of each line.
    """
    data, line, begin, end, kind, doubtful = room.data, room.line, room.begin, room.end, room.kind, room.doubtful
    nodes, paths = scratch[0], scratch[1]  # of the objects and arrays that are open: node in `keys`, path
    lines, stop = 0, room.stop
    line[0] = stop
    while stop < data.size and lines < doubtful.size:
        i = _next(data, stop)
        if data[i] != _OPEN_OBJECT:
            i = -1
        depth = 0
        objects = 0  # a bit for each that is open, the innermost lowest: is it an object?
        while i >= 0:  # each time round one value, with its key in an object; -1 is a doubt
            node = 0 if depth == 0 else -1
            path = -1
            if objects & 1:
                if data[i] != _QUOTE:
                    i = -1
                    break
                key = i + 1
                i = _plain_end(data, key)
                if nodes[depth] >= 0:
                    node = _child(data, key, i, keys, nodes[depth])
                    if node >= 0:
                        if seen[node] == lines:
                            i = -1
                            break
                        seen[node] = lines
                        path = keys.path[node]
                else:
                    while i >= 0 and data[i] == _BACKSLASH:
                        i = _escape_end(data, i)
                        if i >= 0:
                            i = _plain_end(data, i)
                if i < 0 or data[i] != _QUOTE:
                    i = -1
                    break
                i = _next(data, i + 1)
                if data[i] != _COLON:
                    i = -1
                    break
                i = _next(data, i + 1)

            first = data[i]
            value = i
            closed = True
            if first == _QUOTE:
                value += 1
                what = STRING
                i = _plain_end(data, value)
                while i >= 0 and data[i] == _BACKSLASH:
                    what = ESCAPED
                    i = -1 if path >= 0 and _is_surrogate(data, i) else _escape_end(data, i)
                    if i >= 0:
                        i = _plain_end(data, i)
                if i < 0 or data[i] != _QUOTE:
                    i = -1
                    break
                if path >= 0:
                    begin[lines, path], end[lines, path], kind[lines, path] = value, i, what
                i += 1
            elif first in (_OPEN_OBJECT, _OPEN_ARRAY):
                if depth == DEEPEST:
                    i = -1
                    break
                is_object = first == _OPEN_OBJECT
                depth += 1
                objects = objects << 1 | is_object
                nodes[depth] = node if is_object else -1
                paths[depth] = path
                if path >= 0:
                    begin[lines, path], kind[lines, path] = i, OBJECT if is_object else ARRAY
                i = _next(data, i + 1)
                closed = data[i] == (_CLOSE_OBJECT if is_object else _CLOSE_ARRAY)
            else:
                if first == _MINUS or 48 <= first <= 57:
                    what = INTEGER
                    i += first == _MINUS
                    i = i + 1 if data[i] == 48 else _digits_end(data, i)
                    if i >= 0 and data[i] == 46:
                        what = FRACTION
                        i = _digits_end(data, i + 1)
                    if i >= 0 and data[i] | 32 == 101:  # e or E
                        what = FRACTION
                        i += 1
                        i = _digits_end(data, i + 1 if data[i] == 43 or data[i] == _MINUS else i)
                    if i - value > LONGEST_NUMBER:
                        i = -1
                else:
                    what = NULL if first == 110 else BOOLEAN
                    i = _literal_end(data, i)
                if i < 0:
                    break
                if path >= 0:
                    begin[lines, path], end[lines, path], kind[lines, path] = value, i, what
            if not closed:
                continue

            i = _next(data, i)
            while depth and data[i] == (_CLOSE_OBJECT if objects & 1 else _CLOSE_ARRAY):
                i += 1
                if paths[depth] >= 0:
                    end[lines, paths[depth]] = i
                depth -= 1
                objects >>= 1
                i = _next(data, i)
            if depth == 0:
                i = i if data[i] == _LINE_END else -1
                break
            i = _next(data, i + 1) if data[i] == _COMMA else -1
        if i < 0:
            doubtful[lines] = True
            kind[lines] = MISSING
            i = stop
            while data[i] != _LINE_END:
                i += 1
        stop = i + 1
        lines += 1
        line[lines] = stop
    return lines


@kernel
def _code(data: Column, i: int) -> int:
    """The value of the four hexadecimal digits from i on."""
    code = 0
    for place in range(i, i + 4):
        digit = int64(data[place])
        code = code * 16 + (digit - 48 if digit <= 57 else (digit | 32) - 87)
    return code


@compiled
def _copy(data: Column, begin: Column, end: Column, kind: Column, taken: Column, offsets: Column, out: Column) -> None:
    """The values that are taken one after the other, escapes decoded (to UTF-8; none is half of a pair)."""
    at = 0
    offsets[0] = 0
    for i in range(begin.size):
        place = int64(begin[i])
        while taken[i] and place < end[i]:
            if kind[i] != ESCAPED or data[place] != _BACKSLASH:
                out[at] = data[place]
                place += 1
                at += 1
            elif data[place + 1] != 117:  # u
                out[at] = _ESCAPED[data[place + 1]]
                place += 2
                at += 1
            else:
                code = _code(data, place + 2)
                place += 6
                if code < 0x80:
                    out[at] = code
                    at += 1
                    continue
                if code < 0x800:
                    out[at] = 0xC0 | code >> 6
                else:
                    out[at] = 0xE0 | code >> 12
                    at += 1
                    out[at] = 0x80 | code >> 6 & 0x3F
                out[at + 1] = 0x80 | code & 0x3F
                at += 2
        offsets[i + 1] = at


@compiled
def _parse(data: Column, begin: Column, end: Column, kind: Column, values: Column) -> None:
    for i in range(begin.size):
        if kind[i] == INTEGER and end[i] - begin[i] <= 18:
            negative = data[begin[i]] == _MINUS
            value = 0
            for place in range(begin[i] + negative, end[i]):
                value = value * 10 + (data[place] - 48)
            values[i] = -value if negative else value
