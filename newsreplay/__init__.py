"""newsreplay replays a news publisher's click log and judges recommenders on what readers did next.

    import newsreplay

    run = newsreplay.run(data="demo", recommenders=["trend", "recency"])
    print(run)               # the leaderboard
    run.to_pandas()          # every metric with its interval

- Running: `run`, `Run`, `leaderboard`
- Writing a recommender: `Recommender`, `Event` and its kinds (`READ`, …), `Catalog`, `check`
- Data: `find_data`, `prepare_data`
- What goes wrong: `NewsreplayError`
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from newsreplay.version import __version__

if TYPE_CHECKING:
    from newsreplay.api import Run, run
    from newsreplay.datasets import find_data, prepare_data
    from newsreplay.errors import NewsreplayError
    from newsreplay.log.catalog import Catalog
    from newsreplay.log.rows import HISTORY, IMPRESSION, OUTCOME, PUBLISH, READ, Event
    from newsreplay.recommenders.base import Deferred, Recommender, SelfReport
    from newsreplay.report.tables.leaderboard import leaderboard
    from newsreplay.simulator.checks import check

_HOME = {
    **dict.fromkeys(("HISTORY", "IMPRESSION", "OUTCOME", "PUBLISH", "READ"), "newsreplay.log.rows"),
    "SelfReport": "newsreplay.recommenders.base",
    "Catalog": "newsreplay.log.catalog",
    "Event": "newsreplay.log.rows",
    "Deferred": "newsreplay.recommenders.base",
    "NewsreplayError": "newsreplay.errors",
    "Recommender": "newsreplay.recommenders.base",
    "Run": "newsreplay.api",
    "check": "newsreplay.simulator.checks",
    "find_data": "newsreplay.datasets",
    "leaderboard": "newsreplay.report.tables.leaderboard",
    "prepare_data": "newsreplay.datasets",
    "run": "newsreplay.api",
}

__all__ = [
    "HISTORY",
    "IMPRESSION",
    "OUTCOME",
    "PUBLISH",
    "READ",
    "Catalog",
    "Deferred",
    "Event",
    "NewsreplayError",
    "Recommender",
    "Run",
    "SelfReport",
    "__version__",
    "check",
    "find_data",
    "leaderboard",
    "prepare_data",
    "run",
]


def __getattr__(name: str) -> Any:
    # Imported on first use, so that `newsreplay --help` needs neither numba nor pyarrow.
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'newsreplay' has no attribute {name!r}")
