"""A chain of articles from first to last, any of which moves in constant time."""

from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import kernel
from newsreplay.log.rows import Column


class Chain(NamedTuple):
    """A doubly linked list over article codes."""

    after: Column  #: int32[articles], the next article, -1 = last
    before: Column  #: int32[articles], the one before, -1 = first
    first: Column  #: int32[1], the first article, -1 = empty


def chain(articles: int) -> Chain:
    """An empty chain."""
    return Chain(np.full(articles, -1, np.int32), np.full(articles, -1, np.int32), np.full(1, -1, np.int32))


@kernel
def put_before(chain: Any, item: int, other: int) -> None:
    """Insert `item` before `other`; before -1 means at the end of an empty chain."""
    ahead = np.int32(-1)
    if other >= 0:
        ahead = chain.before[other]
        chain.before[other] = item
    chain.before[item] = ahead
    chain.after[item] = other
    if ahead >= 0:
        chain.after[ahead] = item
    else:
        chain.first[0] = item


@kernel
def take_out(chain: Any, item: int) -> None:
    """Remove `item`, which must be in the chain."""
    ahead, behind = chain.before[item], chain.after[item]
    if ahead >= 0:
        chain.after[ahead] = behind
    else:
        chain.first[0] = behind
    if behind >= 0:
        chain.before[behind] = ahead
