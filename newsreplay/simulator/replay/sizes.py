"""The size of a recommender's state: what it holds on to, not what its process does."""

from __future__ import annotations

import gc
import sys
import types
from collections.abc import Iterable
from typing import Any

import numpy as np

from newsreplay.kernels.compiling import Kernel
from newsreplay.log.rows import Column

#: Not state, and not followed either.
_CODE = (
    type,
    types.ModuleType,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.WrapperDescriptorType,
    types.MethodWrapperType,
    types.CodeType,
    Kernel,
)
#: They lead nowhere, and there are millions of them.
_ATOMS = frozenset({int, float, complex, bool, str, bytes, bytearray, type(None)})
_BATCH = 1 << 10
_WAITING = 1 << 16


def state_bytes(state: object, without: Iterable[object] = ()) -> int:
    """The memory that `state` takes with all that it leads to, each object once.

    Containers, attributes, slots and the arrays that others are views of are followed, however deep. An array
    counts with its buffer if the buffer is its own; one over a file or over foreign memory is not the state's.
    Modules, classes and functions count nothing, nor do the objects `without` and what they alone lead to.

    >>> state_bytes([1000] * 5) == sys.getsizeof([1000] * 5) + sys.getsizeof(1000)
    True
    """
    # By type(): a stranger's object may give another class, or raise.
    seen = {id(thing) for thing in without}
    atoms = _Atoms()
    total = 0
    pending: list[object] = []
    reached = [state]
    while reached or pending:
        atoms.add([thing for thing in reached if type(thing) in _ATOMS])
        for thing in reached:
            if type(thing) not in _ATOMS and id(thing) not in seen and not issubclass(type(thing), _CODE):
                seen.add(id(thing))
                pending.append(thing)
        batch = pending[-_BATCH:]
        del pending[-_BATCH:]
        total += sum(map(_size, batch))
        reached = [thing for owner in batch for thing in _besides(owner)]
        reached += gc.get_referents(*batch)
    return total + atoms.size()


class _Atoms:
    """Numbers and strings, each once; kept as two numbers each, since a state may have tens of millions."""

    def __init__(self) -> None:
        self.known: Column = np.empty((2, 0), np.int64)  # identity, size
        self.fresh: list[Column] = []
        self.waiting: list[object] = []

    def add(self, things: list[object]) -> None:
        self.waiting += things
        if len(self.waiting) < _WAITING:
            return
        self._note()
        if sum(part.shape[1] for part in self.fresh) > self.known.shape[1]:
            self._unite()

    def size(self) -> int:
        self._note()
        self._unite()
        return int(self.known[1].sum())

    def _note(self) -> None:
        count = len(self.waiting)
        identity = np.fromiter(map(id, self.waiting), np.int64, count)
        self.fresh.append(np.stack([identity, np.fromiter(map(sys.getsizeof, self.waiting), np.int64, count)]))
        self.waiting.clear()

    def _unite(self) -> None:
        together = np.hstack([self.known, *self.fresh])
        self.fresh.clear()
        self.known = together[:, np.unique(together[0], return_index=True)[1]]


def _size(thing: Any) -> int:
    """The size of a thing alone."""
    kind = type(thing)
    if isinstance(kind.__sizeof__, types.FunctionType):
        # Written in Python, as pandas does, it counts what the thing leads to; that is counted here already.
        return int(kind.__basicsize__)
    size = sys.getsizeof(thing)
    torch: Any = sys.modules.get("torch")
    if torch is not None and issubclass(kind, torch.Tensor):
        size += thing.element_size() * thing.nelement()
    return size


def _besides(thing: Any) -> list[Any]:
    """What a thing leads to that the garbage collector does not list."""
    parts: list[Any] = []
    if issubclass(type(thing), dict):
        parts += dict.keys(thing)  # listed only if some are no strings
    elif issubclass(type(thing), np.ndarray):
        parts += thing.ravel().tolist() if thing.dtype == object else []
        parts += [] if thing.base is None else [thing.base]
    if type(thing).__dictoffset__:
        try:
            parts.append(thing.__dict__)  # attributes lie in a dict from the first time on that somebody asks for it
        except Exception:  # a stranger's class may hide it
            return parts
    return parts
