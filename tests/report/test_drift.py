"""When success changed: told where it did, and not where it did not."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

import newsreplay
from newsreplay.api import Run
from newsreplay.errors import NewsreplayError
from newsreplay.log.rows import Event
from newsreplay.recommenders.base import Recommender
from newsreplay.report.drift import changes
from newsreplay.report.slices import PublisherColumns

SESSIONS = 800
CHANGE = 400  #: the session from which on b is read after a, not c
START = pd.Timestamp("2020-01-01", tz="UTC")


class SaysB(Recommender):
    """Recommends the second article there is."""

    def recommend(self, request: Event, k: int) -> list[int]:
        return [1] if request.row > 2 else []


class SaysA(Recommender):
    """Recommends the first article, which all begin with: never a hit."""

    def recommend(self, request: Event, k: int) -> list[int]:
        return [0]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Sessions of two reads, one a minute: a, then c, later b; every fifth reads the other one."""
    rows = [
        {"time": START + pd.Timedelta(minutes=n, seconds=30 * i), "user": f"u{n}", "item": item}
        for n in range(SESSIONS)
        for i, item in enumerate(["a", "b" if (n >= CHANGE) != (n % 5 == 0) else "c"])
    ]
    folder = tmp_path_factory.mktemp("drift") / "run"
    return newsreplay.run(pd.DataFrame(rows), [SaysB(), SaysA()], out=folder)


def test_a_change_is_told_soon_after_it_and_where_nothing_changes_none_is(run: Run) -> None:
    (publisher,) = run.publishers
    found = changes(PublisherColumns(run, publisher))
    assert found["SaysA"] == []
    (when,) = found["SaysB"]
    session = (when - START.timestamp() * 1000) / 60_000
    assert CHANGE < session < CHANGE + 100


def test_changes_are_dotted_lines_of_the_picture_and_times_in_its_table(run: Run, tmp_path: Path) -> None:
    run.plot(tmp_path, drift=True)
    table = pd.read_csv(tmp_path / "success_over_time.csv", keep_default_na=False)
    (publisher,) = run.publishers
    (when,) = changes(PublisherColumns(run, publisher))["SaysB"]
    told = table[table.changes != ""]
    assert told[["recommender", "changes"]].to_numpy().tolist() == [
        ["SaysB", datetime.fromtimestamp(when / 1000, UTC).isoformat()]
    ]
    assert told.start.iloc[0] <= told.changes.iloc[0]
    assert "by ADWIN" in (tmp_path / "success_over_time.svg").read_text()
    run.plot(tmp_path)
    assert "changes" not in pd.read_csv(tmp_path / "success_over_time.csv").columns
    assert "by ADWIN" not in (tmp_path / "success_over_time.svg").read_text()


def test_without_river_drift_is_refused_with_the_way_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "river.drift", None)  # as if it were not installed
    with pytest.raises(NewsreplayError, match=r'drift needs river, .* pip install "newsreplay\[river\]"$'):
        run.plot(drift=True)
