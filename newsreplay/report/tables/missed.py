"""The table of causes of misses."""

from __future__ import annotations

from newsreplay.report import misses
from newsreplay.report.facts import display_name, leaks, singly
from newsreplay.report.misses import TOO_LATE
from newsreplay.report.tables.tables import Cell, Table, _caption, render
from newsreplay.simulator.runs.folder import RunFolder


def missed(run: RunFolder, *, style: str = "table") -> str:
    """Why the recommenders of a run missed: the share of the reads that could have been hits, by cause."""
    k = int(run.info["options"]["k"])
    causes = misses.causes(k)
    # Only a strict deadline makes answers late.
    told = [place for place, cause in enumerate(causes) if run.info["options"]["strict_deadline"] or cause != TOO_LATE]
    tables, records = [], []
    for publisher in run.publishers:
        reads, facts = run.reads(publisher), run.facts(publisher)
        later = facts["later_reads"]
        rows = []
        for pair in run.pairs(publisher):
            if pair["status"] != "done" or not later:
                continue
            counts = misses.count(reads, run.places(publisher, pair["recommender"]), k)
            records += [
                {"publisher": publisher, "recommender": display_name(run, pair["recommender"]), "cause": cause}
                | {"reads": int(count)}
                | {"share": count / later}
                for cause, count in zip(causes, counts.tolist(), strict=True)
            ]
            rows.append(
                (display_name(run, pair["recommender"]), [Cell(f"{100 * counts[place] / later:.2f}") for place in told])
            )
        rows.sort(key=lambda row: -float(row[1][0].text))
        ceiling = f"{facts['reachable_reads'] / later:.2%}" if later else "-"
        tables.append(
            Table(
                "recommender",
                [("", causes[place]) for place in told],
                rows,
                [
                    f"per cent of {later:,} reads that could have been hits (all of scored sessions but their first); "
                    f"an oracle reaches {ceiling} of them",
                    *leaks(run),
                    *singly(run),
                ],
                [],
                _caption(run, publisher),
            )
        )
    if style in ("json", "csv"):
        return render(Table("", [], [], [], records), style)
    return "\n\n".join(render(table, style) for table in tables)
