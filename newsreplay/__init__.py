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

__version__ = "0.1.0"

if TYPE_CHECKING:
    from newsreplay.datasets import find_data, prepare_data
    from newsreplay.errors import NewsreplayError
    from newsreplay.recommenders.base import Account, Late, Recommender
    from newsreplay.report.leaderboard import leaderboard
    from newsreplay.report.run_folder import Run
    from newsreplay.simulator.catalog import Catalog
    from newsreplay.simulator.checks import check
    from newsreplay.simulator.log import HISTORY, IMPRESSION, OUTCOME, PUBLISH, READ, Event
    from newsreplay.simulator.run import run

_HOME = {
    **dict.fromkeys(("HISTORY", "IMPRESSION", "OUTCOME", "PUBLISH", "READ"), "newsreplay.simulator.log"),
    "Account": "newsreplay.recommenders.base",
    "Catalog": "newsreplay.simulator.catalog",
    "Event": "newsreplay.simulator.log",
    "Late": "newsreplay.recommenders.base",
    "NewsreplayError": "newsreplay.errors",
    "Recommender": "newsreplay.recommenders.base",
    "Run": "newsreplay.report.run_folder",
    "check": "newsreplay.simulator.checks",
    "find_data": "newsreplay.datasets",
    "leaderboard": "newsreplay.report.leaderboard",
    "prepare_data": "newsreplay.datasets",
    "run": "newsreplay.simulator.run",
}

__all__ = [
    "HISTORY",
    "IMPRESSION",
    "OUTCOME",
    "PUBLISH",
    "READ",
    "Account",
    "Catalog",
    "Event",
    "Late",
    "NewsreplayError",
    "Recommender",
    "Run",
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
