"""Pictures of a run, for papers: how good its recommenders are, how sure that is, where they miss and what they cost.

Drawn from the contents of a run (`contents.py`), never from the run itself. Imports matplotlib (`drawing.py` tells
what follows from that), and so is imported only when somebody wants pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from newsreplay.errors import NewsreplayError
from newsreplay.report.pictures.arranged import Contents, Run, arranged
from newsreplay.report.pictures.cost import SPENT, quality_against_cost, quality_against_cost_rows
from newsreplay.report.pictures.drawing import Figure, Rows, drawing_into, save, write_table
from newsreplay.report.pictures.impressions import impressions, impressions_rows
from newsreplay.report.pictures.misses import misses, misses_rows
from newsreplay.report.pictures.ranks import (
    publishers_by_recommenders,
    publishers_by_recommenders_rows,
    rank_stability,
    rank_stability_rows,
)
from newsreplay.report.pictures.slices import _slices, slice_rows
from newsreplay.report.pictures.success import (
    E,
    P,
    event_against_session,
    event_against_session_rows,
    over_time,
    over_time_rows,
)
from newsreplay.simulator.runs.paths import file_name


def draw_run(contents: Contents, folder: Path) -> list[Path]:
    """Draw a run into `folder`, each picture as PNG and SVG with its numbers as CSV; the files written.

    - `success_over_time`: the headline metric of the best six recommenders in each stretch of time;
    - `event_against_session`: E@1 against P@1;
    - `quality_against_cost`: the headline metric against processor time per event, with the Pareto front;
    - `publishers_by_recommenders`: the headline metric relative to each publisher's best, if there are two or more;
    - `rank_stability`: ranks by the headline metric with the range of 95 % of the replicates;
    - `slices_BY` for each slice: the headline metric (or the slice's first) of the best six recommenders by group;
    - `misses`: why reads that could have been hits were none;
    - `impressions`: AUC, MRR and nDCG@10, if the data have impressions.

    A picture without data is left out. Best are those with the best mean rank over the publishers by the headline
    metric; of more than 60 the best 60 are drawn, and of more than six publishers those with most scored sessions.
    Recommenders that foresee are drawn for reference and not ranked. The CSV files hold all that did not fail, with
    names and values as `contents` has them; `drawn` tells who is in the picture. Raises `NewsreplayError` if nothing
    can be drawn, or `folder` cannot be written.
    """
    if not any(row["status"] == "done" for each in contents["publishers"] for row in each["rows"]):
        raise NewsreplayError(f"{contents['title']} has nothing to draw: every recommender failed")
    with drawing_into(folder):
        run = arranged(contents)
        files: list[Path] = []
        for name, draw_one, header, rows in _pictures(contents):
            figure = draw_one(run)
            if figure is not None:
                files += [*save(figure, folder / name), write_table(folder / f"{name}.csv", header, rows(run))]
    if not files:
        raise NewsreplayError(f"{contents['title']} has nothing to draw: its recommenders have no values")
    return files


# --- which pictures -------------------------------------------------------------------------------------

_Picture = tuple[str, Callable[[Run], Figure | None], list[str], Callable[[Run], Rows]]
_VALUE = ["value", "low", "high", "n", "drawn"]


def _pictures(contents: Contents) -> list[_Picture]:
    """Name, drawing, and the header and rows of the table of each picture that a run may have."""
    pair = ["publisher", "recommender"]
    whose = ["foresees", "drawn"]
    both = [E, f"{E}_low", f"{E}_high", P, f"{P}_low", f"{P}_high", "n"]
    quality = ["metric", "value", "low", "high"]
    slices = list(dict.fromkeys(part["by"] for each in contents["publishers"] for part in each.get("slices", ())))
    return [
        ("success_over_time", over_time, [*pair, "metric", "start", *_VALUE], over_time_rows),
        ("event_against_session", event_against_session, [*pair, *both, *whose], event_against_session_rows),
        (
            "quality_against_cost",
            quality_against_cost,
            [*pair, *quality, *SPENT, "pareto", *whose],
            quality_against_cost_rows,
        ),
        (
            "publishers_by_recommenders",
            publishers_by_recommenders,
            [*pair, "metric", "value", "relative", *whose],
            publishers_by_recommenders_rows,
        ),
        (
            "rank_stability",
            rank_stability,
            [*pair, "metric", "value", "rank", "rank_low", "rank_high", "stable", "drawn"],
            rank_stability_rows,
        ),
        *(
            (
                f"slices_{file_name(by)}",
                partial(_slices, by),
                [*pair, "by", "group", "metric", *_VALUE],
                partial(slice_rows, by),
            )
            for by in slices
        ),
        ("misses", misses, [*pair, "cause", "share", "ceiling", *whose], misses_rows),
        ("impressions", impressions, [*pair, "metric", "value", "low", "high", "n", *whose], impressions_rows),
    ]
