"""How much the slates of recommenders overlap, as cells beside a comparison and as a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from newsreplay.report.overlaps import Overlaps, overlaps
from newsreplay.report.tables.rendering import render
from newsreplay.report.tables.tables import Cell, Record, ReportTable, Screen, publisher_caption
from newsreplay.report.together import check_alike, rows_of
from newsreplay.simulator.judgement.overlap import PERSISTENCE, Overlap
from newsreplay.simulator.runs.folder import RunFolder

OVERLAP_COLUMNS = ("RBO", "Jaccard", "same slates")


def overlap_matrix(runs: Sequence[RunFolder], *, style: str = "table", screen: Screen | None = None) -> str:
    """The mean rank-biased overlap of all pairs of the runs' recommenders as a table a publisher, or as records.

    Raises `RunError` for runs on other data or that score otherwise.
    """
    check_alike(runs)
    tables: list[ReportTable] = []
    records: list[Record] = []
    for publisher, rows in rows_of(runs).items():
        done = [row for row in rows if row.pair["status"] == "done"]
        names = [row.name.label for row in done]
        pairs = list(combinations(range(len(done)), 2))
        shared = overlaps(publisher, [(row.run, row.recommender) for row in done], pairs)
        by_pair = dict(zip(pairs, shared.pairs, strict=True))
        records += [
            {"publisher": publisher, "a": names[a], "b": names[b], **overlap_record(overlap)}
            for (a, b), overlap in by_pair.items()
        ]
        body = []
        for one, name in enumerate(names):
            cells = [by_pair.get((min(one, other), max(one, other))) for other in range(len(names))]
            texts = ["" if one == other else _decimal(cell) for other, cell in enumerate(cells)]
            body.append((f"{one + 1} {name}", [Cell(text) for text in texts]))
        notes = ["mean rank-biased overlap (RBO) of two recommenders' slates: 0 = nothing in common, 1 = the same"]
        columns = [("", str(number + 1)) for number in range(len(names))]
        caption = publisher_caption(runs[0], publisher)
        tables.append(ReportTable("recommender", columns, body, [*notes, *overlap_notes(shared)], caption))
    return render(tables, records, style, screen)


def overlap_record(overlap: Overlap | None) -> Record:
    """What JSON and CSV have of an overlap, without values where there is none."""
    if overlap is None or not overlap.requests:
        return {"rbo": None, "jaccard": None, "identical": None, "overlap_requests": 0}
    shares = {name: float(f"{getattr(overlap, name):.12g}") for name in ("rbo", "jaccard", "identical")}
    return {**shares, "overlap_requests": overlap.requests}


def overlap_cells(overlap: Overlap | None) -> list[Cell]:
    """The cells below `OVERLAP_COLUMNS`."""
    if overlap is None or not overlap.requests:
        return [Cell("-") for _ in OVERLAP_COLUMNS]
    return [Cell(f"{overlap.rbo:.3f}"), Cell(f"{overlap.jaccard:.3f}"), Cell(f"{overlap.identical:.1%}")]


def overlap_text(overlap: Overlap, k: int) -> str:
    """The overlap of two recommenders in a line."""
    rbo, jaccard, identical = (cell.text for cell in overlap_cells(overlap))
    return f"their slates overlap: RBO {rbo}, Jaccard@{k} {jaccard}, {identical} are the same"


def overlap_notes(shared: Overlaps) -> list[str]:
    """What to know of overlaps: how they were measured, or why there are none."""
    some = [overlap for overlap in shared.pairs if overlap is not None]
    missing = ["overlap: - where a run keeps no slates (--no-slates)"] if len(some) < len(shared.pairs) else []
    if not some:
        return missing
    which = "all scored requests" if shared.every == 1 else f"one in {shared.every:,} of the scored requests"
    return [
        f"overlap: means over {which} at which one of both offered anything; RBO with p = {PERSISTENCE:g}, "
        f"slates cut to {shared.k}",
        *missing,
    ]


def _decimal(overlap: Overlap | None) -> str:
    return overlap_cells(overlap)[0].text
