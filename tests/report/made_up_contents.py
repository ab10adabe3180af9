"""Made-up contents of a report, of any size and with any names: what `newsreplay.report.contents` hands over."""

from __future__ import annotations

from typing import Any

import numpy as np

DAY = 86_400_000

#: E@1 and P@1 in per cent at A, B and C, as the demo has them.
DEMO: dict[str, list[tuple[float, float]]] = {
    "circular(size=100)": [(11.297, 8.914), (11.136, 2.929), (2.241, 2.198)],
    "circular(size=200)": [(11.297, 8.914), (11.136, 2.929), (2.241, 2.198)],
    "circular(size=500)": [(11.297, 8.914), (11.136, 2.929), (2.241, 2.198)],
    "circular(size=1000)": [(11.297, 8.914), (11.136, 2.929), (2.241, 2.198)],
    "minhash": [(15.455, 13.516), (8.193, 2.880), (0.797, 0.784)],
    "trend(hours=2)": [(14.355, 12.379), (1.554, 0.909), (0.361, 0.361)],
    "trend(hours=6)": [(9.959, 8.900), (1.135, 0.741), (0.959, 0.951)],
    "trend(hours=12)": [(6.581, 6.044), (0.777, 0.526), (1.891, 1.867)],
    "popular(hours=48)": [(11.871, 11.204), (0.827, 0.785), (0.110, 0.110)],
    "random(hours=6)": [(2.411, 2.133), (1.799, 0.722), (0.218, 0.218)],
    "popular": [(11.845, 11.201), (0.827, 0.785), (0.110, 0.110)],
    "sequences": [(18.412, 16.302), (0.033, 0.033), (0.216, 0.216)],
    "popular(hours=24)": [(11.920, 11.212), (0.612, 0.568), (0.110, 0.110)],
    "random(hours=12)": [(1.256, 1.117), (1.077, 0.430), (0.455, 0.453)],
    "trend(hours=24)": [(4.538, 4.208), (0.499, 0.350), (1.552, 1.535)],
    "recency": [(0.856, 0.702), (7.033, 1.585), (0.011, 0.011)],
    "random(hours=24)": [(0.566, 0.543), (0.493, 0.215), (0.229, 0.229)],
    "popular(hours=6)": [(6.114, 5.664), (0.295, 0.193), (0.132, 0.132)],
    "popular(hours=12)": [(9.486, 8.833), (0.212, 0.149), (0.110, 0.110)],
    "random(hours=48)": [(0.293, 0.273), (0.276, 0.121), (0.116, 0.113)],
    "content": [(0.038, 0.032), (0.397, 0.394), (0.005, 0.005)],
    "random": [(0.026, 0.026), (0.014, 0.014), (0.013, 0.013)],
}

#: Names that would run, break a line, turn the text around or push everything else off the page.
HOSTILE = [
    "</script><img src=x onerror=\"document.title='pwned'\">",
    "<img src=x onerror=\"document.title='pwned'\">",
    "'\"><svg onload=document.title='pwned'>",
    "<!--<script>",
    "&lt;b&gt; &amp; `${document.title='pwned'}`",
    "\u202eevil\u202c \u2066turned",
    "שלום עולם",
    "two\nlines\r\n\tand a tab\x00\x1b[31m",
    "\u2028\u2029",
    "x" * 600,
    "no " * 200,
    "constructor",
    "__proto__",
    "Z\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308\u0309\u030a\u030b\u030c",
    "\ud800 half a sign",
    "\U0001f4f0\U0001f4f0 news 新聞",
    " ",
]

METRICS = [
    *(f"{kind}_success@{cut}" for cut in (1, 5, 10) for kind in ("event", "session")),
    *(f"session_{kind}@{cut}" for cut in (1, 5, 10) for kind in ("hit_rate", "mrr", "ndcg", "recall")),
    *(f"{kind}@10" for kind in ("coverage", "novelty", "popularity", "age", "category_diversity", "diversity", "gini")),
]
CAUSES = [
    "hit at 1",
    "ranked 2 to 10",
    "ranked below 10",
    "never a candidate",
    "already read",
    "not known yet",
    "answered too late",
]
SLICES = [
    ("hour", "hour of the day (UTC)", [str(hour) for hour in range(24)]),
    ("day", "day", ["2026-03-02", "2026-03-03", "2026-03-04"]),
    ("position", "position in the session", ["2", "3", "4", "5 to 7", "8 to 15", "16 and more"]),
    ("age", "age of the article", ["under 1 h", "1 to 6 h", "6 to 24 h", "1 to 3 d", "over 3 d"]),
    ("reader", "reader", ["first session", "returning"]),
    ("category", "category", ["politics", "sports", "culture", "science & technology", "local", "weather"]),
]


