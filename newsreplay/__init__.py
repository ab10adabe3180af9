"""newsreplay replays a news publisher's click log and judges recommenders on what readers did next.

    import newsreplay

    run = newsreplay.run(data="demo", recommenders=["trend", "recency"])
    print(run)               # the leaderboard
    run.to_pandas()          # every metric with its interval

- Running: `run`, `resume`, `add`, `extend`, `Run`, `open`, `leaderboard`, `compare`
- Metrics of your own: `JudgedColumns`, what they are made of
- Writing a recommender: `Recommender`, `Event` and its `Kind`, `Catalog`, `Deferred`, `SelfReport`, `check`
- Data: `find_data`, `prepare_data`, `Dataset`
- What goes wrong: `NewsreplayError` and those below it (`newsreplay.errors`)
"""

from importlib import import_module
from typing import TYPE_CHECKING

from newsreplay.version import __version__

if TYPE_CHECKING:
    from newsreplay.api import (
        HISTORY,
        IMPRESSION,
        OUTCOME,
        PUBLISH,
        READ,
        Catalog,
        DataError,
        Dataset,
        Deferred,
        Event,
        JudgedColumns,
        Kind,
        NewsreplayError,
        Recommender,
        RecommenderError,
        Run,
        RunError,
        SelfReport,
        SpecError,
        add,
        check,
        compare,
        extend,
        find_data,
        leaderboard,
        open,
        prepare_data,
        resume,
        run,
    )

__all__ = [
    "HISTORY",
    "IMPRESSION",
    "OUTCOME",
    "PUBLISH",
    "READ",
    "Catalog",
    "DataError",
    "Dataset",
    "Deferred",
    "Event",
    "JudgedColumns",
    "Kind",
    "NewsreplayError",
    "Recommender",
    "RecommenderError",
    "Run",
    "RunError",
    "SelfReport",
    "SpecError",
    "__version__",
    "add",
    "check",
    "compare",
    "extend",
    "find_data",
    "leaderboard",
    "open",
    "prepare_data",
    "resume",
    "run",
]


def __getattr__(name: str) -> object:
    # Imported on first use, so that `newsreplay --help` needs neither numba nor pyarrow.
    if name in __all__:
        return getattr(import_module("newsreplay.api"), name)
    raise AttributeError(f"module 'newsreplay' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
