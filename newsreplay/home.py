"""Where newsreplay keeps prepared data and compiled kernels."""

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """`$NEWSREPLAY_HOME`, by default the platform's cache folder for newsreplay; it need not exist yet."""
    chosen = os.environ.get("NEWSREPLAY_HOME")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("newsreplay"))
