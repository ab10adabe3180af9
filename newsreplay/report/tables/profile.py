"""The table of a run's seconds by stage."""

from __future__ import annotations

import os
from collections.abc import Mapping

from newsreplay.simulator.stages import STAGES, Stage


def profile(wall: Mapping[Stage, float], processor: Mapping[Stage, float], in_all: float) -> str:
    """Seconds by stage of a run that this process has just made.

    `wall` are those of what it did itself, one thing at a time, `in_all` of the whole run; `processor` are those of all
    pairs together, which share the cores. The last line has the processor's of this process since its start, and of
    those it has started: with imports, and with what no stage counts.
    """
    used = sum(os.times()[:4])  # user and system, of this process and of those that have ended
    rows = [(stage, wall.get(stage), processor.get(stage)) for stage in STAGES]
    lines = [f"{'stage':<9}  {'wall s':>8}  {'processor s':>11}"]
    lines += [f"{name:<9}  {_seconds(one):>8}  {_seconds(other):>11}" for name, one, other in rows]
    lines.append(f"{'in all':<9}  {_seconds(in_all):>8}  {_seconds(used):>11}")
    lines.append("wall: what the run's process did itself between pairs; processor: pairs, which share the cores")
    return "\n".join(lines)


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
