"""The clock of a run's stages."""

from __future__ import annotations

import pytest

from newsreplay.simulator.stages import STAGES, StageClock, add_up


def test_a_clock_adds_up_what_each_stage_takes_even_where_it_fails() -> None:
    ticks = iter([0, 1, 3, 10, 14, 20, 25, 100])
    clock = StageClock(lambda: next(ticks))
    with clock.stage("judge"):
        pass
    with clock.stage("replay"):
        pass
    with pytest.raises(ZeroDivisionError), clock.stage("judge"):
        raise ZeroDivisionError
    assert clock.seconds == {"judge": 2 + 5, "replay": 4}
    assert clock.in_all() == 100


def test_the_seconds_of_several_are_added_up_in_the_order_of_stages() -> None:
    assert [*add_up([{"write": 1.0}, {"judge": 2.0, "write": 0.5}, {}]).items()] == [("judge", 2.0), ("write", 1.5)]
    assert add_up([]) == {}
    assert [*add_up([dict.fromkeys(reversed(STAGES), 1.0)])] == [*STAGES]
