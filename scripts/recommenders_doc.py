"""The list of recommenders in docs/recommenders.md: names, parameters with defaults, what they do, presets."""

from __future__ import annotations

import textwrap
from pathlib import Path

from newsreplay.recommenders.built_ins import ALIASES, PRESETS
from newsreplay.recommenders.registry import describe

NEEDS = ("torch", "safetensors")  #: neural recommenders are described from their classes
PATH = Path("docs/recommenders.md")
BEGIN = "<!-- The list of recommenders, written by scripts/make_docs.py: change the docstrings of the classes. -->"
END = "<!-- End of the list of recommenders. -->"


def documents() -> dict[Path, str]:
    """The page of recommenders with a new list between the two marks."""
    page = (Path(__file__).resolve().parents[1] / PATH).read_text("utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return {PATH: f"{before}{BEGIN}\n\n{_list()}\n\n{END}{after}"}


def _list() -> str:
    lines = [_entry(*entry) for entry in describe()]
    presets = [_filled(f"- preset `{name}`: `{', '.join(specs)}`") for name, specs in PRESETS.items()]
    return "\n".join([*lines, "", *presets])


def _entry(name: str, parameters: str, text: str) -> str:
    aliases = "".join(f", also `{alias}`" for alias, target in ALIASES.items() if target == name)
    return _filled(f"- **`{name}`**{f' (`{parameters}`)' if parameters else ''}{aliases}: {text}")


def _filled(text: str) -> str:
    return textwrap.fill(text, 120, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
