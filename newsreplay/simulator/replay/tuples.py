"""NamedTuples of arrays and numbers as arrays by name, and back: what is kept of states and sums in files.

Nothing is pickled, so a file that somebody has changed can hold wrong numbers, and no more than that.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from itertools import combinations
from typing import Any, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from newsreplay.log.rows import Column

T = TypeVar("T")

Data: TypeAlias = Any  #: plain data, as JSON and arrays hold it

_NUMBERS = (bool, int, float, np.generic)


class KeepingError(Exception):
    """A state that cannot be kept in a file, in words."""


def flat(value: object, name: str = "") -> dict[str, Column]:
    """The arrays and numbers that a NamedTuple leads to, by their dotted names; those that are None are left out.

    >>> flat((np.arange(2), (3, None))).keys()
    dict_keys(['0', '1.0'])

    Raises `KeepingError` for anything else, and for two arrays that share memory, which would no longer do so.
    """
    arrays = dict(_flat(value, name))
    for (one, left), (other, right) in combinations(arrays.items(), 2):
        if left.nbytes and right.nbytes and np.may_share_memory(left, right):
            raise KeepingError(f"{one} and {other} share memory")
    return arrays


def _flat(value: object, name: str) -> list[tuple[str, Column]]:
    if value is None:
        return []
    if isinstance(value, tuple):
        fields = getattr(value, "_fields", range(len(value)))
        below = [_flat(one, f"{name}.{field}".lstrip(".")) for field, one in zip(fields, value, strict=True)]
        return [pair for pairs in below for pair in pairs]
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return [(name, value)]
    if isinstance(value, _NUMBERS):
        return [(name, np.asarray(value))]
    raise KeepingError(f"{name or 'it'} is a {type(value).__name__}")


def refilled(like: T, arrays: Mapping[str, Column], name: str = "") -> T:
    """A NamedTuple of the same make with what `flat` kept of another one. Raises `KeyError` where something is missing.

    Arrays are of the lengths that they had; whatever of `like` must not be written to must not be either.
    """
    if isinstance(like, tuple):
        fields = getattr(like, "_fields", range(len(like)))
        parts = [refilled(one, arrays, f"{name}.{field}".lstrip(".")) for field, one in zip(fields, like, strict=True)]
        make: Data = type(like)
        return make(*parts) if hasattr(like, "_fields") else make(parts)  # type: ignore[no-any-return]
    if isinstance(like, np.ndarray):
        array: Data = arrays[name]
        array.flags.writeable = like.flags.writeable
        return array  # type: ignore[no-any-return]
    make = type(like)
    return like if like is None else make(arrays[name][()])


def with_places(
    kept: Mapping[str, Column], small: Mapping[str, Column], large: Mapping[str, Column]
) -> dict[str, Column]:
    """Arrays that `flat` kept, those with the places of `large` that began with the fewer ones of `small`.

    `small` and `large` are of the same NamedTuple, empty, at both sizes. What has a place more of an array is as it is
    in `large`; arrays that begin alike at both sizes stay as they were kept.

    >>> small, large = {"reads": np.zeros(2), "ring": np.zeros(1)}, {"reads": np.zeros(3), "ring": np.zeros(1)}
    >>> with_places({"reads": np.array([4.0, 5.0]), "ring": np.ones(2)}, small, large)
    {'reads': array([4., 5., 0.]), 'ring': array([1., 1.])}
    """
    arrays = dict(kept)
    for name, array in large.items():
        if array.shape != small[name].shape:
            arrays[name] = array.copy()
            arrays[name][: len(kept[name])] = kept[name]
    return arrays


def made_of(kind: type[T], arrays: Mapping[str, Column], name: str = "") -> T:
    """A NamedTuple from what `flat` kept of one, by the types of its fields. Raises `KeyError` where one is missing."""
    values: dict[str, Data] = {}
    for field, hint in get_type_hints(kind).items():
        path = f"{name}.{field}".lstrip(".")
        if get_origin(hint) in (Union, types.UnionType):  # or None
            hint = next(one for one in get_args(hint) if one is not type(None))
            if not any(known == path or known.startswith(f"{path}.") for known in arrays):
                values[field] = None
                continue
        if isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields"):
            values[field] = made_of(hint, arrays, path)
        elif get_origin(hint) is tuple:
            values[field] = tuple(arrays[f"{path}.{n}"].item() for n in range(len(get_args(hint))))
        else:
            values[field] = arrays[path].item() if hint in (bool, int, float) else arrays[path]
    return kind(**values)
