"""Run folders changed by hand, as if they had been written so."""

from __future__ import annotations

from pathlib import Path

from newsreplay.simulator.runs.files import seal


def sealed(folder: Path) -> Path:
    """A run folder whose digests are those of what it holds now, so that none of it counts as damaged."""
    seal(folder, (folder / "run.json").read_bytes())
    return folder
