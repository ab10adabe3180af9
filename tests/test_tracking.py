"""Experiment trackers are told what a run was and what it measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

import newsreplay
from newsreplay.errors import NewsreplayError
from newsreplay.tracking import log_run


class Broken:
    """Fails on its first request."""

    def recommend(self, request: newsreplay.Event, k: int) -> list[int]:
        raise ValueError("no model")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> newsreplay.Run:
    clicks = pd.DataFrame(
        {
            "time": range(1_500_000_000_000, 1_500_000_000_000 + 60 * 60_000, 60_000),
            "publisher": ["A", "B"] * 30,
            "user": [f"u{number // 2 % 3}" for number in range(60)],
            "item": [f"a{number % 7}" for number in range(60)],
        }
    )
    out = tmp_path_factory.mktemp("tracking") / "tuesday"
    return newsreplay.run(clicks, ["circular(size=5)", Broken()], k=5, out=out)


@pytest.mark.slow
def test_mlflow_has_a_run_for_each_recommender_on_each_publisher(
    run: newsreplay.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow", exc_type=ImportError)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(tmp_path.as_uri())
    where = log_run(run, "mlflow", project="mine")
    client = mlflow.MlflowClient()
    told = client.search_runs([client.get_experiment_by_name("mine").experiment_id])
    by_name = {one.info.run_name: one for one in told}
    pairs = ["circular(size=5) on A", "circular(size=5) on B", "Broken on A", "Broken on B"]
    assert sorted(by_name) == sorted(["tuesday", *pairs])
    parent = by_name["tuesday"]
    assert where == f"{tmp_path.as_uri()}, experiment mine, run {parent.info.run_id}"
    assert parent.data.params["k"] == "5"
    assert parent.data.params["data_digest"] == run.info["data"]["digest"]
    assert {one.path for one in client.list_artifacts(parent.info.run_id)} == {
        *("run.json", "results.json", "timing.json", "report.html")
    }
    for publisher in ("A", "B"):
        child = by_name[f"circular(size=5) on {publisher}"]
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert child.data.params == {"recommender": "circular(size=5)", "publisher": publisher}
        for row in run.results:
            if (row.publisher, row.recommender) == (publisher, "circular(size=5)") and row.value is not None:
                name = row.metric.replace("@", "_at_")
                found = [child.data.metrics.get(f"{name}{end}") for end in ("", "_low", "_high")]
                assert found == [row.value, row.low, row.high]
        failed = by_name[f"Broken on {publisher}"]
        assert (failed.info.status, failed.data.metrics) == ("FAILED", {})
        assert "no model" in failed.data.tags["error"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_weights_and_biases_has_a_table_a_summary_and_the_files(
    run: newsreplay.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", exc_type=ImportError)
    for name, value in {"MODE": "offline", "DIR": str(tmp_path), "SILENT": "true"}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    folder = Path(log_run(run, "wandb"))
    assert tmp_path in folder.parents
    (table,) = folder.glob("media/table/results_*.table.json")
    told = json.loads(table.read_text())
    assert told["columns"] == list(newsreplay.Run(run.folder).to_pandas().columns)
    assert told["data"] == json.loads(json.dumps([list(row) for row in run.results]))


def test_a_tracker_that_is_not_installed_is_named_with_the_way_to_it(
    run: newsreplay.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mlflow", "wandb"):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(NewsreplayError, match=rf"is not installed: pip install \"newsreplay\[{name}\]\""):
            log_run(run, name)
    with pytest.raises(NewsreplayError, match="logged to mlflow or wandb, not to 'excel'"):
        log_run(run, "excel")


def test_what_a_tracker_says_no_to_is_said_in_one_line(run: newsreplay.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class MlflowException(Exception):  # noqa: N818 - its name
        pass

    class Client:
        def get_experiment_by_name(self, name: str) -> None:
            raise MlflowException(f"no server\nfor {name}")

    mlflow = ModuleType("mlflow")
    mlflow.MlflowClient = Client  # type: ignore[attr-defined]
    mlflow.exceptions = ModuleType("exceptions")  # type: ignore[attr-defined]
    mlflow.exceptions.MlflowException = MlflowException
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    with pytest.raises(NewsreplayError, match="MLflow did not take the run: no server for newsreplay; name its server"):
        log_run(run, "mlflow")