def made_up_contents(
    names: list[str] | None = None,
    publishers: tuple[str, ...] = ("A", "B", "C"),
    *,
    title: str = "demo: 22 baselines on three made-up publishers",
    notes: tuple[tuple[str, str], ...] = (
        ("made up", "made up: Everything: three synthetic publishers."),
        ("rejected", "rejected: 3 of 250,281 rows"),
    ),
    extras: bool = True,
    bare: bool = False,
) -> Any:
    """Contents with these recommenders (the demo's 22 if none are named) at these publishers.

    With `extras` an oracle and a row that failed stand beside them; when `bare`, nothing stands there but values:
    no intervals, ranks, costs, slices, misses.
    """
    names = list(DEMO) if names is None else names
    sections = [
        _publisher(name, "ABC".find(name) if name in tuple("ABC") else number, names, extras, bare)
        for number, name in enumerate(publishers)
    ]
    return {
        "title": title,
        "format": 1,
        "notes": list(notes),
        "manifest": [["newsreplay", "0.1.0"], ["data", "demo"], ["digest", "9f2c" * 16], ["k", "10"], ["seed", "0"]],
        "commands": ["newsreplay run --data demo --out runs/demo", "newsreplay report runs/demo"],
        "interval": "Intervals are 95 %: percentile bootstrap over scored sessions, 1,000 replicates, paired.",
        "mean_ranks": mean_ranks_of(sections),
        "publishers": sections,
    }


def mean_ranks_of(publishers: list[dict[str, Any]]) -> list[tuple[str, float | None]]:
    """Recommenders by their mean rank: equal values share the mean of their places, who has none comes last."""
    rows = [{row["recommender"]: row for row in publisher["rows"] if not row["foresees"]} for publisher in publishers]
    names = list(dict.fromkeys(name for by_name in rows for name in by_name))
    sums, valued = dict.fromkeys(names, 0.0), set()
    for publisher, by_name in zip(publishers, rows, strict=True):
        results = {name: by_name[name]["results"] if name in by_name else {} for name in names}
        values = {name: results[name].get(publisher["headline"], [None])[0] for name in names}
        valued |= {name for name in names if values[name] is not None}
        comparable = [-1 if value is None else value for value in values.values()]
        for name, value in zip(names, comparable, strict=True):
            sums[name] += sum(other > value for other in comparable) + (comparable.count(value) + 1) / 2
    return [
        (name, sums[name] / len(publishers) if name in valued else None)
        for name in sorted(names, key=lambda name: sums[name])
    ]


