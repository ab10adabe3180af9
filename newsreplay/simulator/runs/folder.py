"""Run folders, read back: results, timings, slates."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from newsreplay.datasets import find_data
from newsreplay.datasets.store import Dataset
from newsreplay.errors import DataError, RunError
from newsreplay.log.rows import Column
from newsreplay.simulator.judgement.judge import Outcomes
from newsreplay.simulator.judgement.metrics import Measured, Result
from newsreplay.simulator.judgement.rankings import Ranked
from newsreplay.simulator.runs.columns import (
    Impressions,
    Reads,
    read_impressions,
    read_outcomes,
    read_places,
    read_rankings,
    read_reads,
)
from newsreplay.simulator.runs.options import Options
from newsreplay.simulator.runs.paths import pair_files, publisher_files
from newsreplay.simulator.runs.write import FORMAT

if TYPE_CHECKING:
    import pandas as pd


class RunFolder:
    """The folder of a finished run, read: `to_pandas`, `slates` and `scores` hand out frames.

    `keep` is closed when the run is no longer used. Raises `RunError` where the folder holds no finished run.
    """

    def __init__(self, folder: str | Path, keep: ExitStack | None = None):
        self.folder = Path(folder)
        if keep is not None:
            weakref.finalize(self, keep.close)
        unfinished, there = (self.folder / "unfinished").exists(), (self.folder / "run.json").exists()
        if unfinished and there:
            raise RunError(f"scoring {self.folder} has not ended; do it again with 'newsreplay score {self.folder}'")
        if not there:
            state = "a run that has not ended" if unfinished else "no run"
            raise RunError(f"{self.folder} holds {state}; start one with 'newsreplay run --out {self.folder}'")
        self.info: dict[str, Any] = self._load("run.json", dict)  #: data, options, versions, publishers, pairs
        if self.info.get("format") != FORMAT:
            raise RunError(
                f"{self.folder} was written by another version of newsreplay (format {self.info.get('format')}, "
                f"this one reads {FORMAT}); run it again"
            )
        #: What of the future each recommender was given that was given any, also by its name without a seed.
        self.leaks: dict[str, str] = {
            name: pair["leaks"]
            for pair in self.info["pairs"]
            if "leaks" in pair
            for name in (pair["recommender"], pair.get("of", pair["recommender"]))
        }
        self.names: dict[str, str] = {}  #: display names, by specs as run.json has them, for those that were given one
        self.timing: dict[str, Any] = self._load("timing.json", dict)
        self.results: list[Result] = self._load("results.json", lambda rows: [Result(**row) for row in rows])

    def _load(self, name: str, make: Callable[[Any], Any]) -> Any:
        try:
            return make(json.loads((self.folder / name).read_text("utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise RunError(f"{self.folder / name} cannot be read: {error}") from None

    def to_pandas(self) -> pd.DataFrame:
        """All results as a frame: publisher, recommender, metric, value, low, high, n."""
        import pandas as pd

        return pd.DataFrame(self.results, columns=list(Result._fields))

    def slates(self, publisher: str, recommender: str) -> pd.DataFrame:
        """The answers of one recommender on one publisher: row, time, session, user, item, slate."""
        return self._frame(publisher, recommender, "slates")

    def scores(self, publisher: str, recommender: str) -> pd.DataFrame:
        """The scores that one recommender gave the candidates of each impression: row, scores."""
        return self._frame(publisher, recommender, "scores")

    def _frame(self, publisher: str, recommender: str, what: str) -> pd.DataFrame:
        import pandas as pd

        for pair in self.info["pairs"]:
            if (pair["publisher"], pair["recommender"]) == (publisher, recommender):
                if what not in pair:
                    raise RunError(f"{self.folder} keeps no {what} of {recommender} on {publisher}")
                return pd.read_parquet(self.folder / pair[what])
        raise RunError(f"{self.folder} has no {recommender} on {publisher}")

    @property
    def publishers(self) -> list[str]:
        """Names of the publishers."""
        return [facts["publisher"] for facts in self.info["publishers"]]

    def facts(self, publisher: str) -> dict[str, Any]:
        """What run.json says of a publisher. Raises `RunError` if the run has none of that name."""
        for facts in self.info["publishers"]:
            if facts["publisher"] == publisher:
                return dict(facts)
        raise RunError(f"{self.folder} has no publisher {publisher!r}; it has {', '.join(self.publishers)}")

    def pairs(self, publisher: str) -> list[dict[str, Any]]:
        """What run.json says of each recommender on a publisher."""
        return [pair for pair in self.info["pairs"] if pair["publisher"] == publisher]

    def seeds(self, publisher: str) -> dict[str, dict[int, str]]:
        """Recommenders that were repeated, by their specs without a seed: each seed, and what it is called."""
        found: dict[str, list[dict[str, Any]]] = {}
        for pair in self.pairs(publisher):
            if "of" in pair:
                found.setdefault(pair["of"], []).append(pair)
        told = self.info["options"].get("seeds", ())
        return {
            of: {seed: pair["recommender"] for seed, pair in zip(told, pairs, strict=True) if pair["status"] == "done"}
            for of, pairs in found.items()
        }

    def measured(self, publisher: str) -> Measured:
        """Results and replicates of a publisher, recommender by recommender."""
        results = [result for result in self.results if result.publisher == publisher]
        path = publisher_files(self.folder, publisher).replicates
        try:
            replicates = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise RunError(f"{path} cannot be read: {error}") from None
        if replicates.ndim != 3 or replicates.shape[0] * replicates.shape[1] != len(results):
            raise RunError(f"{path} does not fit {self.folder / 'results.json'}; run it again")
        return Measured(results, replicates)

    def reads(self, publisher: str) -> Reads:
        """The scored reads of a publisher."""
        return read_reads(publisher_files(self.folder, publisher).frame)

    def impressions(self, publisher: str) -> Impressions | None:
        """The scored impressions of a publisher, if it has any."""
        return read_impressions(publisher_files(self.folder, publisher).shown)

    def outcomes(self, publisher: str, recommender: str) -> Outcomes:
        """What became of one recommender's slates, by the places of `reads`."""
        return read_outcomes(pair_files(self.folder, publisher, recommender).outcomes)

    def places(self, publisher: str, recommender: str) -> Column:
        """The places of these outcomes alone, int16[reads]."""
        return read_places(pair_files(self.folder, publisher, recommender).outcomes)

    def rankings(self, publisher: str, recommender: str) -> Ranked | None:
        """What one recommender's scores were worth, by the places of `impressions`; None if it scored none."""
        return read_rankings(pair_files(self.folder, publisher, recommender).rankings)


