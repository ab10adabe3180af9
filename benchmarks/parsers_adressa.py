"""Reading Adressa day files, ours and libraries: python benchmarks/parsers_adressa.py [--lines 100000] [--repeats 5]

Every library reads the same seven fields of a generated file to columns (msgspec and orjson to objects). Runs take
turns, so that a busy machine hits all alike; times are medians per line, wall and processor, and ratios are to the
fastest library of the same run. Libraries that are not installed are skipped: pip install polars duckdb msgspec orjson
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json
from tabulate import tabulate

from newsreplay.datasets.reading.sizes import Sizes
from newsreplay.datasets.sources.adressa import plan_adressa

FIELDS = {
    "time": int,
    "userId": str,
    "id": str,
    "publishtime": str,
    "title": str,
    "category1": str,
    "activeTime": float,
}


def generate(path: Path, lines: int) -> None:
    """Events of some 1.2 kB on average, half of them of articles, keys in any order."""
    rng = random.Random(1)
    vocabulary = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyzæøå", k=rng.randint(3, 11))) for _ in range(3_000)]
    users = [f"cx:{rng.getrandbits(80):025}:{rng.getrandbits(60):x}" for _ in range(30_000)]

    def words(count: int, between: str = " ") -> str:
        return between.join(rng.choices(vocabulary, k=count))

    def concept() -> dict[str, Any]:
        return {"item": words(1), "groups": [{"count": 1, "group": "concept", "weight": rng.randint(1, 256) / 256}]}

    articles = [
        {
            "id": f"{rng.getrandbits(160):040x}",
            "title": words(8),
            "category1": rng.choice(["nyheter|trondheim", "sport|fotball", "pluss|nyheter", "kultur"]),
            "publishtime": f"2017-01-{rng.randint(1, 7):02}T{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:00.000Z",
            "canonicalUrl": f"http://www.adressa.no/{words(8, '-')}.ece",
            "keywords": words(4, ","),
            "author": [words(2)],
            "profile": [concept() for _ in range(rng.randint(8, 20))],
        }
        for _ in range(3_000)
    ]
    with path.open("w", encoding="utf-8") as file:
        for number in range(lines):
            event = {
                "eventId": rng.getrandbits(31),
                "city": "oslo",
                "url": f"http://adressa.no/{words(3, '/')}",
                "referrerHostClass": "direct",
                "time": 1_483_225_200 + number // 10,
                "userId": rng.choice(users),
                "sessionStart": False,
                "sessionStop": False,
                "deviceType": "Mobile",
                "country": "no",
                "os": "iPhone OS",
                **({"activeTime": rng.randint(1, 200)} if rng.random() < 0.5 else {}),
                **(rng.choice(articles) if rng.random() < 0.5 else {}),
            }
            file.write(json.dumps(dict(rng.sample(sorted(event.items()), len(event)))) + "\n")


def read_ours(path: Path, threads: int) -> None:
    plan = plan_adressa(path, sizes=Sizes(stretch=8 << 20))  # a small file has parts for both threads, too
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda part: list(plan.read(part)), plan.parts))


def read_arrow(path: Path, threads: int) -> None:
    types = {int: pa.int64(), str: pa.string(), float: pa.float64()}
    pyarrow.json.read_json(
        path,
        read_options=pyarrow.json.ReadOptions(use_threads=threads > 1, block_size=8 << 20),
        parse_options=pyarrow.json.ParseOptions(
            explicit_schema=pa.schema({name: types[kind] for name, kind in FIELDS.items()}),
            unexpected_field_behavior="ignore",
        ),
    )


def read_polars(path: Path) -> None:
    polars = importlib.import_module("polars")

    types = {int: polars.Int64, str: polars.String, float: polars.Float64}
    polars.read_ndjson(path, schema={name: types[kind] for name, kind in FIELDS.items()})


def read_duckdb(path: Path, threads: int) -> None:
    duckdb = importlib.import_module("duckdb")

    types = {int: "BIGINT", str: "VARCHAR", float: "DOUBLE"}
    columns = ", ".join(f"{name}: '{types[kind]}'" for name, kind in FIELDS.items())
    with duckdb.connect(config={"threads": threads}) as connection:
        query = f"from read_json('{path}', format = 'newline_delimited', columns = {{{columns}}})"
        connection.sql(query).to_arrow_table()


def read_msgspec(path: Path) -> None:
    msgspec = importlib.import_module("msgspec")

    fields = [(name, kind | None, None) for name, kind in FIELDS.items()]
    decode = msgspec.json.Decoder(msgspec.defstruct("Event", fields)).decode
    with path.open("rb") as file:
        list(map(decode, file))


def read_orjson(path: Path) -> None:
    orjson = importlib.import_module("orjson")

    with path.open("rb") as file:
        for line in file:
            orjson.loads(line)


READERS: dict[str, Callable[[Path], None]] = {
    "newsreplay, 1 thread": lambda path: read_ours(path, 1),
    "newsreplay, 2 threads": lambda path: read_ours(path, 2),
    "pyarrow, 1 thread": lambda path: read_arrow(path, 1),
    "pyarrow, threads": lambda path: read_arrow(path, 2),
    "polars, threads": read_polars,
    "duckdb, 1 thread": lambda path: read_duckdb(path, 1),
    "duckdb, 2 threads": lambda path: read_duckdb(path, 2),
    "msgspec, 1 thread": read_msgspec,
    "orjson, 1 thread": read_orjson,
}


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--lines", type=int, default=100_000)
    options.add_argument("--repeats", type=int, default=5)
    chosen = options.parse_args()
    readers = {name: read for name, read in READERS.items() if installed(name.split(",")[0])}
    walls: dict[str, list[float]] = {name: [] for name in readers}
    processors: dict[str, list[float]] = {name: [] for name in readers}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "20170101"
        generate(path, chosen.lines)
        size = path.stat().st_size
        for turn in range(chosen.repeats + 1):
            for name, read in readers.items():
                wall, processor = time.perf_counter(), time.process_time()
                read(path)
                if turn:  # the first warms up
                    walls[name].append((time.perf_counter() - wall) / chosen.lines * 1e6)
                    processors[name].append((time.process_time() - processor) / chosen.lines * 1e6)
    median = {name: statistics.median(times) for name, times in walls.items()}
    fastest = min(time for name, time in median.items() if not name.startswith("newsreplay"))
    rows = [
        (name, median[name], min(walls[name]), statistics.median(processors[name]), median[name] / fastest)
        for name in readers
    ]
    print(
        f"{chosen.lines:,} lines of {size / chosen.lines:,.0f} bytes, {chosen.repeats} repeats, microseconds per line"
    )
    print(tabulate(rows, ("reader", "wall", "least", "processor", "to the fastest library"), floatfmt=".2f"))


def installed(library: str) -> bool:
    there = importlib.util.find_spec(library) is not None
    if not there:
        print(f"{library} is not installed: skipped")
    return there


if __name__ == "__main__":
    main()
