"""The compiled scanner against `json.loads`, line by line."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from newsreplay.datasets.reading.json_lines import (
    ARRAY,
    BOOLEAN,
    ESCAPED,
    FRACTION,
    INTEGER,
    MISSING,
    NULL,
    OBJECT,
    STRING,
    integers,
    scan,
    texts,
)

PATHS = (("a",), ("b", "c"), ("b", "c", "d"), ("b",), ("id",), ("æ",))
KEYS = ("a", "b", "c", "d", "id", "æ", "idx", "i", "", "x")
ABSENT = object()

TEXTS = st.text('ab1"\\/æ😀\n\x00\x7f\ud800\udc00\u2028', max_size=6)
NUMBERS = (
    st.integers(-(10**20), 10**20)
    | st.sampled_from([0.5, -1e-7, 1e300, float("nan"), float("-inf")])
    | st.sampled_from([0, -0.0, 1e9, 10**400])
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6)


def loaded(line: bytes) -> Any:
    """What `json.loads` makes of a line; ABSENT if it does not take it."""
    try:
        return json.loads(line.decode())
    except (ValueError, RecursionError):
        return ABSENT


def under(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return ABSENT
        value = value[key]
    return value


def same(left: Any, right: Any) -> bool:
    """Equal in value and type, down to the last bit."""
    return repr(left) == repr(right)


def agrees(data: bytes) -> list[bool]:
    """Check a scan against `json.loads`; which lines are in doubt."""
    lines = data.split(b"\n")
    lines = lines if lines[-1] else lines[:-1]
    found = scan(data, PATHS)
    assert len(found.kind) == len(found.doubtful) == len(lines)
    columns = [texts(found, path).to_pylist() for path in range(len(PATHS))]
    numbers = [integers(found, path) for path in range(len(PATHS))]
    for row, line in enumerate(lines):
        assert data[found.line[row] : found.line[row + 1]].rstrip(b"\n") == line.rstrip(b"\n")
        if found.doubtful[row]:
            assert not found.kind[row].any()
            continue
        record = loaded(line)
        assert isinstance(record, dict), line
        for number, path in enumerate(PATHS):
            value, kind = under(record, path), found.kind[row, number]
            if kind == MISSING:
                assert value is ABSENT, line
                continue
            text = data[found.begin[row, number] : found.end[row, number]].decode()
            text = f'"{text}"' if kind in (STRING, ESCAPED) else text
            assert same(json.loads(text), value), line
            expected = {type(None): NULL, bool: BOOLEAN, int: INTEGER, float: FRACTION, list: ARRAY, dict: OBJECT}
            if isinstance(value, str):
                assert kind == (ESCAPED if "\\" in text else STRING)
            else:
                assert kind == expected[type(value)]
            assert columns[number][row] == (value if isinstance(value, str) else None)
            small = kind == INTEGER and len(text) <= 18
            assert numbers[number][1][row] == small
            assert not small or numbers[number][0][row] == value
    return list(found.doubtful)


@st.composite
def written(draw: st.DrawFn) -> bytes:
    """An object as JSON in one of the ways to write it."""
    text = json.dumps(
        draw(OBJECTS),
        ensure_ascii=draw(st.booleans()),
        separators=draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", "\r: ")])),
    )
    return text.encode(errors=draw(st.sampled_from(["replace", "surrogatepass"])))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    line = bytearray(draw(written()))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(line)))
        piece = draw(st.sampled_from(PIECES) | st.binary(max_size=3))
        line[at : at + draw(st.integers(0, 3))] = piece
    return bytes(line).replace(b"\n", b"")


PIECES = [
    *(bytes([byte]) for byte in b'{}[]",:\\ \t\r01-+.eEtfnuN\x00\x1f\x7f\xc3'),
    *(b"true", b"null", b"NaN", b"-Infinity", b'"a":', b'"id":1,', b'"b":{"c":', b"\\u0061", b"\\ud83d", b"1.0", b"01"),
]


@settings(max_examples=60, deadline=None)
@given(st.lists(mutated(), max_size=4), st.booleans())
def test_what_is_not_doubtful_is_what_json_makes_of_it(lines: list[bytes], ended: bool) -> None:
    agrees(b"\n".join(lines) + b"\n" * ended)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
@example(b"")
@example(b"\n")
@example(b"\\")
@example(b'{"\\u')
@example(b'{"a": tru')
def test_any_bytes_are_scanned(data: bytes) -> None:
    agrees(data)


def wild(rng: random.Random, depth: int = 0) -> str:
    """A JSON value, or nearly."""
    choice = rng.randrange(9 if depth < 4 else 6)
    if choice == 0:
        return rng.choice(
            ["null", "true", "false", "NaN", "-Infinity", "0", "-0", "1e5", "1.50", "-12", "01", "1.", "9" * 19]
        )
    if choice <= 5:
        return json.dumps(
            "".join(rng.choices('ab"\\/é\n\u2028😀', k=rng.randrange(12))), ensure_ascii=rng.random() < 0.5
        )
    space, colon = rng.choice(["", " ", "\t\r"]), rng.choice([":", ": ", " :"])
    if choice == 6:
        return "[" + f"{space},".join(wild(rng, depth + 1) for _ in range(rng.randrange(4))) + "]"
    members = (f'"{rng.choice(KEYS)}"{colon}{wild(rng, depth + 1)}' for _ in range(rng.randrange(5)))
    return "{" + f",{space}".join(members) + f"{space}}}"


def test_a_thousand_lines_with_and_without_faults_are_what_json_makes_of_them() -> None:
    rng = random.Random(11)
    lines = []
    for _ in range(1_000):
        line = ("{" + ", ".join(f'"{key}": {wild(rng)}' for key in rng.sample(KEYS, 4)) + "}").encode()
        at = rng.randrange(len(line))
        lines.append(line if rng.random() < 0.5 else line[:at] + rng.choice(PIECES) + line[at + rng.randrange(3) :])
    doubtful = agrees(b"\n".join(line.replace(b"\n", b"") for line in lines))
    assert 200 < sum(doubtful) < 800


def test_truncated_anywhere_and_spoilt_anywhere_it_agrees_with_json() -> None:
    line = b'{"a":-1.5e+3,"x":[true,{"a":"\\u00e6\\n"},[]],"b":{"c":{"d":null}},"id":"\xc3\xa6","\\u0061":false, "i":0}'
    rng = random.Random(3)
    cut = [line[:at] for at in range(len(line))]
    spoilt = [
        line[:at] + bytes([byte]) + line[at + 1 :] for at in range(len(line)) for byte in rng.sample(PIECES, 8)[0]
    ]
    spoilt = [line[:at] + rng.choice(PIECES) + line[at + 1 :] for at in range(len(line)) for _ in range(30)]
    agrees(b"\n".join([*cut, *spoilt]))


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b" { } \r",
        b'{"a": "b"}',
        b'{"x": "\\ud800", "y": "\\"", "": 0}',
        b'{"a": "\\u0041\\t"}',
        b'{"x": 1, "x": 2}',
        b'{"x": {"a": 1}, "a": 2}',
        b'{"b": {"c": {"d": -0}}}',
        b'{"b": [{"c": 1}]}',
        b'{"x": {"\\u0061": 1}}',
        b'{"a": 1e9, "id": 123456789012345678}',
        '{"æ": "😀"}'.encode(),
        b'{"a": ' + b"[" * 62 + b"]" * 62 + b"}",
    ],
)
def test_clean_lines_are_not_left_to_json(line: bytes) -> None:
    assert agrees(line) == [False]


@pytest.mark.parametrize(
    ("line", "accepted"),
    [
        (b"", False),
        (b"[]", True),
        (b'"a"', True),
        (b"null", True),
        (b'{"a": NaN}', True),
        (b'{"x": -Infinity}', True),
        (b'{"a": 1, "a": 2}', True),
        (b'{"b": {"c": 1}, "b": {}}', True),
        (b'{"b": {"c": 1, "c": 2}}', True),
        (b'{"\\u0061": 1}', True),
        (b'{"a": "\\ud800"}', True),
        (b'{"a": "\\uD83D\\uDE00"}', True),
        (b'{"x": ' + b"9" * 301 + b"}", True),
        (b'{"x": ' + b"9" * 5000 + b"}", False),
        (b'{"x": ' + b"[" * 63 + b"]" * 63 + b"}", True),
        (b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", False),
        (b'{"x": ' * 100_000, False),
        (b"[" * 100_000, False),
        (b'{"a": 1} {}', False),
        (b'{"a": 1},', False),
        (b'{"a": 1]', False),
        (b'{"x": [1}', False),
        (b'{"x": [1,]}', False),
        (b'{"a": 1,}', False),
        (b'{,"a": 1}', False),
        (b'{"a" 1}', False),
        (b"{a: 1}", False),
        (b"{'a': 1}", False),
        (b'{"a": 01}', False),
        (b'{"a": +1}', False),
        (b'{"a": .5}', False),
        (b'{"a": 1.}', False),
        (b'{"a": 1e}', False),
        (b'{"a": -}', False),
        (b'{"a": True}', False),
        (b'{"a": nul}', False),
        (b'{"a": "\\x41"}', False),
        (b'{"a": "\\u00g0"}', False),
        (b'{"x": "\t"}', False),
        (b'{"x": "\x00"}', False),
        (b'{"x": "\x1f"}', False),
        (b'{"x": "', False),
        (b'{"x": "\xff"}', False),
        (b'\xef\xbb\xbf{"a": 1}', False),
        (b'{"a":\x0b1}', False),
        (b'{"a":\xc2\xa01}', False),
    ],
)
def test_a_doubtful_line_is_marked_and_its_neighbours_are_not(line: bytes, accepted: bool) -> None:
    assert (loaded(line) is not ABSENT) == accepted
    assert agrees(b'{"a": 1}\n' + line + b'\n{"a": 2}\n') == [False, True, False]


def test_numbers_can_be_had_as_they_are_written() -> None:
    found = scan(b'{"a": 1e9}\n{"a": -0}\n{"a": "7"}\n{"a": true}\n{"a": 7.50}', PATHS)
    assert texts(found, 0, (INTEGER, FRACTION)).to_pylist() == ["1e9", "-0", None, None, "7.50"]


def test_a_string_is_one_dictionary_entry_whether_written_with_escapes_or_not() -> None:
    column = texts(scan(b'{"a": "ab"}\n{"a": "\\u0061b"}\n{"a": "c"}\n{}', PATHS), 0)
    assert column.to_pylist() == ["ab", "ab", "c", None]
    assert column.dictionary.to_pylist() == ["ab", "c"]


def test_scans_follow_each_other() -> None:
    data = b'{"a": 1}\n\n{"a": 1, "a": 2}\n{"a": "\xff"}\n{"a": 3}'
    start, doubtful, numbers = 0, [], []
    while start < len(data):
        found = scan(data, PATHS, start, lines=2)
        doubtful.append(found.doubtful.tolist())
        numbers.append(integers(found, 0)[0].tolist())
        start = found.stop
    assert doubtful == [[False, True], [True, True], [False]]
    assert numbers == [[1, 0], [0, 0], [3]]
