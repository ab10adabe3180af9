"""Pictures of a run, for papers: how good its recommenders are, how sure that is, where they miss and what they cost.

Drawn from the contents of a run (`contents.py`), never from the run itself. Imports matplotlib (see `drawing.py`),
and so is imported only where pictures are drawn.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from newsreplay.errors import NewsreplayError
from newsreplay.files import file_name
from newsreplay.report.pictures.arranged import ArrangedRun, arranged
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
from newsreplay.report.pictures.slices import draw_slices, slice_rows
from newsreplay.report.pictures.success import (
    E,
    P,
    event_against_session,
    event_against_session_rows,
    over_time,
    over_time_rows,
)
from newsreplay.report.records import ReportContents


class Picture(NamedTuple):
    """A picture, and the table of its numbers."""

    name: str  #: of its files
    draw: Callable[[ArrangedRun], Figure | None]  #: None = there are no data for it
    header: list[str]
    rows: Callable[[ArrangedRun], Rows]


class Drawn(list[Path]):
    """Files of pictures, which a notebook shows."""

    def _repr_html_(self) -> str:
        """The SVGs, whatever becomes of the files."""
        pictures = [base64.b64encode(path.read_bytes()).decode() for path in self if path.suffix == ".svg"]
        style = "max-width: 100%"
        return "\n".join(f'<img src="data:image/svg+xml;base64,{picture}" style="{style}">' for picture in pictures)


def draw_run(contents: ReportContents, folder: Path, pictures: Sequence[Picture] | None = None) -> Drawn:
    """Draw a run into `folder`, each picture as PNG and SVG with its numbers as CSV; the files written.

    - `success_over_time`: the headline metric of the best six recommenders in each stretch of time, marked where it
      changed if `contents` has that;
    - `event_against_session`: E@1 against P@1;
    - `quality_against_cost`: the headline metric against processor time per event, with the Pareto front;
    - `publishers_by_recommenders`: the headline metric relative to each publisher's best, if there are two or more;
    - `rank_stability`: ranks by the headline metric with the range of 95 % of the replicates;
    - `slices_BY` for each slice: the headline metric (or the slice's first) of the best six recommenders by group;
    - `misses`: why reads that could have been hits were none;
    - `impressions`: AUC, MRR and nDCG@10, if the data have impressions.

    `pictures` are some of `pictures_of` these contents, by default all. A picture without data is left out. Best are
    those with the best mean rank over the publishers, as in the leaderboard; of more than 60 the best 60 are drawn,
    and of more than six publishers those with most scored sessions.
    Recommenders that foresee are drawn for reference and not ranked. The CSV files hold all that did not fail, with
    names and values as `contents` has them; `drawn` marks those in the picture. Raises `NewsreplayError` if nothing
    can be drawn, or `folder` cannot be written.
    """
    if not any(row["status"] == "done" for publisher in contents["publishers"] for row in publisher["rows"]):
        raise NewsreplayError(f"{contents['title']} has nothing to draw: every recommender failed")
    with drawing_into(folder):
        run = arranged(contents)
        files: list[Path] = []
        for picture in pictures_of(contents) if pictures is None else pictures:
            figure = picture.draw(run)
            if figure is not None:
                table = write_table(folder / f"{picture.name}.csv", picture.header, picture.rows(run))
                files += [*save(figure, folder / picture.name), table]
    if not files:
        raise NewsreplayError(f"{contents['title']} has nothing to draw: its recommenders have no values")
    return Drawn(files)


# --- which pictures -------------------------------------------------------------------------------------

_VALUE = ["value", "low", "high", "n", "drawn"]


def pictures_of(contents: ReportContents) -> list[Picture]:
    """The pictures that a run may have."""
    pair = ["publisher", "recommender"]
    whose = ["foresees", "drawn"]
    both = [E, f"{E}_low", f"{E}_high", P, f"{P}_low", f"{P}_high", "n"]
    quality = ["metric", "value", "low", "high"]
    overs = [publisher["over_time"] for publisher in contents["publishers"]]
    changes = ["changes"] if any(over and "changes" in over for over in overs) else []
    slices = list(dict.fromkeys(part["by"] for publisher in contents["publishers"] for part in publisher["slices"]))
    return [
        Picture("success_over_time", over_time, [*pair, "metric", "start", *_VALUE, *changes], over_time_rows),
        Picture("event_against_session", event_against_session, [*pair, *both, *whose], event_against_session_rows),
        Picture(
            "quality_against_cost",
            quality_against_cost,
            [*pair, *quality, *SPENT, "pareto", *whose],
            quality_against_cost_rows,
        ),
        Picture(
            "publishers_by_recommenders",
            publishers_by_recommenders,
            [*pair, "metric", "value", "relative", *whose],
            publishers_by_recommenders_rows,
        ),
        Picture(
            "rank_stability",
            rank_stability,
            [*pair, "metric", "value", "rank", "rank_low", "rank_high", "stable", "drawn"],
            rank_stability_rows,
        ),
        *(
            Picture(
                f"slices_{file_name(by)}",
                partial(draw_slices, by),
                [*pair, "by", "group", "metric", *_VALUE],
                partial(slice_rows, by),
            )
            for by in slices
        ),
        Picture("misses", misses, [*pair, "cause", "share", "ceiling", *whose], misses_rows),
        Picture("impressions", impressions, [*pair, "metric", "value", "low", "high", "n", *whose], impressions_rows),
    ]
