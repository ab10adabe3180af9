"""What `import newsreplay` offers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from newsreplay.simulator.run import run as replay_and_judge
from newsreplay.simulator.runs.folder import RunFolder


class Run(RunFolder):
    """A finished run. Printing it shows the leaderboard; `to_pandas` and `slates` hand out frames.

    `keep` is closed when the run is no longer used. Raises `RunError` where the folder holds no finished run.
    """

    def __str__(self) -> str:
        from newsreplay.report.tables.leaderboard import leaderboard

        return leaderboard([self])

    def _repr_html_(self) -> str:
        """A plain table for notebooks."""
        from newsreplay.report.facts import display_name

        frame = self.to_pandas()
        frame["recommender"] = frame.recommender.map(lambda name: display_name(self, name))
        wide = frame[frame.metric.str.endswith("_success@1")].pivot_table(
            index="recommender", columns=["publisher", "metric"], values="value", sort=False
        )
        html: str = wide.to_html(escape=True)
        return html

    def report(self, path: str | Path | None = None) -> Path:
        """Write the run as one HTML page, by default `report.html` in its folder; returns where it is."""
        from newsreplay.report.contents import contents
        from newsreplay.report.page.page import write_page

        path = self.folder / "report.html" if path is None else Path(path)
        write_page(contents(self), path)
        return path

    def plot(self, folder: str | Path | None = None) -> list[Path]:
        """Draw the run as PNG, SVG and CSV, by default into `pictures` in its folder; returns the files."""
        from newsreplay.report.contents import contents
        from newsreplay.report.pictures.run import draw_run

        return draw_run(contents(self), self.folder / "pictures" if folder is None else Path(folder))


def run(
    data: Any = "demo",
    recommenders: str | Iterable[Any] = "baselines",
    *,
    k: int = 10,
    publishers: Iterable[str] | None = None,
    warmup: int = 0,
    window: int | None = None,
    split: str | None = None,
    max_session_length: int | None = None,
    seed: int = 0,
    jobs: int | None = None,
    out: str | Path | None = None,
    slates: bool = True,
    cluster: str = "session",
    timed: bool = False,
    deadline: float | None = None,
    strict_deadline: bool = False,
    seeds: Iterable[int] = (),
    columns: dict[str, str] | None = None,
    preparing: dict[str, Any] | None = None,
    executor: Executor | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    command: str | None = None,
) -> Run:
    """Replay a data set before recommenders and score them; returns a `Run`.

    - `data`: a prepared name, `KIND:PATH`, a table file, a pandas frame of reads, or a `Dataset`; `columns`
      names a table's columns, `preparing` shapes how files are prepared (`newsreplay.datasets.prepare_data`).
    - `recommenders`: specs ("trend,circular(size=500)"), presets ("baselines"), recommender objects, or a
      list of these.
    - `k`: slate length; `publishers`: some of the data set's; `warmup`, `window`: ms from the first read
      during which sessions are not scored, and for how long after that those that begin are; `split` names a
      stretch that the data set itself has (MIND: "official"), in place of these two.
    - `out`: the run folder, by default a temporary one that goes when the returned object does.
    - `jobs`: pairs at a time, by default one a core, all in this process. If it is given, several plain-Python
      recommenders get processes of their own; a script then needs `if __name__ == "__main__":`. `executor`
      runs pairs elsewhere. Neither changes a byte of the results.
    - `cluster`: what is resampled for intervals, "session", "user" or "day".
    - `timed`: measure how long every answer takes; `deadline` (ms, implies `timed`): beyond it an answer is late, and
      with `strict_deadline` counts as none. Then results depend on the machine.
    - `seeds`: every recommender that takes a `seed` and was given none is repeated with each of these.
    - `progress(what, done, of)` is told how far the replay is, in rows, and what recommenders tell meanwhile.
    - `command` is kept as what reproduces the run.

    A recommender that fails costs only its own results. Raises `NewsreplayError` where the data, a spec or
    the folder cannot be used.

        >>> import newsreplay
        >>> run = newsreplay.run(data="demo", recommenders="trend,recency")   # doctest: +SKIP
        >>> print(run)                                                        # doctest: +SKIP
    """
    with ExitStack() as keep:
        folder = (
            Path(keep.enter_context(tempfile.TemporaryDirectory(prefix="newsreplay-"))) if out is None else Path(out)
        )
        replay_and_judge(
            data,
            recommenders,
            folder,
            k=k,
            publishers=publishers,
            warmup=warmup,
            window=window,
            split=split,
            max_session_length=max_session_length,
            seed=seed,
            jobs=jobs,
            slates=slates,
            cluster=cluster,
            timed=timed,
            deadline=deadline,
            strict_deadline=strict_deadline,
            seeds=seeds,
            columns=columns,
            preparing=preparing,
            executor=executor,
            progress=progress,
            command=command,
        )
        return Run(folder, keep.pop_all())
