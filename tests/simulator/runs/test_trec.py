"""Runs and qrels: trec_eval's measures of what was exported are those of the run."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import ir_measures
import pandas as pd
import pyarrow as pa
import pytest
from ir_measures import RR, R, Success, nDCG

import newsreplay
from newsreplay.datasets.store import Dataset
from newsreplay.errors import RunError
from newsreplay.log.rows import Asks, Excludes
from newsreplay.simulator.runs.columns import ScoredRequests
from newsreplay.simulator.runs.trec import write_scores_run, write_slates_qrels, write_slates_run


class Shuffled:
    """Known articles, some or none, in an order of its own; scores without ties."""

    def __init__(self) -> None:
        self.draw = random.Random(5)

    def start(self, catalog: newsreplay.Catalog) -> None:
        self.catalog = catalog

    def recommend(self, request: newsreplay.Event, k: int) -> list[int]:
        known = range(self.catalog.known)
        return self.draw.sample(known, min(len(known), self.draw.randrange(k + 1)))

    def score(self, request: newsreplay.Event, pool: Sequence[int]) -> list[int]:
        return self.draw.sample(range(-len(pool), len(pool)), len(pool))


@pytest.fixture(
    scope="module",
    params=[("reads", "current"), ("reads", "session"), ("reads", "nothing"), ("impressions", "current")],
    ids=" ".join,
)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> newsreplay.Run:
    draw = random.Random(11)
    clicks = pd.DataFrame(
        {
            # Several reads share an instant, and readers return to articles.
            "time": sorted(1_500_000_000_000 + 60_000 * draw.randrange(400) for _ in range(900)),
            "publisher": "B.2",
            "user": [f"u{draw.randrange(60)}" for _ in range(900)],
            "item": [f"a{min(draw.randrange(30), draw.randrange(30))}" for _ in range(900)],
        }
    )
    asks: Asks
    exclude: Excludes
    asks, exclude = request.param
    out = tmp_path_factory.mktemp("trec") / "run"
    made = newsreplay.run(
        clicks,
        [Shuffled(), "trend"],
        k=7,
        requests=asks,
        exclude=exclude,
        preparing={"impressions": "sampled"},
        warmup="1h",
        out=out,
    )
    made.export("trec")
    return made


def theirs(run: newsreplay.Run, what: str, recommender: str, measures: list[ir_measures.Measure]) -> list[float]:
    folder = run.folder / "export" / what
    qrels = list(ir_measures.read_trec_qrels(str(folder / "B.2.qrels")))
    answers = list(ir_measures.read_trec_run(str(folder / "B.2" / f"{recommender}.run")))
    told = ir_measures.calc_aggregate(measures, qrels, answers)
    return [told[measure] for measure in measures]


def ours(run: newsreplay.Run, recommender: str, metrics: list[str]) -> list[float | None]:
    values = {row.metric: row.value for row in run.results if row.recommender == recommender}
    return [values[name] for name in metrics]


@pytest.mark.parametrize("recommender", ["Shuffled", "trend"])
def test_slates_as_rankings_are_what_trec_eval_makes_of_the_export(run: newsreplay.Run, recommender: str) -> None:
    cuts = (1, 5, 7)
    measures = [measure for cut in cuts for measure in (Success @ cut, RR @ cut, nDCG @ cut, R @ cut)]
    names = [f"session_{name}@{cut}" for cut in cuts for name in ("hit_rate", "mrr", "ndcg", "recall")]
    expected = ours(run, recommender, names)
    assert len(expected) == len(measures)
    assert theirs(run, "slates", recommender, measures) == pytest.approx(expected, rel=1e-9)
    assert 0 < (expected[-1] or 0) < 1


def test_impressions_without_ties_are_what_trec_eval_makes_of_the_export(run: newsreplay.Run) -> None:
    expected = ours(run, "Shuffled", ["mrr_first", "ndcg@5", "ndcg@10"])
    measures = [RR, nDCG @ 5, nDCG @ 10]
    assert theirs(run, "scores", "Shuffled", measures) == pytest.approx(expected, rel=1e-9)


def test_an_exported_run_is_replayed_with_the_same_results(run: newsreplay.Run) -> None:
    folder = f"{run.folder}/export"
    spec = f"replayed('{folder}/slates/{{publisher}}/trend.run', scores='{folder}/scores/{{publisher}}/trend.run')"
    again = newsreplay.run(
        Dataset(Path(run.info["data"]["folder"])), [spec], k=7, requests=run.asks, exclude=run.exclude, warmup="1h"
    )
    expected = [row[2:] for row in run.results if row.recommender == "trend"]
    assert [row[2:] for row in again.results] == expected


def test_impressions_that_exclude_what_was_read_have_no_qrels(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not kept; export to"):
        write_slates_qrels(pa.table({}), cast(ScoredRequests, None), tmp_path / "x.qrels", "impressions", "session")


def coded(values: list[list[str]]) -> pa.Array:
    return pa.array(values, pa.large_list(pa.string())).cast(pa.large_list(pa.dictionary(pa.int32(), pa.string())))


def test_places_and_scores_are_written_as_trec_eval_reads_them(tmp_path: Path) -> None:
    slates = pa.table({"row": [4, 9], "slate": coded([["b", "a"], []])})
    write_slates_run(slates, tmp_path / "slates.run", "blend(a, b)")
    assert (tmp_path / "slates.run").read_text() == "4 Q0 b 1 2 blend(a,b)\n4 Q0 a 2 1 blend(a,b)\n"
    scores = [[0.1, float("-inf"), 0.5, 0.5, 0.25]]
    told = pa.table({"row": [4], "candidates": coded([["a", "b", "c", "d", "a"]]), "scores": pa.array(scores)})
    write_scores_run(told, tmp_path / "scores.run", "x")
    assert (tmp_path / "scores.run").read_text().splitlines() == [
        "4 Q0 c 1 0.5 x",
        "4 Q0 d 2 0.5 x",
        "4 Q0 a 3 0.25 x",
        "4 Q0 b 4 -inf x",
    ]


@pytest.mark.parametrize("bad", ["", "a b", "a\u00a0b", "a\n"])
def test_an_id_that_a_line_cannot_hold_is_refused(bad: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is empty or has blanks, .* use --to csv"):
        write_slates_run(pa.table({"row": [4], "slate": coded([["a", bad]])}), tmp_path / "x.run", "x")
    assert not list(tmp_path.iterdir())
