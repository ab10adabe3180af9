"""Run folders, read back: results, timings, slates."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from newsreplay.errors import RunError
from newsreplay.report.headings import LEAKS
from newsreplay.simulator.files import (
    Impressions,
    Reads,
    pair_files,
    publisher_files,
    read_impressions,
    read_outcomes,
    read_places,
    read_rankings,
    read_reads,
)
from newsreplay.simulator.folder import FORMAT
from newsreplay.simulator.judge import Outcomes
from newsreplay.simulator.log import Column
from newsreplay.simulator.metrics import Measured, Result
from newsreplay.simulator.rankings import Ranked

if TYPE_CHECKING:
    import pandas as pd


class Run:
    """A finished run. Printing it shows the leaderboard; `to_pandas` and `slates` hand out frames.

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
        self.timing: dict[str, Any] = self._load("timing.json", dict)
        self.results: list[Result] = self._load("results.json", lambda rows: [Result(**row) for row in rows])

    def _load(self, name: str, make: Callable[[Any], Any]) -> Any:
        try:
            return make(json.loads((self.folder / name).read_text("utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise RunError(f"{self.folder / name} cannot be read: {error}") from None

    def __str__(self) -> str:
        from newsreplay.report.leaderboard import leaderboard

        return leaderboard([self])

    def shown(self, recommender: str) -> str:
        """A recommender's name as every table and picture shows it: who was given the future bears a mark."""
        return f"{recommender}{LEAKS}" if recommender in self.leaks else recommender

    def _repr_html_(self) -> str:
        """A plain table for notebooks."""
        frame = self.to_pandas()
        frame["recommender"] = frame.recommender.map(self.shown)
        wide = frame[frame.metric.str.endswith("_success@1")].pivot_table(
            index="recommender", columns=["publisher", "metric"], values="value", sort=False
        )
        html: str = wide.to_html(escape=True)
        return html

    def report(self, path: str | Path | None = None) -> Path:
        """Write the run as one HTML page, by default `report.html` in its folder; returns where it is."""
        from newsreplay.report.contents import contents
        from newsreplay.report.page import write_page

        path = self.folder / "report.html" if path is None else Path(path)
        write_page(contents(self), path)
        return path

    def plot(self, folder: str | Path | None = None) -> list[Path]:
        """Draw the run as PNG, SVG and CSV, by default into `pictures` in its folder; returns the files."""
        from newsreplay.report.contents import contents
        from newsreplay.report.plots import draw_run

        return draw_run(contents(self), self.folder / "pictures" if folder is None else Path(folder))

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
