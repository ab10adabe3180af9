"""Specs: `trend(hours=6)` on a command line, a name with parameters in Python.

trend    trend(hours=12)    circular:size=500    my_pkg.ranker:Mine(depth=3)    mine.py:Mine    "http://host:80/x"(k=5)

In parentheses stand values without a name, then named ones: `rerank(trend(hours=6), popular, top=50)`. A value is a
number, true, false, none, a list, `[1, 2]`, or text. A nested spec, `update=every(hours=6)`, is text, kept as typed:
whoever wants what it names reads it (`registry.build_value` makes it). Nothing is ever evaluated.

Text that could be mistaken stands in quotes, which are doubled inside it: `mine.py:Mine(motto='it''s new')`; so does
a name that holds brackets, commas or `=`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

from newsreplay.errors import SpecError

Value: TypeAlias = "int | float | bool | str | tuple[Value, ...] | None"  # a list that is typed becomes a tuple

_WORD = re.compile(r"\w[\w.-]*")
_CALL = re.compile(r"[A-Za-z_][\w.-]*\([\w.,:= -]*\)")
_PARAMETER = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*(.*?)\s*", re.DOTALL)
_QUOTED = re.compile(r"""(['"])(?:(?!\1).|\1\1)+\1""", re.DOTALL)
_QUOTES = ("'", '"')
_SYNTAX = "()=,"  #: what a name holds only in quotes
_DEEPEST = 20  #: lists in lists; more are a mistake, and would exhaust the stack
_CONSTANTS: dict[str, Value] = {"true": True, "false": False, "none": None}


class Spec(NamedTuple):
    """A recommender's name and the values that were typed: `parameters` have names, `positional` values have none."""

    name: str
    parameters: tuple[tuple[str, Value], ...] = ()
    positional: tuple[Value, ...] = ()

    def __str__(self) -> str:
        """The parenthesised form; defaults are neither added nor dropped.

        >>> str(parse_spec("circular:size=500"))
        'circular(size=500)'
        >>> str(parse_spec("rerank( trend(hours=6),popular, top = [10,50] )"))
        'rerank(trend(hours=6), popular, top=[10, 50])'
        """
        return _written_name(self.name) + self.values_text()

    def values_text(self) -> str:
        """The values in their parentheses; nothing where there are none.

        >>> Spec("trend", (("hours", 6),)).values_text(), Spec("trend").values_text()
        ('(hours=6)', '')
        """
        values = [_written(value) for value in self.positional]
        values += [f"{name}={_written(value)}" for name, value in self.parameters]
        return f"({', '.join(values)})" if values else ""


def _written_name(name: str) -> str:
    return name if name == name.strip() and _is_bare(name) else _quoted(name)


def _is_bare(name: str) -> bool:
    return bool(name) and name[0] not in _QUOTES and not any(c in name for c in _SYNTAX)


def _written(value: Value) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_written, value))}]"
    if not isinstance(value, str):
        return repr(value)
    if _CALL.fullmatch(value) or (_WORD.fullmatch(value) and isinstance(_value(value), str)):
        return value
    return _quoted(value)


def _quoted(text: str) -> str:
    quote = '"' if "'" in text and '"' not in text else "'"
    return quote + text.replace(quote, quote + quote) + quote


def parse_spec(text: str) -> Spec:
    """One spec from its text.

    >>> parse_spec("trend(hours=12)")
    Spec(name='trend', parameters=(('hours', 12),), positional=())
    >>> parse_spec("rerank(trend(hours=6), popular, top=[10, 50])")
    Spec(name='rerank', parameters=(('top', (10, 50)),), positional=('trend(hours=6)', 'popular'))

    Raises `SpecError` where the text cannot be read.
    """
    text = text.strip()
    name, typed = _name_and_values(text)
    positional: list[Value] = []
    parameters: list[tuple[str, Value]] = []
    for piece in _split(typed):
        if match := _PARAMETER.fullmatch(piece):
            parameters.append((match[1], _value(match[2])))
        elif piece.strip():
            if parameters:
                raise SpecError(f"{text!r}: {piece.strip()!r} is not parameter=value; values without a name come first")
            positional.append(_unnamed(piece, text))
    given = [parameter for parameter, _ in parameters]
    for parameter in given:
        if given.count(parameter) > 1:
            raise SpecError(f"{text!r} gives {parameter!r} twice; give it once")
    return Spec(name, tuple(parameters), tuple(positional))


