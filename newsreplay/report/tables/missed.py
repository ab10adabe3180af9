"""The table of causes of misses."""

from __future__ import annotations

from newsreplay.log.rows import Asks
from newsreplay.report import misses
from newsreplay.report.facts import asking_notes, display_name, leak_notes, seed_notes
from newsreplay.report.headings import HEADLINE
from newsreplay.report.misses import TOO_LATE
from newsreplay.report.shown import few_notes, hides
from newsreplay.report.tables.rendering import render
from newsreplay.report.tables.tables import Cell, Record, ReportTable, Screen, publisher_caption
from newsreplay.simulator.runs.folder import RunFolder

_WHICH: dict[Asks, str] = {
    "reads": "those after a scored session's first instant",
    "impressions": "those of scored sessions that an impression brought, or that follow one",
}


def missed(run: RunFolder, *, style: str = "table", screen: Screen | None = None) -> str:
    """Why the recommenders of a run missed: the share of the reads that could have been hits, by cause."""
    k = int(run.info["options"]["k"])
    causes = misses.causes(k)
    # Only a strict deadline makes answers late.
    drawn = [place for place, cause in enumerate(causes) if run.info["options"]["strict_deadline"] or cause != TOO_LATE]
    tables: list[ReportTable] = []
    records: list[Record] = []
    for publisher in run.publishers:
        reads, facts = run.reads(publisher), run.facts(publisher)
        later = facts["later_reads"]
        rows: list[tuple[str, list[Cell]]] = []
        hidden = hides(facts, HEADLINE)
        for pair in run.pairs(publisher):
            if pair["status"] != "done" or not later:
                continue
            name = display_name(run, pair["recommender"])
            if hidden:
                counts, cells = None, [Cell("-") for _ in drawn]
            else:
                counts = misses.count(reads, run.places(publisher, pair["recommender"]), k)
                cells = [Cell(f"{100 * counts[place] / later:.2f}") for place in drawn]
            rows.append((name, cells))
            for place, cause in enumerate(causes):
                number = None if counts is None else int(counts[place])
                records.append(
                    {
                        "publisher": publisher,
                        "recommender": name,
                        "cause": cause,
                        "reads": number,
                        "share": None if number is None else number / later,
                    }
                )
        if not hidden:
            rows.sort(key=lambda row: -float(row[1][0].text))
        ceiling = f"{facts['reachable_reads'] / later:.2%}" if later and not hidden else "-"
        told = (*few_notes(facts), *asking_notes(run), *leak_notes(run), *seed_notes(run))
        tables.append(
            ReportTable(
                "recommender",
                [("", causes[place]) for place in drawn],
                rows,
                [
                    f"per cent of {later:,} reads that could have been hits ({_WHICH[run.asks]}); an oracle reaches "
                    f"{ceiling} of them",
                    *(note.text for note in told),
                ],
                publisher_caption(run, publisher),
            )
        )
    return render(tables, records, style, screen)
