"""Answers as runs of TREC and what was relevant as qrels, for trec_eval, ir_measures and their like.

A topic is a row of the log. Slates are ranked by place, candidates of impressions by score.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from newsreplay.arrow import in_one_piece, to_numpy
from newsreplay.errors import RunError
from newsreplay.log.rows import Asks, Column, Excludes
from newsreplay.simulator.runs.columns import ScoredRequests
from newsreplay.simulator.runs.files import BATCH, written

_BLANK = re.compile(r"\s")


def write_slates_run(table: pa.Table, path: Path, name: str) -> None:
    """Write slates (row, slate) as a run: the first place of n scores n, the last one 1. Raises `RunError`."""
    _check_ids(table.column("slate"), path)

    def lines() -> Iterator[str]:
        tag = _tag(name)
        for row, slate in _rows(table, "row", "slate"):
            for place, item in enumerate(slate):
                yield f"{row} Q0 {item} {place + 1} {len(slate) - place} {tag}\n"

    _write(lines(), path)


def write_scores_run(table: pa.Table, path: Path, name: str) -> None:
    """Write scores (row, candidates, scores) as a run, candidates of equal score as the source lists them.

    One that is not ranked scores -inf; one that is listed twice stands once, with its highest score. Raises `RunError`.
    """
    _check_ids(table.column("candidates"), path)

    def lines() -> Iterator[str]:
        tag = _tag(name)
        for row, candidates, scores in _rows(table, "row", "candidates", "scores"):
            best: dict[str, float] = {}
            for item, score in sorted(zip(candidates, scores, strict=True), key=lambda pair: -pair[1]):
                best.setdefault(item, score)
            for place, (item, score) in enumerate(best.items(), 1):
                yield f"{row} Q0 {item} {place} {score!r} {tag}\n"

    _write(lines(), path)


def write_slates_qrels(
    asking: pa.Table, asked: ScoredRequests, path: Path, asks: Asks = "reads", exclude: Excludes = "current"
) -> None:
    """Write which articles are relevant to each scored request, which is none of those with nothing relevant.

    `asking` has all that asked for slates: reads with row and item, or impressions with row, item, candidates and
    clicked. Raises `RunError`, also for impressions that exclude what the session has read: a run folder does not say
    what that was.
    """
    if asks == "impressions" and exclude == "session":
        raise RunError(
            f"{path}: what is relevant to impressions that exclude what the session has read is not kept; export to "
            "parquet, csv or json"
        )
    place = np.searchsorted(to_numpy(asking.column("row")), asked.row)
    if asks == "reads":
        coded = in_one_piece(asking.column("item"))
        found = _read_later(asked, to_numpy(coded)[place], exclude)
    else:
        coded = in_one_piece(in_one_piece(asking.column("candidates")).flatten())
        found = _clicked(asked, asking, place, exclude)
    ids = coded.dictionary.to_pylist()

    def lines() -> Iterator[str]:
        for number, items in found:
            if len(items) != asked.relevant[number]:
                raise RunError(f"{path}: row {asked.row[number]} does not fit what was scored; run it again")
            for item in items:
                yield f"{asked.row[number]} 0 {ids[item]} 1\n"

    _check_texts(coded.dictionary, path)
    _write(lines(), path)


def write_scores_qrels(impressions: pa.Table, scored: Column, path: Path) -> None:
    """Write which candidates of the scored impressions (their log rows, int64[n]) were clicked. Raises `RunError`."""
    _check_ids(impressions.column("candidates"), path)
    chosen = impressions.take(pa.array(np.searchsorted(to_numpy(impressions.column("row")), scored)))

    def lines() -> Iterator[str]:
        for row, candidates, clicked in _rows(chosen, "row", "candidates", "clicked"):
            told: dict[str, bool] = {}
            for item, click in zip(candidates, clicked, strict=True):
                told[item] = told.get(item, False) or click
            yield from (f"{row} 0 {item} {int(click)}\n" for item, click in told.items())

    _write(lines(), path)


def _read_later(asked: ScoredRequests, item: Column, exclude: Excludes) -> Iterator[tuple[int, list[int]]]:
    """For each request that is a read the distinct articles that its session reads later and it does not exclude."""
    end = 0
    for _, session in groupby(asked.session.tolist()):
        begin, end = end, end + len(list(session))
        read, times = item[begin:end].tolist(), asked.time[begin:end].tolist()
        last = {code: place for place, code in enumerate(read)}
        begun: set[int] = set()  # read by now
        for place, code in enumerate(read):
            begun.add(code)
            left_out = {"current": {code}, "session": begun, "nothing": set()}[exclude]
            later = [other for other, at in last.items() if times[at] > times[place] and other not in left_out]
            yield begin + place, later


def _clicked(
    asked: ScoredRequests, impressions: pa.Table, place: Column, exclude: Excludes
) -> Iterator[tuple[int, list[int]]]:
    """For each request that is an impression the clicked articles that were known before it, and not on screen.

    Codes are given by first appearance, so those that were not known are the highest ones.
    """
    candidates = in_one_piece(impressions.column("candidates"))
    at = to_numpy(candidates.offsets)
    code = to_numpy(candidates.values)
    clicked = to_numpy(in_one_piece(in_one_piece(impressions.column("clicked")).flatten()))
    on_screen = to_numpy(in_one_piece(impressions.column("item")), missing=-1)
    for number, impression in enumerate(place.tolist()):
        stretch = slice(at[impression], at[impression + 1])
        codes = set(code[stretch][clicked[stretch]].tolist())
        if exclude == "current":
            codes.discard(int(on_screen[impression]))
        yield number, sorted(codes)[: asked.relevant[number]]


def _rows(table: pa.Table, *names: str) -> Iterator[tuple[Any, ...]]:
    for begin in range(0, len(table), BATCH):
        part = table.slice(begin, BATCH)
        yield from zip(*(part.column(name).to_pylist() for name in names), strict=True)


def _tag(name: str) -> str:
    return _BLANK.sub("", name) or "newsreplay"


def _check_ids(lists: pa.ChunkedArray, path: Path) -> None:
    for chunk in lists.chunks:
        _check_texts(chunk.values.dictionary, path)


def _check_texts(ids: pa.Array, path: Path) -> None:
    for text in ids.to_pylist():
        if not text or _BLANK.search(text):
            raise RunError(
                f"{path}: the id {text!r} is empty or has blanks, which TREC's files cannot hold; use --to csv"
            )


def _write(lines: Iterable[str], path: Path) -> None:
    with written(path) as work, work.open("w", encoding="utf-8", newline="") as file:
        file.writelines(lines)
