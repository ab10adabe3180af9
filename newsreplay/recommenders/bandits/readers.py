"""What readers and sessions read, by category: the share of a category in a reader's reads, and what is in view."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels import hashing
from newsreplay.kernels.compiling import int64, kernel
from newsreplay.kernels.hashing import HashTable, add, find
from newsreplay.kernels.mixing import mix
from newsreplay.log.rows import READ, Column
from newsreplay.recommenders.base import Sizes

#: How often a reader read a category.
TASTE = np.dtype([("key", np.uint64), ("reads", np.int64)])


class Readers(NamedTuple):
    """Reads so far; one counts under the category that its article was known to have then."""

    category: Column  #: int32[articles], -1 = none yet
    latest: Column  #: int32[sessions], 1 + the article a session read last; 0 = none yet
    position: Column  #: int32[sessions], reads
    reads: Column  #: int64[users]
    tastes: HashTable  #: `TASTE` by (reader, category)


def readers(sizes: Sizes) -> Readers:
    """No reads yet."""
    return Readers(
        np.full(sizes.articles, -1, np.int32),
        np.zeros(sizes.sessions, np.int32),
        np.zeros(sizes.sessions, np.int32),
        np.zeros(sizes.users, np.int64),
        hashing.table(TASTE),
    )


def room(readers: Readers, reads: int) -> Readers:
    """The same with room for `reads` more reads."""
    return readers._replace(tastes=hashing.room(readers.tastes, reads))


@kernel
def note_category(readers: Any, event: Any) -> None:
    """Take in the category of a row's article, before all else."""
    if event.item >= 0 and event.category >= 0:
        readers.category[event.item] = event.category


@kernel
def note_read(readers: Any, event: Any) -> None:
    """Take in a read; one from before the log is in no session."""
    if event.kind < READ:
        return
    if event.session >= 0:
        readers.latest[event.session] = event.item + 1
        readers.position[event.session] += 1
    readers.reads[event.user] += 1
    category = int64(readers.category[event.item])
    if category >= 0:
        key = _key(event.user, category)
        at = find(readers.tastes, key)
        if readers.tastes.record[at]["key"] != key:
            add(readers.tastes, at, key)
        readers.tastes.record[at]["reads"] += 1


@kernel
def taste_of(readers: Any, user: int, category: int) -> float:
    """The share of a category in a reader's reads, 0 before the first; the category must be known."""
    if readers.reads[user] == 0:
        return 0.0
    return float(readers.tastes.record[find(readers.tastes, _key(user, category))]["reads"] / readers.reads[user])


@kernel
def last_category(readers: Any, event: Any) -> int:
    """The category of the session's last read; -1 = none."""
    last = int64(readers.latest[event.session]) - 1 if event.session >= 0 else int64(-1)
    return int64(readers.category[last]) if last >= 0 else int64(-1)


@kernel
def category_in_view(readers: Any, event: Any) -> int:
    """The category of the article on screen, or of the session's last read if there is none; -1 = none."""
    return int64(event.category) if event.item >= 0 else last_category(readers, event)


@kernel
def _key(user: int, category: int) -> np.uint64:
    return mix((np.uint64(user) << np.uint64(32)) | np.uint64(category + 1))
