"""How fast `newsreplay.datasets.sources.mind.plan` reads, against the bare parsers of libraries, on a file made here.

    python benchmarks/parsers_mind.py [--megabytes 100] [--repeats 3]

Columns of text is the least a library can do: five strings per line. Lists of ids is what a reader needs:
histories and candidates split at spaces, labels apart, times as numbers. Libraries that are not installed are left
out. Jobs take turns; figures are medians of the repeats. Processor time tells more where a machine is shared.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

os.environ.setdefault("POLARS_MAX_THREADS", "2")  # read when polars is imported
CELLS = ("impression", "user", "time", "history", "candidates")
FORMAT = "%m/%d/%Y %I:%M:%S %p"
NEWS = "\t".join(["N{}", "news", "newsworld", 'A title of "some" length', "{}", "https://example.org/{}", "[]", "{}"])
ENTITIES = '[{"Label": "A place", "Type": "G", "WikidataId": "Q1", "Confidence": 1.0, "OccurrenceOffsets": [49]}]'


def make(folder: Path, megabytes: int) -> tuple[int, int]:
    """Lines as in the large size: some 32 articles in a history, 37 candidates; returns lines and news lines."""
    dice = np.random.default_rng(5)
    lines = news = 0
    with (folder / "behaviors.tsv").open("w", encoding="utf-8") as file:
        while file.tell() < megabytes << 20:
            batch = []
            for _ in range(5_000):
                history = " ".join(f"N{n}" for n in (130_000 * dice.random(dice.poisson(32)) ** 3).astype(int) + 1)
                shown = (130_000 * dice.random(1 + dice.poisson(36)) ** 3).astype(int) + 1
                pool = " ".join(f"N{n}-{int(i == 0)}" for i, n in enumerate(shown))
                second, user = dice.integers(86_400), dice.integers(900_000) + 1
                hour, half = second // 3600, "AM" if second < 43_200 else "PM"
                clock = f"{(hour - 1) % 12 + 1}:{second // 60 % 60:02}:{second % 60:02} {half}"
                batch.append(f"{lines}\tU{user}\t11/{dice.integers(9, 15)}/2019 {clock}\t{history}\t{pool}\n")
                lines += 1
            file.writelines(batch)
    with (folder / "news.tsv").open("w", encoding="utf-8") as file:
        while file.tell() < megabytes << 18:
            news += 1
            file.write(NEWS.format(news, "An abstract. " * 20, news, ENTITIES) + "\n")
    return lines, news


def ours(path: Path, role: str, threads: int) -> None:
    from newsreplay.datasets.reading.sizes import SIZES, Sizes
    from newsreplay.datasets.sources.mind.plan import plan_mind

    several = Sizes(stretch=(path / "behaviors.tsv").stat().st_size // (8 * threads) + 1)
    plan = plan_mind(path, sizes=several if threads > 1 else SIZES)
    todo = [part for part in plan.parts if part.role == role]
    with ThreadPoolExecutor(threads) as pool:
        for kept in pool.map(lambda part: sum(block.kept for block in plan.read(part)), todo):
            assert kept


def with_pyarrow(file: Path, names: tuple[str, ...], threads: int) -> None:
    import pyarrow as pa
    from pyarrow import csv

    csv.read_csv(
        file,
        csv.ReadOptions(use_threads=threads > 1, column_names=names),
        csv.ParseOptions(delimiter="\t", quote_char=False),
        csv.ConvertOptions(column_types={name: pa.string() for name in names}),
    )


def with_polars(file: Path, names: tuple[str, ...], lists: bool) -> None:
    import polars as pl

    frame = pl.scan_csv(file, separator="\t", has_header=False, quote_char=None, schema=dict.fromkeys(names, pl.String))
    if lists:
        candidates = pl.col("candidates").str.split(" ")
        frame = frame.select(
            pl.col("user").cast(pl.Categorical),
            pl.col("time").str.to_datetime(FORMAT),
            pl.col("history").str.split(" "),
            candidates.list.eval(pl.element().str.head(-2)).alias("pool"),
            candidates.list.eval(pl.element().str.ends_with("1")).alias("clicked"),
        )
    frame.collect()


def with_duckdb(file: Path, threads: int) -> None:
    import duckdb

    base = duckdb.connect(config={"threads": threads})
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in CELLS)
    table = f"read_csv('{file}', delim='\t', quote='', escape='', header=false, columns={{{columns}}})"
    wanted = (
        f"user, strptime(time, '{FORMAT}') AS t, string_split(history, ' ') AS h, "
        "list_transform(string_split(candidates, ' '), lambda x: x[:-3]) AS p, "
        "list_transform(string_split(candidates, ' '), lambda x: x[-1] = '1') AS c"
    )
    base.sql(f"SELECT {wanted} FROM {table}").to_arrow_table()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--megabytes", type=int, default=100)
    arguments.add_argument("--repeats", type=int, default=3)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        lines, news = make(path, options.megabytes)
        file = path / "behaviors.tsv"
        texts = path / "news.tsv", tuple("abcdefgh")
        jobs: list[tuple[str, str, str, Callable[[], None]]] = [
            ("behaviors", "newsreplay, 1 thread", "", partial(ours, path, "behaviors", 1)),
            ("behaviors", "newsreplay, 2 threads", "", partial(ours, path, "behaviors", 2)),
            ("behaviors", "polars, lists of ids, 2 threads", "polars", partial(with_polars, file, CELLS, True)),
            ("behaviors", "duckdb, lists of ids, 1 thread", "duckdb", partial(with_duckdb, file, 1)),
            ("behaviors", "duckdb, lists of ids, 2 threads", "duckdb", partial(with_duckdb, file, 2)),
            ("behaviors", "pyarrow, columns of text, 1 thread", "pyarrow", partial(with_pyarrow, file, CELLS, 1)),
            ("behaviors", "pyarrow, columns of text, 2 threads", "pyarrow", partial(with_pyarrow, file, CELLS, 2)),
            ("behaviors", "polars, columns of text, 2 threads", "polars", partial(with_polars, file, CELLS, False)),
            ("articles", "newsreplay, 1 thread", "", partial(ours, path, "articles", 1)),
            ("articles", "newsreplay, 2 threads", "", partial(ours, path, "articles", 2)),
            ("articles", "pyarrow, columns of text, 1 thread", "pyarrow", partial(with_pyarrow, *texts, 1)),
            ("articles", "polars, columns of text, 2 threads", "polars", partial(with_polars, *texts, False)),
        ]
        for role, name, library, _ in jobs:
            if library and importlib.util.find_spec(library) is None:
                print(f"{role:9} {name:36} left out: {library} is not installed")
        jobs = [job for job in jobs if not job[2] or importlib.util.find_spec(job[2])]
        taken: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for _ in range(options.repeats + 1):
            for role, name, _, job in jobs:
                begin = time.perf_counter(), time.process_time()
                job()
                end = time.perf_counter(), time.process_time()
                taken.setdefault((role, name), []).append((end[0] - begin[0], end[1] - begin[1]))
        for (role, name), times in taken.items():  # the first round compiles and fills the page cache
            per_line = 1e6 / (lines if role == "behaviors" else news)
            wall, cpu = (statistics.median(kind) * per_line for kind in zip(*times[1:], strict=True))
            print(f"{role:9} {name:36} {wall:7.2f} us per line, {cpu:7.2f} us of processor time")


if __name__ == "__main__":
    main()
