"""Sweeps: lists in specs unfolded, and a log in two stretches."""

from __future__ import annotations

from pathlib import Path

import pytest

from newsreplay.datasets import find_data
from newsreplay.errors import NewsreplayError, SpecError
from newsreplay.simulator.judgement.scope import Scope
from newsreplay.simulator.sweeps import stretches, unfold
from newsreplay.spec import parse_spec

HOUR = 3_600_000


def candidates(text: str, trials: int | None = None, seed: int = 0) -> list[str]:
    return [str(one) for one in unfold(parse_spec(text), trials, seed).candidates]


def test_lists_unfold_to_all_their_combinations() -> None:
    assert candidates("mine(a=[1, 2], b=x, c=[p, false])") == [
        "mine(a=1, b=x, c=p)",
        "mine(a=1, b=x, c=False)",
        "mine(a=2, b=x, c=p)",
        "mine(a=2, b=x, c=False)",
    ]
    assert str(unfold(parse_spec("mine(a=[1, 2], b=x)")).default) == "mine(b=x)"


def test_a_parameter_that_takes_a_list_is_swept_over_lists_and_one_alone_is_its_value() -> None:
    assert candidates("mine(sizes=[[9], [9, 3]], top=[[1, 2]])") == [
        "mine(sizes=[9], top=[1, 2])",
        "mine(sizes=[9, 3], top=[1, 2])",
    ]


def test_some_of_a_grid_are_drawn_by_a_seed_and_none_twice() -> None:
    text = f"mine(a={[*range(40)]}, b={[*range(50)]})"
    some = candidates(text, 30, 1)
    assert len({*some}) == 30
    assert some == candidates(text, 30, 1) != candidates(text, 30, 2)
    assert candidates("mine(a=[1, 2])", 30) == candidates("mine(a=[1, 2])")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trend", "nothing to tune"),
        ("trend(hours=[6])", "nothing to tune"),
        ("mine(a=[1, 2], b=[])", "b has no values"),
        ("trend(hours=[6, 6])", "one of them twice"),
        (f"mine(a={[*range(40)]}, b={[*range(50)]})", "2,000 combinations"),
    ],
)
def test_what_cannot_be_swept_is_refused(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        unfold(parse_spec(text))


def test_the_later_stretch_begins_where_the_early_one_ends(tmp_path: Path) -> None:
    rows = "".join(f"u{n},a{n % 3},{1_600_000_000 + 3600 * n}\n" for n in range(11))
    (tmp_path / "log.csv").write_text("user,item,time\n" + rows)
    dataset = find_data(tmp_path / "log.csv")
    half = stretches(dataset, Scope(warmup=2 * HOUR), None)
    assert half.early == Scope(warmup=2 * HOUR, window=4 * HOUR)
    assert half.late == Scope(warmup=6 * HOUR)
    within = stretches(dataset, Scope(window=5 * HOUR), HOUR)
    assert within.early == Scope(window=HOUR)
    assert within.late == Scope(warmup=HOUR, window=4 * HOUR)
    for scope, choose in ((Scope(), 11 * HOUR), (Scope(warmup=20 * HOUR), None), (Scope(window=HOUR), HOUR)):
        with pytest.raises(NewsreplayError, match="is empty"):
            stretches(dataset, scope, choose)
