"""The JSON files of a run folder are of the published schema, which is made from the types of their records."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import newsreplay
from newsreplay.recommenders.base import Recommender, SelfReport
from newsreplay.simulator.rescore import rescore
from newsreplay.simulator.runs.folder import read_info
from tests.report.conftest import story

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads((ROOT / "docs" / "run-folder.schema.json").read_text("utf-8"))
TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
KEYWORDS = {"type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "$ref"}
NOTES = {"description", "title", "$schema", "$defs"}


def errors(value: Any, schema: dict[str, Any], place: str = "") -> list[str]:
    """Where a value is not of a schema; of JSON Schema only what ours uses."""
    assert {*schema} <= KEYWORDS | NOTES
    if "$ref" in schema:
        return errors(value, SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")], place)
    if "anyOf" in schema:
        return [] if any(not errors(value, part, place) for part in schema["anyOf"]) else [f"{place}: {value!r}"]
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        return [f"{place}: {value!r}"]
    if "type" in schema and not TYPES[schema["type"]](value):
        return [f"{place}: {value!r} is no {schema['type']}"]
    found = []
    if isinstance(value, list):
        for number, entry in enumerate(value):
            found += errors(entry, schema.get("items", {}), f"{place}[{number}]")
    if isinstance(value, dict):
        found += [f"{place} has no {key}" for key in schema.get("required", ()) if key not in value]
        for key, entry in value.items():
            other = schema.get("additionalProperties", {})
            part = schema.get("properties", {}).get(key, other)
            found += [f"{place} has {key}"] if part is False else errors(entry, part, f"{place}.{key}")
    return found


class Reporting(Recommender):
    """Reports all that there is to report of itself."""

    def __init__(self, seed: int = 0):
        self.seed = seed

    def self_report(self) -> SelfReport:
        rounds = ({"epoch": 1, "loss": float("nan"), "auc": 0.5},)
        return SelfReport(("a note",), "reads ahead", 1.0, 2.0, 3.0, 4, 5, rounds)

    def recommend(self, request: Any, k: int) -> Any:
        return [request.item, request.item]  # dropped


class Failing(Recommender):
    def learn(self, event: Any) -> None:
        raise ValueError("no")


class Foreseeing(Recommender):
    def foresee(self, log: Any, articles: Any) -> None:
        pass

    def recommend(self, request: Any, k: int) -> Any:
        return []


def files_of(folder: Path) -> dict[str, Any]:
    return {path.name: json.loads(path.read_text("utf-8")) for path in folder.glob("*.json")}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> newsreplay.Run:
    """A run with nearly all that records may hold."""
    specs = ["recency", "random", "oracle", Foreseeing(), Failing(), f"{__name__}:Reporting"]
    out = tmp_path_factory.mktemp("records") / "run"
    return newsreplay.run(story(("A",)), specs, k=2, seeds=(1, 2), deadline="1h", warmup="1ms", out=out, command="…")


def test_a_run_folder_is_of_the_published_schema(run: newsreplay.Run) -> None:
    files = files_of(run.folder)
    assert {*files} == {"run.json", "timing.json", "training.json", "results.json"}
    assert errors(files, SCHEMA) == []
    seen = {key for pair in files["run.json"]["pairs"] for key in pair}
    assert {*SCHEMA["$defs"]["PairRecord"]["properties"]} - seen <= {"scores", "rankings", "matches"}
    timed = {key for pair in files["timing.json"]["pairs"] for key in pair}
    assert {*SCHEMA["$defs"]["PairTimingRecord"]["properties"]} == timed


def test_a_folder_that_was_scored_again_is_of_the_schema_too(run: newsreplay.Run) -> None:
    rescore(run.folder, warmup=0, cluster="day")
    assert errors(files_of(run.folder), SCHEMA) == []
    assert read_info(run.folder)["rescored"] == {"warmup": 0, "cluster": "day"}


def test_foresight_is_one_word_for_each_recommender(run: newsreplay.Run) -> None:
    foresight = {
        pair["recommender"]: (pair.get("foresight"), pair.get("leaks"))
        for pair in run.info["pairs"]
        if pair["status"] == "done"
    }
    assert foresight == {
        "recency": (None, None),
        "random": (None, None),
        "oracle": ("oracle", None),
        "Foreseeing": ("given", "it was handed the whole log"),
        f"{__name__}:Reporting(seed=1)": ("leaky", "reads ahead"),
        f"{__name__}:Reporting(seed=2)": ("leaky", "reads ahead"),
    }


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda files: files["run.json"].pop("pairs"), ".run.json has no pairs"),
        (lambda files: files["run.json"].update(format=2), ".run.json.format: 2"),
        (lambda files: files["run.json"]["pairs"][0].update(of="recency"), ".run.json.pairs[0] has of"),
        (lambda files: files["run.json"]["pairs"][0].update(status="lost"), ".run.json.pairs[0].status: 'lost'"),
        (lambda files: files["results.json"][0].update(n=1.5), ".results.json[0].n: 1.5 is no integer"),
        (lambda files: files["timing.json"].update(seconds=None), ".timing.json.seconds: None is no number"),
        (lambda files: files.pop("timing.json"), " has no timing.json"),
    ],
)
def test_what_is_of_another_form_is_not_of_the_schema(
    run: newsreplay.Run, damage: Callable[[dict[str, Any]], Any], told: str
) -> None:
    files = copy.deepcopy(files_of(run.folder))
    damage(files)
    assert errors(files, SCHEMA) == [told]


def test_the_published_schema_is_that_of_the_types() -> None:
    check = [sys.executable, str(ROOT / "scripts" / "run_folder_schema.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("command", "again"),
    [("newsreplay run --data clicks.csv", "newsreplay run --data clicks.csv"), (None, "newsreplay run --out old")],
)
def test_an_older_folder_is_refused_with_the_command_to_run_again(
    command: str | None, again: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("old").mkdir()
    Path("old/run.json").write_text(json.dumps({"format": 3, "command": command}))
    for read in (newsreplay.Run, lambda folder: read_info(Path(folder)), rescore):
        with pytest.raises(newsreplay.RunError) as refused:
            read("old")
        assert str(refused.value) == (
            "old was written by another version of newsreplay (format 3, this one reads 4); run it again: " + again
        )
