"""Slates and scores as files of other formats: Parquet, CSV, lines of JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from newsreplay.simulator.runs.answers import with_ids
from newsreplay.simulator.runs.files import BATCH, written

ROW_GROUP = 1 << 20  #: rows of a Parquet file that lie together


def export_table(table: pa.Table, path: Path, to: str) -> None:
    """Write a table of slates or scores as one of `FORMATS`. Raises `RunError` if it cannot be written."""
    with written(path) as work:
        FORMATS[to](table, work)


def _parquet(table: pa.Table, path: Path) -> None:
    import pyarrow.parquet as pq

    schema = with_ids(table.slice(0, 0)).schema
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1, store_schema=False) as writer:
        for begin in range(0, len(table), ROW_GROUP):
            writer.write_table(with_ids(table.slice(begin, ROW_GROUP)))


def _csv(table: pa.Table, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table.column_names)
        for row in _rows(table):
            writer.writerow([json.dumps(value) if isinstance(value, list | bool) else value for value in row.values()])


def _json(table: pa.Table, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in _rows(table):
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


#: What writes each format. In CSV a list is one cell of JSON; JSON has a row in each line.
FORMATS: dict[str, Callable[[pa.Table, Path], None]] = {"parquet": _parquet, "csv": _csv, "json": _json}


def _rows(table: pa.Table) -> Iterator[dict[str, object]]:
    """Rows as JSON can have them: times in ISO 8601, null for the score of what was not ranked at all."""
    for begin in range(0, len(table), BATCH):
        for row in table.slice(begin, BATCH).to_pylist():
            yield {name: _plain(value) for name, value in row.items()}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, list):
        return [None if entry == -float("inf") else entry for entry in value]
    return value
