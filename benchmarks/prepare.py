"""How fast sources are read and prepared, and how much memory that takes, on files generated for it.

    python benchmarks/prepare.py [--sources adressa,mind,…] [--megabytes 100] [--repeats 3] [--keep FOLDER]
    python benchmarks/prepare.py --memory 1000,3000     peak memory of preparing Adressa files of so many MB

Times are ratios within one run to the fastest bare parse of the same file to columns by a library that is
installed (pyarrow always; polars, duckdb, orjson and msgspec where they are). `read` is to raw columns, `prepare`
everything: parse, codes, sort, sessions, store. Medians of the repeats; all of them take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from newsreplay.datasets.base import Plan
from newsreplay.datasets.preparing.prepare import prepare
from newsreplay.datasets.preparing.work import Processing
from newsreplay.datasets.readers import READERS
from newsreplay.machine import cores

DAY = 86_400


# --- files ----------------------------------------------------------------------------------------------


def write_adressa(folder: Path, megabytes: int) -> Path:
    """Seven or more day files of JSON lines of about a kilobyte, a third of them home pages."""
    rng = np.random.default_rng(1)
    size = days = 0
    folder.mkdir(parents=True, exist_ok=True)
    while size < megabytes * 1_000_000:
        path = folder / f"{20170101 + days % 28 + days // 28 * 100}"
        with path.open("w", encoding="utf-8") as file:
            for lines in _adressa_day(rng, days, min(60_000, (megabytes * 1_000_000 - size) // 900 + 1)):
                size += file.write(lines)
        days += 1
    return folder


def _adressa_day(rng: np.random.Generator, day: int, count: int) -> Iterator[str]:
    time_ = np.sort(rng.integers(0, DAY, count)) + 1_483_225_200 + day * DAY
    user = (rng.pareto(0.6, count) * 1_000).astype(np.int64) % 400_000
    item = day * 200 + (rng.pareto(1.1, count) * 12).astype(np.int64) % 2_000
    front = rng.random(count) < 0.35
    active = rng.integers(1, 300, count)
    profile = [{"item": f"topic {n}", "groups": [{"count": 1, "group": "taxonomy", "weight": 0.5}]} for n in range(8)]
    for at in range(0, count, 2_000):
        lines = []
        for i in range(at, min(at + 2_000, count)):
            event: dict[str, Any] = {
                "eventId": int(time_[i]) * 7 + i,
                "city": "trondheim",
                "region": "sor-trondelag",
                "country": "no",
                "deviceType": "Mobile",
                "os": "iPhone OS",
                "url": "http://adressa.no" if front[i] else f"http://adressa.no/nyheter/{item[i]}.ece",
                "referrerHostClass": "direct",
                "sessionStart": False,
                "sessionStop": False,
                "time": int(time_[i]),
                "userId": f"cx:{user[i]:020d}:z{user[i] * 7919 % 10**9}",
            }
            if not front[i]:
                event |= {
                    "activeTime": int(active[i]),
                    "canonicalUrl": f"http://www.adressa.no/nyheter/trondheim/{item[i]}.ece",
                    "title": f"Blåbærtyven slo til igjen for {item[i]}. gang på Byåsen",
                    "category1": f"nyheter|trondheim{item[i] % 40}",
                    "author": ["kari nordmann"],
                    "keywords": "bær,tyveri,byåsen",
                    "publishtime": f"2017-01-{1 + item[i] // 200 % 28:02}T06:{item[i] % 60:02}:00.000Z",
                    "id": f"{item[i]:040x}",
                    "profile": profile,
                }
            lines.append(json.dumps(event, ensure_ascii=False))
        yield "\n".join(lines) + "\n"


def write_mind(folder: Path, megabytes: int) -> Path:
    """A MIND folder: 32 articles of history and 37 candidates a line."""
    rng = np.random.default_rng(2)
    folder.mkdir(parents=True, exist_ok=True)
    size = line = 0
    with (folder / "behaviors.tsv").open("w", encoding="utf-8") as file:
        while size < megabytes * 1_000_000:
            user, minute = int(rng.integers(0, 50_000)), int(rng.integers(0, 6 * 1440))
            history = np.random.default_rng(user).integers(1, 65_000, 32)
            pool = rng.integers(1, 65_000, 37)
            hour = minute // 60 % 24
            clock = f"{(hour + 11) % 12 + 1}:{minute % 60:02}:{line % 60:02} {'PM' if hour > 11 else 'AM'}"
            line += 1
            size += file.write(
                f"{line}\tU{user}\t11/{9 + minute // 1440}/2019 {clock}\t{' '.join(f'N{n}' for n in history)}\t"
                f"N{pool[0]}-1 {' '.join(f'N{n}-0' for n in pool[1:])}\n"
            )
    with (folder / "news.tsv").open("w", encoding="utf-8") as file:
        for n in range(1, 20_000):
            file.write(
                f"N{n}\tnews\tlocal\tTitle number {n} of some words\tAn abstract of {n}.\thttp://x/{n}\t[]\t[]\n"
            )
    return folder


def write_globo(folder: Path, megabytes: int) -> Path:
    """Hour files of Globo.com's form."""
    rng = np.random.default_rng(3)
    (folder / "clicks").mkdir(parents=True, exist_ok=True)
    names = [
        "user_id",
        "session_id",
        "session_start",
        "session_size",
        "click_article_id",
        "click_timestamp",
        "click_environment",
        "click_deviceGroup",
        "click_os",
        "click_country",
        "click_region",
        "click_referrer_type",
    ]
    files = max(1, megabytes * 1_000_000 // 680_000)
    for hour in range(files):
        n = 9_400
        session = np.sort(rng.integers(0, n // 3, n)) + hour * n
        begin = 1_506_826_800_000 + hour * 3_600_000
        click = begin + rng.integers(0, 7_200_000, n)
        columns = [session % 170_000, session, np.full(n, begin), np.full(n, 3)]
        columns += [rng.integers(0, 17_000, n), click, *(rng.integers(1, 30, n) for _ in range(6))]
        table = pa.table(dict(zip(names, columns, strict=True)))
        pyarrow.csv.write_csv(
            table, folder / "clicks" / f"clicks_hour_{hour:03}.csv", pyarrow.csv.WriteOptions(quoting_header="none")
        )
    return folder


def write_table(folder: Path, megabytes: int) -> Path:
    """A CSV of reads."""
    rng = np.random.default_rng(4)
    n = megabytes * 1_000_000 // 44
    folder.mkdir(parents=True, exist_ok=True)
    visit = np.arange(n) // 3 + rng.integers(0, 300, n)  # some three reads each, several at a time
    user, item = rng.permutation(n // 6 + 1)[visit % (n // 6)], rng.integers(0, 60_000, n)
    path = folder / "reads.csv"
    with path.open("w") as file:
        file.write("time,user,item,category\n")
        for at in range(0, n, 100_000):
            rows = range(at, min(n, at + 100_000))
            file.writelines(
                f"{1_600_000_000_000 + i * 37},reader-{user[i]},article-{item[i]},c{item[i] % 30}\n" for i in rows
            )
    return path


def write_parquet(folder: Path, megabytes: int) -> Path:
    """The same as Parquet."""
    path = write_table(folder, megabytes)
    table = pyarrow.csv.read_csv(path)
    path.unlink()
    pq.write_table(table, folder / "reads.parquet", row_group_size=200_000)
    return folder / "reads.parquet"


WRITERS: dict[str, tuple[str, Callable[[Path, int], Path]]] = {
    "adressa": ("adressa", write_adressa),
    "mind": ("mind", write_mind),
    "globo": ("globo", write_globo),
    "csv": ("table", write_table),
    "parquet": ("table", write_parquet),
}


# --- bare parses ----------------------------------------------------------------------------------------

FIELDS = ("time", "userId", "id", "title", "category1", "publishtime", "activeTime")


def bare(source: str, path: Path) -> dict[str, Callable[[], Any]]:
    """Library → how it parses the same files to columns."""
    found: dict[str, Callable[[], Any]] = {}
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    names = [str(file) for file in files if file.name not in ("news.tsv",)]
    if source == "adressa":
        kinds = {"time": pa.int64(), "activeTime": pa.float64()}
        schema = pa.schema([(name, kinds.get(name, pa.string())) for name in FIELDS])
        options = pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
        found["pyarrow"] = lambda: [pyarrow.json.read_json(name, parse_options=options) for name in names]
        if (duckdb := _library("duckdb")) is not None:
            columns = {n: "BIGINT" if n == "time" else "DOUBLE" if n == "activeTime" else "VARCHAR" for n in FIELDS}
            ask = f"select * from read_json({names!r}, format='newline_delimited', columns={columns!r})"
            found["duckdb"] = lambda: _arrow(duckdb.sql(ask))
        if (polars := _library("polars")) is not None:
            wanted = {"time": polars.Int64, "activeTime": polars.Float64}
            types = {name: wanted.get(name, polars.String) for name in FIELDS}
            found["polars"] = lambda: [polars.read_ndjson(name, schema=types, ignore_errors=True) for name in names]
    elif source == "mind":
        if (duckdb := _library("duckdb")) is not None:
            ask = (
                "select u, t, string_split(h, ' '), string_split(p, ' ') from read_csv("
                f"{names[0]!r}, delim='\t', header=false, quote='', escape='', auto_detect=false, "
                "columns={'i':'VARCHAR','u':'VARCHAR','t':'VARCHAR','h':'VARCHAR','p':'VARCHAR'})"
            )
            found["duckdb, lists"] = lambda: _arrow(duckdb.sql(ask))
        if (polars := _library("polars")) is not None:
            found["polars, lists"] = lambda: polars.read_csv(
                names[0], separator="\t", has_header=False, quote_char=None, new_columns=list("iuthp")
            ).with_columns(polars.col("h").str.split(" "), polars.col("p").str.split(" "))
        found["pyarrow, lists"] = lambda: _mind_pyarrow(names[0])
    elif source == "parquet":
        found["pyarrow"] = lambda: pq.read_table(path)
    else:
        wanted_columns = ["user_id", "session_id", "click_article_id", "click_timestamp"] if source == "globo" else None
        found["pyarrow"] = lambda: [
            pyarrow.csv.read_csv(name, convert_options=pyarrow.csv.ConvertOptions(include_columns=wanted_columns))
            for name in names
        ]
        if (polars := _library("polars")) is not None:
            found["polars"] = lambda: [polars.read_csv(name, columns=wanted_columns) for name in names]
        if (duckdb := _library("duckdb")) is not None:
            ask = f"select {', '.join(wanted_columns or ['*'])} from read_csv({names!r})"
            found["duckdb"] = lambda: _arrow(duckdb.sql(ask))
    return found


def _mind_pyarrow(name: str) -> Any:
    table = pyarrow.csv.read_csv(
        name,
        read_options=pyarrow.csv.ReadOptions(column_names=list("iuthp")),
        parse_options=pyarrow.csv.ParseOptions(delimiter="\t", quote_char=False),
    )
    return [pa.compute.split_pattern(table[column], " ") for column in "hp"]


def _arrow(relation: Any) -> Any:
    found = relation.arrow()
    return found.read_all() if hasattr(found, "read_all") else found


def _library(name: str) -> Any:
    try:
        return __import__(name)
    except ImportError:
        return None


# --- measuring ------------------------------------------------------------------------------------------


def plan_of(kind: str, path: Path) -> Plan:
    module, function = READERS[kind].split(":")
    plan: Plan = getattr(__import__(module, fromlist=[function]), function)(path)
    return plan


def read_all(kind: str, path: Path) -> None:
    """All blocks, as many parts at a time as there are cores; nothing is kept."""
    plan = plan_of(kind, path)

    def read(part: Any) -> None:
        for _ in plan.read(part):
            pass

    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(read, plan.parts))


def prepare_all(kind: str, path: Path, folder: Path) -> None:
    prepare(plan_of(kind, path), folder, name=kind, kind=kind, processing=Processing(jobs=cores()))


def compare(source: str, megabytes: int, repeats: int, folder: Path) -> None:
    kind, write = WRITERS[source]
    path = write(folder / source, megabytes)
    size = sum(f.stat().st_size for f in path.rglob("*") if f.is_file()) if path.is_dir() else path.stat().st_size
    tasks = bare(source, path)
    libraries = list(tasks)
    tasks["newsreplay, read"] = lambda: read_all(kind, path)
    tasks["newsreplay, prepare"] = lambda: prepare_all(kind, path, folder / f"{source}-prepared")
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(repeats + 1):
        for name, task in tasks.items():
            begun = time.perf_counter()
            task()
            if turn:  # the first turn compiles and fills the page cache
                times[name].append(time.perf_counter() - begun)
    medians = {name: statistics.median(values) for name, values in times.items()}
    best = min(libraries, key=lambda name: medians[name])
    for name, seconds in medians.items():
        print(f"{source:8} {size / 1e6:6.0f} MB  {name:20} {seconds:7.2f} s  {seconds / medians[best]:5.2f} × {best}")
    shutil.rmtree(folder / source)


def measure_memory(sizes: list[int], folder: Path) -> None:
    """Each in a process of its own, whose peak is its own."""
    for megabytes in sizes:
        path = write_adressa(folder / f"adressa-{megabytes}", megabytes)
        child = [sys.executable, __file__, "--child", str(path), "--keep", str(folder / "out")]
        done = subprocess.run(child, check=True, capture_output=True, text=True)
        print(f"adressa {megabytes:6,} MB: {done.stdout.strip()}")
        shutil.rmtree(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", default=",".join(WRITERS))
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory", help="sizes in MB, comma-separated")
    parser.add_argument("--keep", type=Path, help="where to write; by default a folder that goes")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        begun = time.perf_counter()
        prepare_all("adressa", given.child, given.keep)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"peak {peak:,.0f} MB, {time.perf_counter() - begun:.0f} s")
        shutil.rmtree(given.keep)
        return
    with tempfile.TemporaryDirectory(dir=given.keep) as work:
        if given.memory:
            measure_memory([int(size) for size in given.memory.split(",")], Path(work))
            return
        print(
            f"{cores()} cores, Python {sys.version.split()[0]}, pyarrow {pa.__version__}, load {os.getloadavg()[0]:.1f}"
        )
        for source in given.sources.split(","):
            compare(source, given.megabytes, given.repeats, Path(work))


if __name__ == "__main__":
    main()
