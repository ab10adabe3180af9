"""What is known of a built-in recommender before its module is imported: its place, family, paper, needs and cost."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

Family = Literal[
    "popularity", "content", "collaborative", "sessions", "bandits", "counters", "neural", "mixtures", "references"
]
FAMILIES: tuple[Family, ...] = get_args(Family)

Cost = Literal["cheap", "medium", "dear"]
#: µs of one core that an event takes, training included, at the defaults: what a class stays below. An order of
#: magnitude: of baselines and session neighbours on the demo's publisher A (docs/benchmarks.md), of others by the
#: seconds in benchmarks/regression.json. Articles alive, pools and processors move it.
COSTS: dict[Cost, float] = {"cheap": 1, "medium": 100, "dear": float("inf")}

#: What a recommender cannot do without, but for answers that are hardly better than chance.
NEEDS = {
    "reads": "reads of articles",
    "impressions": "impressions with their candidates",
    "texts": "titles of articles",
    "sessions": "sessions of two reads and more",
    "categories": "categories of articles",
    "neural": 'the extra of that name: pip install "newsreplay[neural]"',
    "river": 'the extra of that name: pip install "newsreplay[river]"',
    "sklearn": 'the extra of that name: pip install "newsreplay[sklearn]"',
    "parts": "other recommenders, named as its values",
    "answers": "a file of answers made elsewhere, named as its value",
}
PACKAGE = "newsreplay.recommenders"


class BuiltIn(NamedTuple):
    """One line of the registry."""

    target: str  #: "module:Class", the module below `PACKAGE`
    family: Family
    paper: str  #: authors and year, short; "" where there is none
    needs: str  #: names in `NEEDS`, with spaces between
    cost: Cost
