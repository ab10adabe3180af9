"""What a recommender's `state_dict` returns, as JSON and arrays; nothing is pickled.

None, numbers, texts, lists, tuples, dicts and NumPy arrays, one within the other. Their types must be these themselves:
of a class of somebody's own, nothing tells what it needs besides.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from newsreplay.log.rows import Column
from newsreplay.simulator.replay.tuples import Data, KeepingError


def packed(value: object, arrays: dict[str, Column], path: str = "state_dict()") -> Data:
    """A value as JSON has it; its arrays go into `arrays`, and their names into the JSON.

    >>> arrays = {}
    >>> packed({3: [1, 2.5], "seen": np.arange(2)}, arrays)
    {'dict': [[3, [1, 2.5]], ['seen', {'array': '0'}]]}

    Raises `KeepingError` for anything else, which names it.
    """
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    if kind is np.ndarray or isinstance(value, np.generic):
        array: Data = np.asarray(value)
        if array.dtype.hasobject:
            raise KeepingError(f"{path} is an array of objects; make it one of numbers")
        arrays[name := str(len(arrays))] = array
        return {"array" if kind is np.ndarray else "scalar": name}
    if kind is list or kind is tuple:
        several: Data = value
        parts = [packed(one, arrays, f"{path}[{place}]") for place, one in enumerate(several)]
        return parts if kind is list else {"tuple": parts}
    if kind is dict:
        mapping: Data = value
        return {
            "dict": [
                [packed(key, arrays, f"a key of {path}"), packed(one, arrays, f"{path}[{key!r}]")]
                for key, one in mapping.items()
            ]
        }
    raise KeepingError(f"{path} is a {kind.__name__}; make it of numbers, texts, lists, tuples, dicts and NumPy arrays")


def unpacked(value: Data, arrays: Mapping[str, Column]) -> Data:
    """What `packed` was given."""
    if isinstance(value, list):
        return [unpacked(one, arrays) for one in value]
    if not isinstance(value, dict):
        return value
    [(kind, inner)] = value.items()
    if kind == "dict":
        return {unpacked(key, arrays): unpacked(one, arrays) for key, one in inner}
    if kind == "tuple":
        return tuple(unpacked(one, arrays) for one in inner)
    return arrays[inner] if kind == "array" else arrays[inner][()]
