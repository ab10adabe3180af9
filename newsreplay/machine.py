"""What newsreplay knows of the machine: cores, limits of memory, where prepared data and compiled kernels are kept."""

from __future__ import annotations

import os
import re
from pathlib import Path

import platformdirs

from newsreplay.errors import NewsreplayError

_UNITS = {"KB": 1000, "MB": 1000**2, "GB": 1000**3, "KIB": 1024, "MIB": 1024**2, "GIB": 1024**3}


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parse_bytes(text: str) -> int:
    """Bytes from `500MB`, `2GB`, `1.5GiB`.

    >>> parse_bytes("2GB"), parse_bytes("0.5 GiB")
    (2000000000, 536870912)

    Raises `NewsreplayError` where it is nothing of the kind.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]i?B)", text.strip(), re.IGNORECASE)
    if match is None or not float(match[1]):
        raise NewsreplayError(f"{text!r} is no amount of memory; write 500MB or 2GB")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def limit_memory(most: int) -> None:
    """Let this process take so many bytes at most, whoever in it takes them; beyond that it is told there are no more.

    Linux only.
    """
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def home() -> Path:
    """`$NEWSREPLAY_HOME`, by default the platform's cache folder for newsreplay; it need not exist yet."""
    chosen = os.environ.get("NEWSREPLAY_HOME")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("newsreplay"))
