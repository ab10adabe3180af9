"""The coverage experiment of docs/intervals.md: its truths, its logs, and a small edition of its claim."""

from __future__ import annotations

import numpy as np
import pytest

from tests.scripts import script as load

experiment = load("interval_coverage")
WORLDS = (experiment.CLUSTERED, experiment.RARE, experiment.READERS, experiment.DAYS)


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_the_true_values_are_those_of_many_drawn_sessions(world: experiment.World) -> None:
    rng = np.random.default_rng(4)
    drawn = []
    for _ in range(40):
        _, more, q = experiment.draw_sessions(world, 150 if world.each else 5000, rng)
        session = np.repeat(np.arange(len(more)), more)
        hit = rng.random(session.size) < q[session]
        drawn.append([hit.sum() / len(more), np.unique(session[hit]).size / len(more), hit.mean()])
    error = np.std(drawn, axis=0, ddof=1) / np.sqrt(40)
    away = (np.mean(drawn, axis=0) - list(experiment.truth(world).values())[:3]) / error
    assert np.abs(away).max() < 4
    assert (error < 0.01).all()


def test_the_true_difference_and_its_spread_are_those_of_many_drawn_sessions() -> None:
    world, pair = experiment.CLUSTERED, experiment.Pair(0.8, 0.1)
    rng = np.random.default_rng(5)
    _, more, q = experiment.draw_sessions(world, 300_000, rng)
    hits = rng.binomial(more, q)
    gained = rng.binomial(hits, 1 - pair.keep) - rng.binomial(more - hits, pair.extra)
    mean, deviation = experiment.difference(world, pair)
    assert gained.mean() == pytest.approx(mean, abs=4 * deviation / np.sqrt(300_000))
    assert gained.std() == pytest.approx(deviation, rel=0.02)
    assert experiment.difference(world, experiment.no_better(world, 0.7))[0] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_the_judge_finds_the_hits_that_were_drawn(world: experiment.World) -> None:
    made = experiment.make(world, 3 if world.each else 60, np.random.default_rng(6))
    found = experiment.measured(made, seed=0)
    assert found["event_success@1"][0] == pytest.approx(made.hit.sum() / len(made.block), rel=1e-11)
    assert found["session_hit_rate@1"][0] == pytest.approx(made.hit.mean(), rel=1e-11)
    assert found["session_mrr@10"][0] == pytest.approx(made.reciprocal.mean(), rel=1e-11)
    unclustered = experiment.naive(made)
    sessions = np.repeat(np.arange(len(made.block)), np.bincount(made.publisher.log.session[experiment.ARTICLES :]) - 1)
    hit, offered = (np.unique(sessions[at]).size for at in (made.hit, made.reciprocal > 0))
    enough = {"session_hit_rate@1": hit >= 10, "session_mrr@10": offered >= 10}  # E and P always have an interval
    for metric, (value, low, high) in found.items():
        assert value == pytest.approx(unclustered[metric][0], rel=1e-11)
        if enough.get(metric, True):
            assert low <= value <= high
        else:
            assert (low, high) == (None, None)
    values, replicates, _ = experiment.replicated(made, 0)
    low, high = np.percentile(replicates[0], [2.5, 97.5])
    if hit < 40:  # the bootstrap is too narrow: its union with the exact bounds of P
        success, *bounds = (number * values[0] / found["session_success@1"][0] for number in found["session_success@1"])
        assert success == pytest.approx(values[0])
        low, high = min(low, bounds[0]), max(high, bounds[1])
    assert list(found["event_success@1"]) == pytest.approx([values[0], low, high], rel=1e-11)
    by_block = experiment.measured(made, 0, "day" if world.each else "user")
    assert [cell[0] for cell in by_block.values()] == [cell[0] for cell in found.values()]


def test_intervals_clustered_by_session_cover_what_intervals_of_reads_do_not() -> None:
    """60 logs of 300 sessions. The seeds are fixed; the bounds are 3 standard errors away from 95 %."""
    world = experiment.CLUSTERED
    cells = experiment.covered(world, (experiment.intervals_of_log(world, 300, log) for log in range(60)))
    for metric in ("event_success@1", "session_hit_rate@1", "session_mrr@10"):
        assert cells["by session", metric][0] >= 0.86
        assert cells["per read", metric][0] < 0.86
    assert cells["per read", "session_success@1"][0] >= 0.86  # one trial per session: there the two agree


def test_paired_differences_are_narrower_and_honest() -> None:
    world = experiment.CLUSTERED
    pair = experiment.no_better(world, 0.7)
    found = [experiment.compared(world, 300, pair, log) for log in range(60)]
    assert np.mean([log.low <= 0 <= log.high for log in found]) >= 0.86
    assert np.mean([log.p <= 0.05 for log in found]) <= 0.14
    assert all(log.high - log.low < log.apart[1] - log.apart[0] for log in found)
