"""The same reads in every form in which they may lie are the same data set, and have the same results."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import newsreplay
from newsreplay.datasets import find_data

START = pd.Timestamp("2020-01-01")


def reads(count: int) -> pd.DataFrame:
    """Reads of some days, in order, with ids of letters and of digits."""
    rng = np.random.default_rng(0)
    time = START + pd.to_timedelta(np.sort(rng.integers(0, 4 * 86_400_000, count)), unit="ms")
    return pd.DataFrame(
        {
            "time": time,
            "publisher": "gazette",
            "user": [f"u{user}" for user in rng.integers(0, count // 8, count)],
            "item": (1000 + (rng.pareto(1.2, count) * 20).astype(np.int64) % 900).astype(str),
            "category": [f"c{category}" for category in rng.integers(0, 9, count)],
        }
    )


def hive(table: pd.DataFrame, folder: Path) -> object:
    days = table.assign(day=table.time.dt.strftime("%Y-%m-%d"))
    ds.write_dataset(
        pa.Table.from_pandas(days, preserve_index=False),
        folder / "reads",
        format="parquet",
        partitioning=ds.partitioning(pa.schema([("day", pa.string())]), flavor="hive"),
        use_threads=False,
    )
    return folder / "reads"


def part_files(table: pd.DataFrame, folder: Path) -> object:
    for number, begin in enumerate(range(0, len(table), len(table) // 3 + 1)):
        part = table.iloc[begin : begin + len(table) // 3 + 1]
        pq.write_table(pa.Table.from_pandas(part, preserve_index=False), folder / f"part-{number:05}.parquet")
    return folder


def text(table: pd.DataFrame, folder: Path) -> object:
    stamps = table.assign(time=table.time.dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    stamps.to_csv(folder / "clicks.csv", index=False, sep=";")
    return folder / "clicks.csv"


def json_lines(table: pd.DataFrame, folder: Path) -> object:
    milliseconds = (table.time - pd.Timestamp(0)) // pd.Timedelta("1ms")
    with (folder / "clicks.jsonl").open("w", encoding="utf-8") as file:
        for record in table.assign(time=milliseconds).to_dict("records"):
            file.write(json.dumps(record) + "\n")
    return folder / "clicks.jsonl"


def polars_frame(table: pd.DataFrame, folder: Path) -> object:
    polars = pytest.importorskip("polars")
    return polars.DataFrame({name: table[name].to_numpy() for name in table.columns})


def duckdb_relation(table: pd.DataFrame, folder: Path) -> object:
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect()
    connection.register("clicks", pa.Table.from_pandas(table, preserve_index=False))
    return connection.sql("select * from clicks order by time")


def pandas_frame(table: pd.DataFrame, folder: Path) -> object:
    return table


FORMS: list[Callable[[pd.DataFrame, Path], Any]] = [
    hive,
    part_files,
    text,
    json_lines,
    pandas_frame,
    polars_frame,
    duckdb_relation,
]


def digest_and_results(data: Any) -> tuple[str, list[object]]:
    dataset = find_data(data)
    (facts,) = dataset.card["publishers"]
    run = newsreplay.run(dataset, "popular,trend", k=3)
    return facts["digest"], [result[1:] for result in run.results]


def compare(form: Callable[[pd.DataFrame, Path], Any], count: int, folder: Path) -> None:
    table = reads(count)
    (folder / "other").mkdir()
    found = digest_and_results(form(table, folder / "other"))
    assert found == digest_and_results(table)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_the_same_reads_are_the_same_data_in_every_form(form: Callable[..., Any], tmp_path: Path) -> None:
    compare(form, 600, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_many_reads_are_the_same_data_in_every_form(form: Callable[..., Any], tmp_path: Path) -> None:
    compare(form, 200_000, tmp_path)