def _publisher(name: str, number: int, names: list[str], extras: bool, bare: bool) -> dict[str, Any]:
    random = np.random.default_rng(number)
    sessions = int(random.integers(30_000, 40_000))
    rows = [_row(each, number, sessions, random, bare) for each in names]
    _rank(rows, sessions, bare)
    if extras:
        oracle = _row("oracle", number, sessions, random, bare)
        oracle |= {"foresees": True, "rank": None, "against_best": None, "pareto": False, "misses": None}
        oracle["results"]["event_success@1"] = [0.934, 0.925, 0.943, sessions]
        error = "RecommenderError: my_ranker.py:Mine recommended 17, which is not known yet at row 5,120"
        failed = {
            "recommender": "my_ranker.py:Mine",
            "status": "failed",
            "error": error,
            "foresees": False,
            "leaks": None,
        }
        rows += [oracle, failed | {"results": {}, "rank": None, "stable": False, "against_best": None}]
        rows[-1] |= {"cost": None, "pareto": False, "misses": None}
    starts = [1_772_409_600_000 + hour * 3 * DAY // 24 for hour in range(24)]
    cells = {row["recommender"]: _wave(row, 24, random) for row in rows if row["results"]}
    return {
        "name": name,
        "facts": [
            ["sessions scored", f"{sessions:,} of {2 * sessions + 311:,}"],
            ["reads", f"{5 * sessions:,}"],
            ["span", "3.0 days"],
            ["hits in the longest 1 % of sessions", "12.3 %"],
        ],
        "headline": "event_success@1",
        "few_sessions": None,
        "metrics": METRICS,
        "rows": rows,
        "causes": [] if bare else CAUSES,
        "ceiling": None if bare else 0.62,
        "over_time": {
            "label": "3 hours each",
            "metric": "event_success@1",
            "starts": [] if bare else starts,
            "width": 3 * DAY // 24,
            "cells": {} if bare else cells,
        },
        "slices": [] if bare else [_slice(*each, rows, random) for each in SLICES],
    }


def _row(name: str, number: int, sessions: int, random: np.random.Generator, bare: bool) -> dict[str, Any]:
    e, p = (
        DEMO[name][number % 3] if name in DEMO else (float(random.uniform(0.02, 15)), float(random.uniform(0.02, 12)))
    )
    results: dict[str, list[Any]] = {}
    for metric in METRICS:
        kind, _, cut = metric.partition("@")
        factor = {"1": 1.0, "5": 2.6, "10": 3.7}[cut]
        value = {"event_success": e, "session_success": p}.get(kind, 0.8 * p) * factor / 100
        if kind in ("novelty", "age"):
            value = float(random.uniform(3, 14))
        elif kind in ("coverage", "popularity", "category_diversity", "diversity", "gini"):
            value = float(random.uniform(0.02, 0.98))
        half = 1.96 * 1.4 * (max(value, 1e-4) / sessions) ** 0.5
        has_interval = not bare and kind != "coverage"
        results[metric] = (
            [value, max(0.0, value - half), value + half, sessions] if has_interval else [value, None, None, sessions]
        )
    shares = random.dirichlet([1.0, 1.5, 1, 3, 0.6, 0.2]) * (1 - p / 100)
    told = [
        "ranked 2 to 10",
        "ranked below 10",
        "never a candidate",
        "already read",
        "not known yet",
        "answered too late",
    ]
    cost = {
        "us_per_event": float(10 ** random.uniform(-1, 1.6)),
        "state_bytes": int(10 ** random.uniform(3, 7.5)),
        "p50_ms": float(random.uniform(0.002, 0.02)),
        "p95_ms": float(random.uniform(0.02, 0.1)),
        "p99_ms": float(random.uniform(0.1, 0.6)),
        "max_ms": float(random.uniform(0.6, 9)),
        "late": 0.0,
    }
    return {
        "recommender": name,
        "status": "done",
        "error": None,
        "foresees": False,
        "leaks": None,
        "results": results,
        "rank": None,
        "stable": False,
        "against_best": None,
        "cost": None if bare else cost,
        "pareto": False,
        "misses": None if bare else {"hit at 1": p / 100, **dict(zip(told, shares.tolist(), strict=True))},
    }


def _rank(rows: list[dict[str, Any]], sessions: int, bare: bool) -> None:
    """Ranks as intervals overlap, differences to the best, the Pareto front."""
    if bare or not rows:
        return
    cells = [row["results"]["event_success@1"] for row in rows]
    best = max(cells, key=lambda cell: cell[0])
    for row, (value, low, high, _) in zip(rows, cells, strict=True):
        surely_better = sum(other[1] > high for other in cells)
        surely_worse = sum(other[2] < low for other in cells)
        row["rank"] = [1 + sum(other[0] > value for other in cells), 1 + surely_better, len(rows) - surely_worse]
        row["stable"] = row["rank"][1] == row["rank"][2]
        half = high - low
        distance = (best[0] - value) / max(half, 1e-9)
        p_value = min(1.0, float(2 * np.exp(-1.5 * distance**2)))
        row["against_best"] = [value - best[0], value - best[0] - half, value - best[0] + half, p_value]
        row["pareto"] = not any(
            other["cost"]["us_per_event"] < row["cost"]["us_per_event"] and cell[0] >= value
            for other, cell in zip(rows, cells, strict=True)
        )
        if row["results"]["event_success@1"] is best:
            row["against_best"] = None


def _wave(row: dict[str, Any], count: int, random: np.random.Generator) -> list[list[Any]]:
    value = row["results"]["event_success@1"][0] or 0.0
    cells: list[list[Any]] = []
    for n in range(count):
        there = value * (1 + 0.35 * np.sin(n / count * 6 * np.pi)) + value * random.normal(0, 0.05)
        there, half = max(0.0, float(there)), float(0.05 * value + 0.002)
        cells.append([None, None, None, 0] if n == 9 else [there, max(0.0, there - half), there + half, 1_400])
    return cells


def _slice(
    by: str, label: str, groups: list[str], rows: list[dict[str, Any]], random: np.random.Generator
) -> dict[str, Any]:
    metrics = ["event_success@1", "session_hit_rate@10", "session_ndcg@10"]
    cells = {
        metric: {row["recommender"]: _wave(row, len(groups), random) for row in rows if row["results"]}
        for metric in metrics
    }
    return {"by": by, "label": label, "groups": groups, "metrics": metrics, "cells": cells}
