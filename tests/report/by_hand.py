"""Run folders written out by hand, so that every number of a table is known beforehand."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from newsreplay.api import Run
from newsreplay.log.rows import DAY
from newsreplay.simulator.judgement.intervals import REPLICATES
from newsreplay.simulator.judgement.judge import Outcomes
from newsreplay.simulator.judgement.measures import IMPRESSIONS
from newsreplay.simulator.judgement.rankings import Ranked
from newsreplay.simulator.judgement.scoring import Judgement
from newsreplay.simulator.runs.columns import write_judgement
from newsreplay.simulator.runs.files import write_columns
from newsreplay.simulator.runs.options import Options
from newsreplay.simulator.runs.paths import PairFiles, pair_files, publisher_files
from newsreplay.simulator.runs.records import FORMAT
from newsreplay.simulator.runs.write import write_replicates
from tests.sealed import sealed

Cell = tuple[float, float] | Mapping[str, float | None] | str | None
Values = Mapping[str, Mapping[str, Cell]]
"""Recommender → publisher → (E@1, P@1), values by metric, the error of a failed one, or None = nothing was scored."""

SUCCESS = ("event_success@1", "session_success@1")
MONDAY = 1_573_430_400_000  #: 2019-11-11 00:00 UTC

HOSTILE = "x|y & 5% of_$#{}~^\\ \x1b[31mred\x07 \r\n<b>\u202e'\"`,; \ud800" + "z" * 5000


def run_of(
    folder: Path,
    values: Values,
    *,
    replicates: Mapping[tuple[str, str, str], Any] | None = None,
    foresees: Sequence[str] = (),
    told: Mapping[str, Mapping[str, Any]] | None = None,
    timing: Mapping[str, Mapping[str, Any]] | None = None,
    options: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
    digests: Mapping[str, str] | None = None,
    command: str | None = None,
    n: int = 4,
    **data: Any,
) -> Run:
    """A finished run with these values.

    `replicates` are by (publisher, recommender, metric); a metric without has its value in every one of them.
    `told` is what run.json tells of each recommender besides, `timing` what timing.json does; `facts` are of every
    publisher, `data` of the data; each value is one of `n` sessions or impressions.
    """
    folder.mkdir(parents=True)
    publishers = list(dict.fromkeys(publisher for mine in values.values() for publisher in mine))
    results: list[dict[str, Any]] = []
    pairs: list[dict[str, Any]] = []
    timings: list[dict[str, Any]] = []
    for publisher in publishers:
        drawn = []
        for name, mine in values.items():
            if publisher not in mine:
                continue
            cell = mine[publisher]
            pair = {"publisher": publisher, "recommender": name, "status": "done"} | dict((told or {}).get(name, {}))
            pairs.append(pair | {"foresight": "oracle"} if name in foresees else pair)
            if isinstance(cell, str):
                pairs[-1] = pair | {"status": "failed", "error": cell, "errors": ""}
                continue
            spent = {"seconds": 0.5, "events_per_second": 2000, "state_bytes": 4096} | dict(
                (timing or {}).get(name, {})
            )
            timings.append({"publisher": publisher, "recommender": name} | spent)
            by_metric = (
                dict(cell) if isinstance(cell, Mapping) else dict(zip(SUCCESS, cell or (None, None), strict=True))
            )
            rows = []
            for metric, value in by_metric.items():
                constant = np.full(REPLICATES, np.nan if value is None else value)
                row = np.asarray((replicates or {}).get((publisher, name, metric), constant), np.float64)
                rows.append(row)
                low, high = (None, None) if value is None else np.percentile(row, [2.5, 97.5]).tolist()
                result = {"publisher": publisher, "recommender": name, "metric": metric, "value": value}
                results.append(result | {"low": low, "high": high, "n": 0 if value is None else n})
            ranked = any(by_metric.get(metric) is not None for metric in IMPRESSIONS)
            _outcomes(pair_files(folder, publisher, name), np.array(rows), ranked=ranked)
            if ranked:
                rankings = pair_files(folder, publisher, name).rankings
                pairs[-1]["rankings"] = rankings.relative_to(folder).as_posix()
                _impressions(publisher_files(folder, publisher).scored_impressions)
            drawn += rows
        done = sum(pair["publisher"] == publisher and pair["status"] == "done" for pair in pairs)
        table = np.array(drawn).reshape(done, -1, REPLICATES) if done else np.empty((0, 0, REPLICATES))
        write_replicates(publisher_files(folder, publisher).replicates, table)
        _frame(publisher_files(folder, publisher).frame)
    card = {"name": "gazette", "kind": "table", "made_up": [], "leaks": [], "notes": [], "rejected": 0, "rows_in": 5000}
    info = {
        "format": FORMAT,
        "newsreplay": "1.0",
        "python": "3.11.7",
        "packages": {"numpy": "2.0.0"},
        "platform": "Linux",
        "command": command,
        "data": card
        | {"digest": "d", "source": "gazette.csv", "licence": "", "folder": "/nowhere", "options": {}}
        | data,
        "options": {**Options().flat()} | dict(options or {}),
        "rescored": {},
        "recommenders": list(values),
        "objects": [],
        "publishers": [_facts(name, (digests or {}).get(name, "0")) | dict(facts or {}) for name in publishers],
        "pairs": pairs,
    }
    for name, value in (("results", results), ("timing", {"seconds": 1.25, "pairs": timings}), ("run", info)):
        (folder / f"{name}.json").write_text(json.dumps(value), "utf-8")
    return Run(sealed(folder))


def _facts(publisher: str, digest: str) -> dict[str, Any]:
    return {
        "publisher": publisher,
        "rows": 1000,
        "reads": 900,
        "sessions": 1234,
        "articles": 50,
        "first": MONDAY,
        "last": MONDAY + DAY,
        "digest": digest,
        "scored_sessions": 400,
        "sessions_of_one_instant": 0,
        "scored_reads": 410,
        "reads_at_one_time": 0,
        "later_reads": 10,
        "reachable_reads": 7,
        "impressions": 0,
        "scored_impressions": 0,
        "impressions_without_outcome": 0,
        "impressions_of_one_class": 0,
        "resampled": "session",
        "impressions_resampled": "session",
        "clusters": 400,
        "impression_clusters": 400,
        "hits": 8,
        "hits_of_longest": 2,
    }


SESSIONS = 100  #: of two reads each, in clusters of their own


def _frame(path: Path) -> None:
    """A frame of so many sessions, whose reads are all alike."""
    kinds = {name: pa.int64() for name in ("row", "time", "cluster", "age")}
    kinds |= {name: pa.int32() for name in ("session", "position", "relevant")}
    kinds |= {name: pa.bool_() for name in ("reachable", "again", "returning")}
    columns = {name: pa.array(np.zeros(2 * SESSIONS)).cast(kind) for name, kind in kinds.items()}
    number = pa.array(np.arange(2 * SESSIONS) // 2)
    columns |= {"session": number.cast(pa.int32()), "relevant": pa.array([1, 0] * SESSIONS, pa.int32())}
    columns |= {"position": pa.array([1, 2] * SESSIONS, pa.int32())}
    columns |= {"cluster": number, "category": pa.nulls(2 * SESSIONS, pa.dictionary(pa.int32(), pa.string()))}
    write_columns(path, columns)


def _impressions(path: Path) -> None:
    """An impression in each of these sessions."""
    kinds = {"row": pa.int64(), "time": pa.int64(), "cluster": pa.int64(), "session": pa.int32()}
    kinds |= {"returning": pa.bool_(), "candidates": pa.int32()}
    columns = {name: pa.array(np.zeros(SESSIONS)).cast(kind) for name, kind in kinds.items()}
    own = np.arange(SESSIONS)
    write_columns(path, columns | {"cluster": pa.array(own), "session": pa.array(own.astype(np.int32))})


def _outcomes(files: PairFiles, drawn: Any, *, ranked: bool) -> None:
    """Hits in half of the sessions, and clicks ranked first: in the same ones where the replicates are the same."""
    hit = np.random.default_rng(zlib.crc32(drawn.tobytes())).random(SESSIONS) < 0.5
    place = np.zeros((SESSIONS, 2), np.int16)
    place[:, 1] = hit
    relevant = np.zeros((2 * SESSIONS, 2), np.uint8)
    relevant[::2, 0] = hit
    outcomes = Outcomes(place.ravel(), relevant)
    rankings = Ranked(np.column_stack([hit] * len(IMPRESSIONS)).astype(float)) if ranked else None
    write_judgement(files, Judgement(outcomes, rankings, None))  # type: ignore[arg-type]


def spread(value: float, width: float, seed: int) -> Any:
    """Replicates about a value, float64[replicates]."""
    return value + width * np.random.default_rng(seed).standard_normal(REPLICATES)


def rows_of(board: str) -> dict[str, list[str]]:
    """The cells of a terminal's table by row, cut where its rule says that columns begin and end."""
    lines = board.split("\n\n")[0].splitlines()
    (rule,) = [number for number, line in enumerate(lines) if set(line) == {"-", " "}]
    spans, begin = [], 0
    for piece in lines[rule].split("  "):
        spans.append(slice(begin, begin + len(piece)))
        begin += len(piece) + 2
    cells = [[line.ljust(begin)[span].strip() for span in spans] for line in lines[rule + 1 :]]
    return {first: rest for first, *rest in cells}
