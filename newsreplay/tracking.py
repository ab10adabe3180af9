"""Finished runs in experiment trackers: MLflow, and Weights & Biases.

Both are told the same: what the run was as parameters, every metric of every recommender on every publisher with the
ends of its interval, and as files `run.json`, `results.json`, `timing.json` and the page of `newsreplay report`. Where
they keep it is theirs to say: MLflow goes by MLFLOW_TRACKING_URI, Weights & Biases by WANDB_MODE and its login.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from textwrap import shorten
from typing import Any, TypeAlias

from newsreplay.errors import NewsreplayError
from newsreplay.report.contents import contents
from newsreplay.report.page.page import write_page
from newsreplay.simulator.runs.folder import RunFolder
from newsreplay.simulator.runs.records import PairRecord

Tracker: TypeAlias = Any  #: somebody else's package, which may not be installed, or a part of it
TRACKERS = {"mlflow": "MLflow", "wandb": "Weights & Biases"}
_WAYS_OUT = {
    "mlflow": "; name its server by MLFLOW_TRACKING_URI, or pip install mlflow, which keeps runs in a local database",
    "wandb": "; log in to it, or keep the run here with WANDB_MODE=offline",
}
_FILES = ("run.json", "results.json", "timing.json")
_LONGEST = 500  #: characters of a parameter; what any version of MLflow takes


def log_run(run: RunFolder, to: str, *, project: str = "newsreplay", name: str | None = None) -> str:
    """Tell a tracker of a finished run, in one call after it; returns where it lies there.

    `to` is "mlflow" or "wandb", `project` the experiment or project that it goes into, `name` what it is called, by
    default as its folder is. In MLflow every recommender on every publisher is a run of its own below the run's, so
    that metrics stand side by side; in Weights & Biases they are the table `results`, and values of the summary.

        run = newsreplay.run("clicks.csv", "trend,mine.py:Mine")
        log_run(run, "mlflow")

    Raises `NewsreplayError` where the tracker is not installed, or does not take the run.
    """
    if to not in TRACKERS:
        raise NewsreplayError(f"runs are logged to {' or '.join(TRACKERS)}, not to {to!r}")
    try:
        tracker = import_module(to)
    except ModuleNotFoundError as error:
        if error.name != to:
            raise
        raise NewsreplayError(f'{TRACKERS[to]} is not installed: pip install "newsreplay[{to}]"') from None
    refused = tracker.exceptions.MlflowException if to == "mlflow" else tracker.errors.Error
    with tempfile.TemporaryDirectory(prefix="newsreplay-") as work:
        page = Path(work, "report.html")
        write_page(contents(run), page)
        files = [*(run.folder / file for file in _FILES), page]
        try:
            return (_to_mlflow if to == "mlflow" else _to_wandb)(tracker, run, project, name or run.folder.name, files)
        except refused as error:
            text = shorten(str(error), 300, placeholder=" …")
            raise NewsreplayError(f"{TRACKERS[to]} did not take the run: {text}{_WAYS_OUT[to]}") from error


def _facts(run: RunFolder) -> dict[str, object]:
    """What the run was: its options, its data and their digest, the versions."""
    data = run.info["data"]
    return {
        "data": data["name"],
        "data_digest": data["digest"],
        "data_kind": data["kind"],
        "newsreplay": run.info["newsreplay"],
        "publishers": ", ".join(run.publishers),
        **run.info["options"],
    }


def _values(run: RunFolder, pair: PairRecord) -> Iterator[tuple[str, float]]:
    """The metrics of a recommender on a publisher, each followed by the ends of its interval where it has one."""
    for result in run.results:
        if (result.publisher, result.recommender) == (pair["publisher"], pair["recommender"]):
            ends = {"": result.value, "_low": result.low, "_high": result.high}
            yield from ((f"{result.metric}{end}", value) for end, value in ends.items() if value is not None)


def _to_mlflow(mlflow: Tracker, run: RunFolder, project: str, name: str, files: list[Path]) -> str:
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(project)
    where = client.create_experiment(project) if experiment is None else experiment.experiment_id
    parent = client.create_run(where, run_name=name).info.run_id
    _tell_mlflow(mlflow, client, parent, params=_facts(run))
    for file in files:
        client.log_artifact(parent, str(file))
    for pair in run.info["pairs"]:
        marks = {key: _short(str(value)) for key, value in pair.items() if key in ("leaks", "foresight", "error")}
        child = client.create_run(
            where,
            run_name=f"{pair['recommender']} on {pair['publisher']}",
            tags={"mlflow.parentRunId": parent} | marks,
        ).info.run_id
        told = {"recommender": pair["recommender"], "publisher": pair["publisher"]}
        _tell_mlflow(mlflow, client, child, params=told, metrics=dict(_values(run, pair)))
        client.set_terminated(child, "FINISHED" if pair["status"] == "done" else "FAILED")
    client.set_terminated(parent)
    return f"{mlflow.get_tracking_uri()}, experiment {project}, run {parent}"


def _tell_mlflow(
    mlflow: Tracker, client: Tracker, run: str, params: Mapping[str, object], metrics: dict[str, float] | None = None
) -> None:
    now = int(time.time() * 1000)
    client.log_batch(
        run,
        metrics=[mlflow.entities.Metric(_mlflow_name(key), value, now, 0) for key, value in (metrics or {}).items()],
        params=[mlflow.entities.Param(key, _short(str(value))) for key, value in params.items()],
    )


def _mlflow_name(metric: str) -> str:
    """A metric's name of what MLflow lets names be made of.

    >>> _mlflow_name("event_success@1_low")
    'event_success_at_1_low'
    """
    return re.sub(r"[^\w./ -]", "_", metric.replace("@", "_at_"), flags=re.ASCII)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _to_wandb(wandb: Tracker, run: RunFolder, project: str, name: str, files: list[Path]) -> str:
    with wandb.init(project=project, name=name, job_type="newsreplay", config=_facts(run)) as told:
        for pair in run.info["pairs"]:
            place = f"{pair['publisher']}/{pair['recommender']}"
            told.summary.update({f"{place}/{metric}": value for metric, value in _values(run, pair)})
        columns = ["publisher", "recommender", "metric", "value", "low", "high", "n"]
        rows = [[getattr(result, column) for column in columns] for result in run.results]
        told.log({"results": wandb.Table(columns=columns, data=rows)})
        artifact = wandb.Artifact(f"newsreplay-{run.info['data']['digest']}", type="newsreplay-run")
        for file in files:
            artifact.add_file(str(file))
        told.log_artifact(artifact)
        return str(told.url or told.dir)