def _name_and_values(text: str) -> tuple[str, str]:
    """A spec's name, and what stands in its parentheses or behind its colon."""
    if quoted := _QUOTED.match(text):
        name, rest = _unquoted(quoted[0]), text[quoted.end() :].lstrip()
    else:
        head = text.split("(", 1)[0]
        before, colon, behind = head.rpartition(":")
        end = len(before) if colon and "=" in behind else len(head)
        name, rest = text[:end].strip(), text[end:]
    readable = quoted is not None or _is_bare(name)
    if readable and not rest:
        return name, ""
    if readable and rest[0] == "(" and rest[-1] == ")":
        return name, rest[1:-1]
    if readable and rest[0] == ":" and _PARAMETER.fullmatch(rest[1:]):
        return name, rest[1:]
    raise SpecError(
        f"cannot read the recommender {text!r}; write name, name(parameter=value) or module:Class, and put a name that "
        'holds any of ( ) = , in quotes: "http://host/x?y=1"'
    )


def parse_specs(text: str) -> list[Spec]:
    """Specs from a comma-separated list; `circular:size=500,hours=2` is one spec with two parameters.

    >>> [str(spec) for spec in parse_specs("trend, circular:size=500,popular(hours=6)")]
    ['trend', 'circular(size=500)', 'popular(hours=6)']
    """
    pieces: list[str] = []
    for piece in _split(text):
        if pieces and ":" in pieces[-1] and _PARAMETER.fullmatch(piece):
            pieces[-1] += "," + piece
        elif piece.strip():
            pieces.append(piece)
    if not pieces:
        raise SpecError("no recommender named; 'newsreplay recommenders' lists them")
    return [parse_spec(piece) for piece in pieces]


def split_list(text: str) -> list[str]:
    """The pieces of a comma-separated list, commas in brackets and quotes aside.

    >>> split_list("auc, mine.py:late(hour=22, until=4)")
    ['auc', 'mine.py:late(hour=22, until=4)']
    """
    return [piece.strip() for piece in _split(text)]


def parse_names(text: str) -> dict[str, str]:
    """Display names from `SPEC=NAME,…`, by the specs as they are shown; a name with a comma stands in quotes.

    >>> parse_names("trend( hours=6 )=Trend, circular:size=500='Buffer, large'")
    {'trend(hours=6)': 'Trend', 'circular(size=500)': 'Buffer, large'}

    Raises `SpecError` where the text cannot be read, or two recommenders would have one name.
    """
    names: dict[str, str] = {}
    for piece in filter(str.strip, _split(text)):
        at = max((i for i, depth in enumerate(_depths(piece)) if piece[i] == "=" and not depth), default=0)
        spec, name = piece[:at].strip(), _unquoted(piece[at + 1 :].strip())
        if not spec or not name:
            raise SpecError(f"{piece.strip()!r} is not SPEC=NAME; write \"trend(hours=6)=Trend,popular='Most read'\"")
        recommender = str(parse_spec(spec))
        if recommender in names:
            raise SpecError(f"{recommender} is given two names, {names[recommender]!r} and {name!r}; give it one")
        if name in names.values():
            raise SpecError(f"two recommenders are named {name!r}; give each a name of its own")
        names[recommender] = name
    return names


def names_text(names: Mapping[str, str]) -> str:
    """Display names as `parse_names` reads them.

    >>> names_text({"trend(hours=6)": "Trend", "popular": "Popular, large"})
    "trend(hours=6)='Trend',popular='Popular, large'"
    """
    return ",".join(f"{recommender}={_quoted(name)}" for recommender, name in names.items())


