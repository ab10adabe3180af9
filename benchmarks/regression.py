"""What every recommender answers on a small demo, compared with what it answered before.

    python benchmarks/regression.py              # exit status 1 and a table if a hit or an AUC has changed
    python benchmarks/regression.py --update     # store what there is now in benchmarks/regression.json

The log: the three synthetic publishers at two thousand reads each, with pseudo-impressions; neural recommenders, at
their smallest, and online models are replayed on the first of them. Per publisher and recommender: hits at every
cut-off, AUC, seconds of the replay, bytes of the state after the last row.

Hits must be the same whole numbers, AUC the same to 12 decimals. The answers of neural recommenders and online models
depend on the processor and its libraries: theirs are stored and shown, but fail nothing. Seconds and bytes fail nothing
either and are shown as ratios. The data are prepared as `regression`; `newsreplay data remove regression` takes them
away again.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from tabulate import tabulate

import newsreplay

STORED = Path(__file__).with_name("regression.json")
DEMO = "regression"
READS = 2_000
WARMUP = 3_600_000  #: ms; neural recommenders train when it is over, and in a log this short again every hour
MIXED = (
    "editorial",
    "lifetime('trend(hours=2)', hours=none)",
    "mmr('trend(hours=2)')",
    "calibrated('trend(hours=2)')",
    "blend('trend(hours=2)', popular, weights=[.7, .3])",
    "fallback(sequences, 'trend(hours=2)')",
)
NEIGHBOURS = ("vsknn", "vmis", "stan", "itemknn", "association")
EXACT = ("baselines", *NEIGHBOURS, "bandits", "counters", *MIXED, "logged", "oracle")
NEURAL = tuple(
    f"{name}(size=tiny, update=every(hours=1))"
    for name in (
        *("nrms", "naml", "lstur", "tanr", "caum", "pprec", "awrs", "crown", "fim"),
        *("hierec", "glory", "cne-sue", "dkn"),
        *("nrms-bert", "punr", "nrms-im", "fim-im", "gru4rec", "sasrec", "narm", "stamp"),
        *("mccm", "dssm", "unbert", "amm"),
        *("cennewsrec", "sentirec", "mins", "npa", "miner", "manner-cr"),
    )
)
ONLINE = ("river", "sklearn")
FED = ("libfm", "deepfm")
INEXACT = {"torch": NEURAL, "river": ONLINE[:1], "sklearn": ONLINE[1:], "numpy": FED}  #: by the package that they need
DECIMALS = 12  #: of AUC; beyond them the order of an addition shows


class Row(NamedTuple):
    """One recommender on one publisher."""

    hits: dict[str, int]  #: by cut-off
    auc: float | None  #: None where it scores no candidates
    seconds: float  #: of the replay
    state_bytes: int


Rows = dict[tuple[str, str], Row]  #: by publisher and recommender


class Change(NamedTuple):
    """A hit or an AUC that is not what it was; None where there was, or is, none."""

    publisher: str
    recommender: str
    what: str
    before: float | None
    now: float | None

    @property
    def fails(self) -> bool:
        """Whether the recommender's answers are the same on every machine."""
        return self.recommender not in chain.from_iterable(INEXACT.values())


def prepare_demo() -> None:
    """Prepare the demo under its name."""
    with tempfile.TemporaryDirectory() as folder:
        synth = [sys.executable, "-m", "newsreplay", "data", "synth", folder, "--reads", str(READS)]
        subprocess.run(synth, check=True, stdout=subprocess.DEVNULL)
        newsreplay.prepare_data("table", Path(folder), name=DEMO, preparing={"impressions": "sampled"})


