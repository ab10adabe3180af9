"""Specs: `trend(hours=6)` on a command line, a name with parameters in Python.

trend    trend(hours=12)    circular:size=500    my_pkg.ranker:Mine(depth=3)    mine.py:Mine

A value is a number, true, false, none, or text; a call, `nrms(update=every(hours=6))`, is text too. Text that could
be mistaken stands in quotes, which are doubled inside it: `mine.py:Mine(motto='it''s new')`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from newsreplay.errors import SpecError

Value = int | float | bool | str | None

_WORD = re.compile(r"\w[\w.-]*")
_CALL = re.compile(r"[A-Za-z_][\w.-]*\([\w.,:= -]*\)")
_PARAMETER = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*(.*?)\s*", re.DOTALL)
_CONSTANTS: dict[str, Value] = {"true": True, "false": False, "none": None}


class Spec(NamedTuple):
    """A recommender's name and the parameters that were typed."""

    name: str
    parameters: tuple[tuple[str, Value], ...] = ()

    def __str__(self) -> str:
        """The parenthesised form; defaults are neither added nor dropped.

        >>> str(parse_spec("circular:size=500"))
        'circular(size=500)'
        """
        return self.name + _shown(self.parameters) if self.parameters else self.name


def _shown(parameters: tuple[tuple[str, Value], ...]) -> str:
    return "(" + ", ".join(f"{name}={_written(value)}" for name, value in parameters) + ")"


def _written(value: Value) -> str:
    if not isinstance(value, str):
        return repr(value)
    if _CALL.fullmatch(value) or (_WORD.fullmatch(value) and isinstance(_value(value), str)):
        return value
    quote = '"' if "'" in value and '"' not in value else "'"
    return quote + value.replace(quote, quote + quote) + quote


def parse_spec(text: str) -> Spec:
    """One spec from its text.

    >>> parse_spec("trend(hours=12)")
    Spec(name='trend', parameters=(('hours', 12),))

    Raises `SpecError` where the text cannot be read.
    """
    text = text.strip()
    name, typed = text, ""
    head = text.split("(", 1)[0]
    if ":" in head and "=" in head.rsplit(":", 1)[1]:
        name = head.rsplit(":", 1)[0]
        typed = text[len(name) + 1 :]
    elif text.endswith(")") and "(" in text:
        name, typed = text[:-1].split("(", 1)
    name = name.strip()
    if not name or any(c in name for c in "()=,"):
        raise SpecError(f"cannot read the recommender {text!r}; write name, name(parameter=value) or module:Class")
    pieces = [piece for piece in _split(typed) if piece.strip()]
    parameters = tuple(_parameter(piece, text) for piece in pieces)
    given = [parameter for parameter, _ in parameters]
    for parameter in given:
        if given.count(parameter) > 1:
            raise SpecError(f"{text!r} gives {parameter!r} twice; give it once")
    return Spec(name, parameters)


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


def _split(text: str) -> list[str]:
    """Cut at the commas that stand outside parentheses and quotes."""
    pieces, depth, quote, begin = [], 0, "", 0
    for i, c in enumerate(text):
        if quote:
            quote = "" if c == quote else quote
        elif c in "'\"":
            quote = c
        elif c in "()":
            depth += 1 if c == "(" else -1
        elif c == "," and depth == 0:
            pieces.append(text[begin:i])
            begin = i + 1
    return [*pieces, text[begin:]]


def _parameter(piece: str, text: str) -> tuple[str, Value]:
    match = _PARAMETER.fullmatch(piece)
    if not match:
        raise SpecError(f"{text!r}: {piece.strip()!r} is not parameter=value")
    return match[1], _value(match[2])


def _value(text: str) -> Value:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1].replace(2 * text[0], text[0])
    if text.lower() in _CONSTANTS:
        return _CONSTANTS[text.lower()]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            pass
    return text


def whole(name: str, value: object, at_least: int) -> int:
    """`value` if it is a whole number of at least `at_least`, else a `SpecError` that says so."""
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        raise SpecError(f"{name} must be a whole number of at least {at_least}, not {value!r}")
    return value
