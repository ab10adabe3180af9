"""Results on real logs, recomputed by other libraries from the files of the run folder."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.metrics import ndcg_score, roc_auc_score

from newsreplay.api import Run
from newsreplay.cli import main
from newsreplay.report.contents import contents

BASELINES = ("popular", "recency", "trend", "content")


def replayed(data: Path, kind: str, recommenders: str, folder: Path) -> Run:
    words = ["run", "--data", f"{kind}:{data}", "--recommenders", recommenders, "--out", str(folder)]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    if kind != "globo":
        assert all(heading in result.output for heading in ("AUC", "MRR", "nDCG@5", "nDCG@10", "±"))
    return Run(folder)


@pytest.mark.parametrize(
    ("kind", "name", "scored"),
    [("mind", "mind_sample", 5_000), pytest.param("ebnerd", "ebnerd_demo", 24_724, marks=pytest.mark.slow)],
)
def test_auc_and_ndcg_on_real_impressions_are_those_of_scikit_learn(
    real_data: Path, tmp_path: Path, kind: str, name: str, scored: int
) -> None:
    run = replayed(real_data / name, kind, ",".join(BASELINES), tmp_path / "run")
    (publisher,) = run.publishers
    shown = pd.read_feather(tmp_path / "run" / "impressions" / f"{publisher}.arrow").set_index("row")
    results = {(result.recommender, result.metric): result for result in run.results}
    impressions = run.impressions(publisher)
    assert impressions is not None
    for recommender in BASELINES:
        given = run.scores(publisher, recommender).set_index("row")
        ranked = run.rankings(publisher, recommender)
        assert ranked is not None
        assert len(ranked.values) == scored
        for row, mine in zip(impressions.row[:300].tolist(), ranked.values, strict=False):
            clicked = shown.clicked[row]
            scores = np.nan_to_num(given.scores[row], neginf=np.finfo(np.float64).min)
            assert mine[0] == pytest.approx(roc_auc_score(clicked, scores), abs=1e-12)
            assert mine[4] == pytest.approx(ndcg_score([clicked.astype(float)], [scores], k=10), abs=1e-12)
        for column, metric in enumerate(("auc", "mrr", "mrr_first", "ndcg@5", "ndcg@10")):
            result = results[recommender, metric]
            assert result.n == scored
            assert result.value == pytest.approx(ranked.values[:, column].mean(), rel=1e-9)
            assert result.low is not None
            assert result.high is not None
            assert result.low - 1e-12 <= result.value <= result.high + 1e-12
    assert results["popular", "auc"].low > 0.5  # type: ignore[operator]


@pytest.mark.slow
def test_success_on_globo_is_that_of_a_data_frame_of_its_slates_and_its_report_is_small(
    real_data: Path, tmp_path: Path
) -> None:
    run = replayed(real_data / "globo", "globo", "sequences,popular", tmp_path / "run")
    results = {(result.recommender, result.metric): result.value for result in run.results}
    for recommender in ("sequences", "popular"):
        slates = run.slates("globo", recommender)
        slates["first"] = slates.slate.str[0]
        offered = slates[["session", "first", "time"]].dropna().rename(columns={"first": "item", "time": "offered"})
        earliest = offered.groupby(["session", "item"], as_index=False).offered.min()
        reads = slates[["session", "item", "time"]].merge(earliest, on=["session", "item"])
        hits = reads[reads.offered < reads.time].groupby("session").size()
        times = slates.groupby("session").time
        scored = int((times.min() < times.max()).sum())
        assert results[recommender, "event_success@1"] == pytest.approx(hits.sum() / scored, rel=1e-11)
        assert results[recommender, "session_success@1"] == pytest.approx(len(hits) / scored, rel=1e-11)
    assert run.report().stat().st_size < 5_000_000
    (told,) = contents(run, slices=False)["publishers"]
    assert math.isclose(sum(told["rows"][0]["misses"].values()), 1)