def replayed(recommenders: Sequence[str], publishers: Sequence[str] | None = None) -> Rows:
    """Replay the prepared demo before these recommenders. Raises `RuntimeError` if one of them fails."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "run"
        run = newsreplay.run(DEMO, recommenders, publishers=publishers, warmup=WARMUP, slates=False, out=kept)
        failed = [pair for pair in json.loads((kept / "run.json").read_text("utf-8"))["pairs"] if "error" in pair]
        if failed:
            raise RuntimeError("; ".join(f"{pair['recommender']}: {pair['error']}" for pair in failed))
        hits: dict[tuple[str, str], dict[str, int]] = {}
        auc: dict[tuple[str, str], float] = {}
        for result in run.to_pandas().itertuples():
            metric, _, cut = result.metric.partition("@")
            pair = (result.publisher, result.recommender)
            if metric == "event_success":
                hits.setdefault(pair, {})[cut] = round(result.value * result.n)
            elif metric == "auc" and result.n:
                auc[pair] = round(result.value, DECIMALS)
        timing = json.loads((kept / "timing.json").read_text("utf-8"))["pairs"]
    costs = {(pair["publisher"], pair["recommender"]): (pair["seconds"], pair["state_bytes"]) for pair in timing}
    return {pair: Row(hits[pair], auc.get(pair), *costs[pair]) for pair in hits}


def compare(before: Rows, now: Rows) -> list[Change]:
    """Every hit and AUC that differs, and those of pairs that only one side has."""
    found = []
    for pair in dict.fromkeys([*before, *now]):
        old, new = _numbers(before.get(pair)), _numbers(now.get(pair))
        both = [(what, old.get(what), new.get(what)) for what in dict.fromkeys([*old, *new])]
        found += [Change(*pair, what, was, is_now) for what, was, is_now in both if was != is_now]
    return found


def _numbers(row: Row | None) -> dict[str, float | None]:
    if row is None:
        return {}
    return {f"hits@{cut}": hits for cut, hits in row.hits.items()} | {"AUC": row.auc}


def read(path: Path) -> Rows:
    """The stored rows."""
    stored = json.loads(path.read_text("utf-8"))["rows"]
    return {(row.pop("publisher"), row.pop("recommender")): Row(**row) for row in stored}


def write(path: Path, rows: Rows) -> None:
    """Store rows, one a line, so that a diff shows what has changed."""
    versions = {"python": platform.python_version()} | {
        name: _version(name) for name in ("newsreplay", "numba", "numpy", "torch")
    }
    lines = [json.dumps({"publisher": p, "recommender": r} | row._asdict()) for (p, r), row in rows.items()]
    head = f'{{"reads": {READS}, "warmup": {WARMUP}, "versions": {json.dumps(versions)}, "rows": [\n'
    path.write_text(head + ",\n".join(lines) + "\n]}\n", "utf-8")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def costs(before: Rows, now: Rows) -> str:
    """Per recommender: seconds on all publishers, and how much of the stored seconds and bytes that is."""
    table = []
    for recommender in dict.fromkeys(recommender for _, recommender in now):
        both = [pair for pair in now if pair[1] == recommender and pair in before]
        seconds, stored = (sum(rows[pair].seconds for pair in both) for rows in (now, before))
        size, stored_size = (sum(rows[pair].state_bytes for pair in both) for rows in (now, before))
        if stored and stored_size:  # the oracle is worked out without a replay
            table.append((recommender, seconds, seconds / stored, size / stored_size))
    headers = ("recommender", "seconds", "times the stored", "bytes, times the stored")
    return tabulate(table, headers, floatfmt=("", ".4f", ".2f", ".3f"))


def main() -> int:
    """Replay, compare, tell; 1 if a hit or an AUC has changed that may not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="store what there is now")
    options = parser.parse_args()
    absent = [name for package, names in INEXACT.items() if find_spec(package) is None for name in names]
    if absent and options.update:
        parser.error(f'the stored file has {", ".join(absent)}, too: pip install -e ".[test]"')
    prepare_demo()
    inexact = [name for names in INEXACT.values() for name in names if name not in absent]
    now = replayed(EXACT) | (replayed(inexact, ["A"]) if inexact else {})
    if options.update:
        write(STORED, now)
        print(f"stored {len(now)} rows in {STORED}")
        return 0
    before = {pair: row for pair, row in read(STORED).items() if pair[1] not in absent}
    print(costs(before, now))
    changes = compare(before, now)
    failing = [change for change in changes if change.fails]
    if changes:
        table = [(*change, "fails" if change.fails else "may differ between machines") for change in changes]
        print("\n" + tabulate(table, (*Change._fields, ""), floatfmt=f".{DECIMALS}g", missingval="-"))
    print(f"\n{len(failing)} hits and AUCs of {len(now)} pairs have changed that may not")
    return 1 if failing else 0


if __name__ == "__main__":
    sys.exit(main())
