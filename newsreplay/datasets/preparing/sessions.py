"""Whose a row is: readers and sessions as interim codes, and what they are called.

The rules are those of docs/design.md, section 3. Interim codes of sessions are the source's own ids; then ids under
which several users occur, split by user; then the sessions of nobody, one for every row with neither user nor
session. Interim codes of readers are users; then sessions that stand for the user; then nobodies.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple  # Any: in kernels

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from newsreplay.arrow import in_one_piece
from newsreplay.kernels.compiling import compiled
from newsreplay.log.publisher import NOBODY
from newsreplay.log.rows import HISTORY, PUBLISH, Column

_NONE, _SEVERAL, _UNNAMED = -1, -2, -3
_USER = 32  # a part is named by its session id << 32 | 1 + its user, 0 = unnamed


class SessionIds(NamedTuple):
    """What all rows of a publisher tell of its session ids, and of rows without any."""

    values: pa.Array  #: large_string, the source's own ids
    users: int  #: how many users the publisher has
    several: Column  #: bool[ids], several users occur under the id
    parts: Column  #: int64, ascending: id << 32 | 1 + user (0 = unnamed) of the ids under which several users occur
    nobody: Column  #: int64[blocks + 1], rows with neither user nor session in the blocks before
    told: bool  #: some row has an id; blocks of several publishers have the ids of all

    @property
    def sessions(self) -> int:
        """How many interim codes of sessions there are."""
        return len(self.values) + len(self.parts) + int(self.nobody[-1])

    @property
    def readers(self) -> int:
        """How many interim codes of readers there are."""
        return self.users + len(self.values) + int(self.nobody[-1])

    def whose(self, number: int, kind: Column, user: Column, session: Column) -> tuple[Column, Column]:
        """Interim codes of the readers and sessions of block `number`, given those of its users and session ids.

        -1 = none: publish rows have neither, reads from before the log no session, and without a session id the
        walk splits the user's rows by time.
        """
        ids, parts = len(self.values), len(self.parts)
        # Without a user, the session stands for the user.
        reader = np.where((user < 0) & (session >= 0), self.users + session, user)
        if parts:
            at = np.flatnonzero(_is_in_session(kind) & (session >= 0) & self.several[session])
            words = session[at].astype(np.int64) << _USER | user[at] + 1
            session = session.copy()
            session[at] = ids + np.searchsorted(self.parts, words)
        first, end = int(self.nobody[number]), int(self.nobody[number + 1])
        if first < end:
            alone = np.flatnonzero(_is_in_session(kind) & (reader < 0))
            session = session.copy()
            reader[alone] = self.users + ids + np.arange(first, end)
            session[alone] = ids + parts + np.arange(first, end)
        return reader, session


def _is_in_session(kind: Column) -> Column:
    """Which rows are in a session, by their kind: bool[n]."""
    inside: Column = (kind != PUBLISH) & (kind != HISTORY)
    return inside


class Rows(NamedTuple):
    """Whose the rows of one block are."""

    number: int  #: of the block
    kind: Column
    user: Column  #: int32, interim codes, -1 = none
    session: Column  #: int32, of the ids, -1 = none


class Owners:
    """Finds out, block by block, which session ids several users share, and how many rows are nobody's."""

    def __init__(self, ids: int):
        # The one user that occurs under an id, `_SEVERAL` of them, `_UNNAMED` if none has a name; `_NONE` without rows.
        self.owner = np.full(ids, _NONE, np.int32)
        self.nobody = [0]

    def look(self, rows: Rows) -> None:
        """Take in the rows of the next block."""
        while len(self.nobody) <= rows.number:  # blocks without rows
            self.nobody.append(self.nobody[-1])
        self.nobody.append(self.nobody[-1] + int(_own(rows.kind, rows.user, rows.session, self.owner)))

    def ids(self, values: pa.Array, users: int, blocks: int, again: Iterator[Rows]) -> SessionIds:
        """What was found of all `blocks`; their rows are looked at `again` only where users share an id."""
        several = self.owner == _SEVERAL
        parts = np.empty(0, np.int64)
        if several.any():
            for _, kind, user, session in again:
                at = np.flatnonzero(_is_in_session(kind) & (session >= 0) & several[session])
                words = np.unique(session[at].astype(np.int64) << _USER | user[at] + 1)
                parts = np.union1d(parts, words)
        nobody = self.nobody + [self.nobody[-1]] * (blocks + 1 - len(self.nobody))
        return SessionIds(values, users, several, parts, np.array(nobody, np.int64), bool((self.owner != _NONE).any()))


@compiled
def _own(kind: Any, user: Any, session: Any, owner: Any) -> int:
    """Note the owners of the session ids; returns how many rows are nobody's."""
    nobody = 0
    for row in range(kind.size):
        if kind[row] == PUBLISH or kind[row] == HISTORY:
            continue
        if session[row] < 0:
            nobody += user[row] < 0
        elif user[row] < 0:
            if owner[session[row]] == _NONE:
                owner[session[row]] = _UNNAMED
        elif owner[session[row]] == _NONE or owner[session[row]] == _UNNAMED:
            owner[session[row]] = user[row]
        elif owner[session[row]] != user[row]:
            owner[session[row]] = _SEVERAL
    return nobody


# --- what they are called ---------------------------------------------------------------------------------


def reader_names(ids: SessionIds, users: pa.Array, reader: Column) -> pa.Array:
    """The ids of readers, in the order of their final codes, given their interim codes."""
    names = pa.chunked_array([users, ids.values], pa.large_string())
    alone = reader >= len(users) + len(ids.values)
    known = in_one_piece(names.take(pa.array(reader, mask=alone)))
    return pc.coalesce(known, _nobodies(alone)) if alone.any() else known


def session_names(ids: SessionIds, users: pa.Array, session: Column, user: Column, ordinal: Column) -> pa.Array:
    """The ids of sessions, in the order of their final codes.

    The source's own ids as they stand, those of an id that several users share as `user:id`; what was split by time
    has its number behind it (`ordinal`, 0 = not split), as a user's visits `user.1`, `user.2`, ….
    """
    own, parts = len(ids.values), len(ids.parts)
    visit, alone = session < 0, session >= own + parts
    base = np.where(visit, own + user, session)
    sharing = np.full(len(session), -1, np.int64)
    parted = (session >= own) & ~alone
    words = ids.parts[session[parted] - own]
    base[parted], sharing[parted] = words >> _USER, (words & 0xFFFFFFFF) - 1
    names = in_one_piece(pa.chunked_array([ids.values, users], pa.large_string()).take(pa.array(base, mask=alone)))
    if parted.any():
        sharer = pc.take(users, pa.array(np.maximum(sharing, 0), mask=sharing < 0))
        names = pc.coalesce(pc.binary_join_element_wise(sharer, names, pa.scalar(":", pa.large_string())), names)
    if alone.any():
        names = pc.coalesce(names, _nobodies(alone))
    split = (ordinal > 0) & ~alone  # nobody has but one row, or those of one impression
    if split.any():
        number = pa.array(ordinal, mask=~split).cast(pa.large_string())
        numbered = pc.binary_join_element_wise(names, number, pa.scalar(".", pa.large_string()))
        names = numbered if split.all() else pc.coalesce(numbered, names)
    return names


def _nobodies(alone: Column) -> pa.Array:
    """`nobody.1`, `nobody.2`, … where `alone`, else null."""
    number = pa.array(np.cumsum(alone), mask=~alone).cast(pa.large_string())
    return pc.binary_join_element_wise(pa.scalar(NOBODY, pa.large_string()), number, pa.scalar(".", pa.large_string()))
