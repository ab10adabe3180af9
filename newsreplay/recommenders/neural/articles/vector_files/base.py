"""What every reader of vectors yields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

BLOCK = 1 << 24  #: bytes read at a time, about
LONGEST = 1 << 20  #: bytes of a row; what has longer ones is no such file


class VectorBlock(NamedTuple):
    """Some rows of a file, in its order."""

    names: list[bytes]  #: words or ids, UTF-8
    vectors: npt.NDArray[np.float32]  #: [names, width], finite; the width is the same in all blocks
    skipped: int  #: rows left out: without a name or without `width` finite numbers
    fault: str | None  #: what the first row left out, or in doubt, has wrong: "line 7 …"


def block_of(
    names: Sequence[bytes | None],
    vectors: npt.NDArray[np.float32],
    fault: Callable[[int], str],
    doubtful: Sequence[int] = (),
) -> VectorBlock:
    """The rows that have a name and finite numbers.

    `fault` says what is wrong with the row at a place; `doubtful` are places of rows that are kept all the same.
    """
    good = np.isfinite(vectors).all(axis=1) & np.fromiter(map(bool, names), bool, len(names))
    kept = [name for name, whether in zip(names, good.tolist(), strict=True) if name and whether]
    wrong = [*np.flatnonzero(~good)[:1].tolist(), *doubtful[:1]]
    return VectorBlock(kept, vectors[good], len(names) - len(kept), fault(min(wrong)) if wrong else None)


def fault_of(name: bytes | None, vector: npt.NDArray[np.float32]) -> str:
    """What a row without a name, or with numbers that are not finite, has wrong."""
    if not name:
        return "has no id"
    place = int(np.flatnonzero(~np.isfinite(vector))[0])
    return f"is no vector: number {place + 1} of {shown(name)} is {vector[place]}"


def shown(text: bytes) -> str:
    """The beginning of a text, as messages have it."""
    return repr(text[:60].decode(errors="replace").strip())
