"""Run folders, read back: results, timings, slates."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from newsreplay.errors import RunError
from newsreplay.simulator.folder import FORMAT
from newsreplay.simulator.metrics import Result

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
        if (self.folder / "unfinished").exists() or not (self.folder / "run.json").exists():
            state = "a run that has not ended" if (self.folder / "unfinished").exists() else "no run"
            raise RunError(f"{self.folder} holds {state}; start one with 'newsreplay run --out {self.folder}'")
        self.info: dict[str, Any] = self._load("run.json", dict)  #: data, options, versions, publishers, pairs
        if self.info.get("format") != FORMAT:
            raise RunError(
                f"{self.folder} was written by another version of newsreplay (format {self.info.get('format')}, "
                f"this one reads {FORMAT}); run it again"
            )
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

    def _repr_html_(self) -> str:
        """A plain table for notebooks."""
        frame = self.to_pandas()
        wide = frame[frame.metric.str.endswith("_success@1")].pivot_table(
            index="recommender", columns=["publisher", "metric"], values="value", sort=False
        )
        html: str = wide.to_html(escape=True)
        return html

    def to_pandas(self) -> pd.DataFrame:
        """All results as a frame: publisher, recommender, metric, value, low, high, n."""
        import pandas as pd

        return pd.DataFrame(self.results, columns=list(Result._fields))

    def slates(self, publisher: str, recommender: str) -> pd.DataFrame:
        """The answers of one recommender on one publisher: row, time, session, user, item, slate."""
        import pandas as pd

        for pair in self.info["pairs"]:
            if (pair["publisher"], pair["recommender"]) == (publisher, recommender):
                if "slates" not in pair:
                    raise RunError(f"{self.folder} keeps no slates of {recommender} on {publisher}")
                return pd.read_parquet(self.folder / pair["slates"])
        raise RunError(f"{self.folder} has no {recommender} on {publisher}")