def info_of(folder: Path) -> dict[str, Any]:
    """The run.json of a folder, also while its scoring has not ended. Raises `RunError`."""
    try:
        info: dict[str, Any] = dict(json.loads((folder / "run.json").read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{folder} holds no run: {error}") from None
    if info.get("format") != FORMAT:
        raise RunError(f"{folder} was written by another version of newsreplay; run it again")
    return info


def options_of(info: dict[str, Any]) -> Options:
    """The options of a run, from its run.json."""
    told = {"seeds": ()} | info["options"]  # older runs have none
    told["seeds"] = tuple(told["seeds"])
    return Options(**{field.name: told[field.name] for field in fields(Options)})


def data_of(info: dict[str, Any], folder: Path, data: Any) -> Dataset:
    """The data set of a run: `data`, or what lies where it lay. Raises `RunError` if it is another one."""
    told = info["data"]
    try:
        dataset = Dataset(Path(told["folder"])) if data is None else find_data(data)
        digest = dataset.card["digest"]
    except DataError as error:
        raise RunError(f"the data of {folder} are not there ({error}); name them with --data") from None
    if digest != told["digest"]:
        raise RunError(
            f"{dataset.folder} does not hold the data of {folder} (digest {digest}, not {told['digest']}); "
            "name them with --data, prepared as they were then"
        )
    return dataset