def check_names(names: Mapping[str, str], recommenders: Iterable[str]) -> None:
    """Raise `SpecError` if display names belong to none of `recommenders` (as shown), or are what another is called.

    >>> check_names({"tren": "Trend"}, ["trend", "popular"])
    Traceback (most recent call last):
    newsreplay.errors.SpecError: there is no recommender 'tren' to name 'Trend'; there are trend, popular
    """
    there = list(dict.fromkeys(recommenders))
    called: dict[str, str] = {}
    for recommender, name in names.items():
        if recommender not in there:
            raise SpecError(f"there is no recommender {recommender!r} to name {name!r}; there are {', '.join(there)}")
        if name in there and name not in names:
            raise SpecError(f"{recommender} cannot be named {name!r}, another recommender is called so; choose another")
        if called.setdefault(name, recommender) != recommender:
            raise SpecError(f"{called[name]} and {recommender} are both named {name!r}; give each a name of its own")


def _depths(text: str) -> list[int]:
    """How many brackets and quotes are open behind each character.

    A square bracket opens a list only where a value may begin; elsewhere it is text, as in a file's name.
    """
    depths, parentheses, lists, quote, before = [], 0, 0, "", ","
    for c in text:
        if quote:
            quote = "" if c == quote else quote
        elif c in _QUOTES:
            quote = c
        elif c in "()":
            parentheses += 1 if c == "(" else -1
        elif c == "[" and (lists or before in "(=,"):
            lists += 1
        elif c == "]" and lists:
            lists -= 1
        before = before if c.isspace() else c
        depths.append(1 if quote else parentheses + lists)
    return depths


def _split(text: str) -> list[str]:
    """Cut at the commas that stand outside brackets and quotes."""
    commas = [i for i, depth in enumerate(_depths(text)) if text[i] == "," and not depth]
    return [text[begin:end] for begin, end in zip([0, *(i + 1 for i in commas)], [*commas, len(text)], strict=True)]


def _unnamed(piece: str, text: str) -> Value:
    piece = piece.strip()
    depths = _depths(piece)
    if min(depths) < 0 or depths[-1] or any(c == "=" and not depth for c, depth in zip(piece, depths, strict=True)):
        raise SpecError(
            f"{text!r}: cannot read {piece!r}; write parameter=value, and text that holds = or brackets in quotes"
        )
    return _value(piece)


def _value(text: str) -> Value:
    if _unquoted(text) != text:
        return _unquoted(text)
    if text.startswith("["):
        return _list(text)
    if text.lower() in _CONSTANTS:
        return _CONSTANTS[text.lower()]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            pass
    return text


def _list(text: str) -> tuple[Value, ...]:
    depths = _depths(text)
    pieces = _split(text[1:-1])
    if not pieces[-1].strip():
        pieces.pop()  # of [] and [1, 2, ]
    closed = text[-1] == "]" and 0 in depths and depths.index(0) == len(text) - 1
    if not closed or max(depths) > _DEEPEST or not all(map(str.strip, pieces)):
        raise SpecError(f"cannot read the list {text!r}; write [1, 2], and put text that begins with [ in quotes")
    return tuple(_unnamed(piece, text) for piece in pieces)


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in _QUOTES:
        return text[1:-1].replace(2 * text[0], text[0])
    return text


def whole(name: str, value: object, at_least: int) -> int:
    """`value` if it is a whole number of at least `at_least`, else a `SpecError` that says so."""
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        raise SpecError(f"{name} must be a whole number of at least {at_least}, not {value!r}")
    return value


def number(name: str, value: object, at_least: float, at_most: float = math.inf) -> float:
    """`value` as a float if it is a finite number from `at_least` to `at_most`, else a `SpecError` that says so."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SpecError(f"{name} must be a number, not {value!r}")
    if not at_least <= value <= at_most:
        most = "" if at_most == math.inf else f" and at most {at_most:g}"
        raise SpecError(f"{name} must be at least {at_least:g}{most}, not {value!r}")
    return float(value)
