"""What transformers loads: language models, their tokenizers, networks for images."""

from __future__ import annotations

import importlib
from typing import Any

from newsreplay.errors import SpecError


def load_pretrained(kind: str, name: str, called: str, what: str, needed: str, extra: str, **options: bool) -> Any:
    """Load what `kind`, a class of transformers, makes of a folder or a name on the hub.

    No code that comes with it is run. Raises `SpecError` where it cannot be loaded, or the package is missing: its text
    has what the folder is `called`, `what` it should hold, what is `needed`, and the `extra` to install.
    """
    try:
        transformers = importlib.import_module("transformers")
    except ImportError:
        raise without_transformers(called, extra) from None
    logging = transformers.utils.logging
    bars_on = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # of reading a file; those of downloads are others
    try:
        return getattr(transformers, kind).from_pretrained(name, trust_remote_code=False, **options)
    except Exception as error:  # whatever the parsers of its files raise
        raise SpecError(f"{called} has no {what} that can be loaded: {error} ({needed})") from error
    finally:
        if bars_on:
            logging.enable_progress_bar()


def without_transformers(called: str, extra: str) -> SpecError:
    """What to say where the package is not installed."""
    return SpecError(f'{called} needs the package transformers: pip install "newsreplay[{extra}]"')
