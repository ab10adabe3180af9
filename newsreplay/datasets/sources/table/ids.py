"""Ids that are not what they seem: whole numbers that became floats, numbers cut to six digits, words for nothing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from newsreplay.arrow import to_numpy
from newsreplay.datasets.reading.words import bytes_of, first_bytes, holds
from newsreplay.log.rows import Column

IDS = ("user", "session", "item")
_WHOLE_FLOAT = r"^(-?[1-9][0-9]*|0)\.0$"  # never an id with a leading zero
_SCIENTIFIC = r"^-?[0-9](\.[0-9]+)?[eE]\+[0-9]+$"  # as spreadsheets and C write it; 5e12 may be an id
NOTHING = ("nan", "NaN", "NAN", "null", "NULL", "Null", "None", "none", "<NA>", "N/A", "NA", "undefined")
_BEGINS_NOTHING = np.isin(np.arange(256), [ord(word[0]) for word in NOTHING])  # by first byte
SCIENTIFIC, FLOATS = "scientific", "floats"  #: what odd ids are counted under, besides the words for nothing


class CodedWords(NamedTuple):
    """A column of text."""

    codes: Column  #: int32, -1 = empty
    words: pa.StringArray  #: by code
    damaged: Column  #: bool per word


def odd_ids(column: CodedWords) -> dict[str, int]:
    """How many rows have an id in scientific notation, and how many one of each word that may mean nothing."""
    if not len(column.words):
        return {}
    found: dict[str, int] = {}
    for code, word in _odd_words(column.words):
        rows = int((column.codes == code).sum())
        found[word] = found.get(word, 0) + rows
    return {word: rows for word, rows in found.items() if rows}


def _odd_words(words: pa.StringArray) -> list[tuple[int, str]]:
    may_be = np.flatnonzero(_BEGINS_NOTHING[first_bytes(words)])
    nothing = may_be[to_numpy(pc.is_in(words.take(pa.array(may_be)), pa.array(NOTHING)))]
    odd = [(code, str(words[code])) for code in nothing.tolist()]
    if holds(bytes_of(words), b"+"):  # the pattern is dear, and hardly any column has one
        cut = to_numpy(pc.match_substring_regex(words, _SCIENTIFIC), False)
        odd += [(code, SCIENTIFIC) for code in np.flatnonzero(cut).tolist()]
    return odd


def are_whole_floats(column: pa.ChunkedArray) -> bool:
    """Whether all values, empty ones aside, are written like 1000.0."""
    for chunk in column.chunks:
        words = chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk
        if words.type not in (pa.string(), pa.large_string()):
            return False
        words = words.drop_null()
        fits = pc.or_(pc.match_substring_regex(words, _WHOLE_FLOAT), pc.equal(pc.utf8_trim_whitespace(words), ""))
        if pc.all(fits).as_py() is False:
            return False
    return True


def as_whole_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of whole floats as whole numbers, which different ids stay."""
    column = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    chunks = [
        pa.DictionaryArray.from_arrays(
            chunk.indices, pc.replace_substring_regex(chunk.dictionary, r"\.0$", "").cast(pa.string())
        )
        for chunk in column.chunks
    ]
    return pa.chunked_array(chunks, pa.dictionary(column.type.index_type, pa.string()))
