"""What newsreplay knows of the machine: its cores, and where prepared data and compiled kernels are kept."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def home() -> Path:
    """`$NEWSREPLAY_HOME`, by default the platform's cache folder for newsreplay; it need not exist yet."""
    chosen = os.environ.get("NEWSREPLAY_HOME")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("newsreplay"))
