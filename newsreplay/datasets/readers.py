"""The kinds of source that can be prepared, and what reads each."""

from __future__ import annotations

#: By kind, the module and the function that plans its reading.
READERS = {
    "adressa": "newsreplay.datasets.sources.adressa:plan_adressa",
    "deskdrop": "newsreplay.datasets.sources.deskdrop:plan_deskdrop",
    "ebnerd": "newsreplay.datasets.sources.ebnerd.plan:plan_ebnerd",
    "globo": "newsreplay.datasets.sources.globo:plan_globo",
    "mind": "newsreplay.datasets.sources.mind.plan:plan_mind",
    "nemig": "newsreplay.datasets.sources.nemig:plan_nemig",
    "newsreel": "newsreplay.datasets.sources.newsreel.plan:plan_newsreel",
    "outbrain": "newsreplay.datasets.sources.outbrain:plan_outbrain",
    "pens": "newsreplay.datasets.sources.pens:plan_pens",
    "streamingrec": "newsreplay.datasets.sources.streamingrec:plan_streamingrec",
    "table": "newsreplay.datasets.sources.table.plan:plan_table",
    "tianchi": "newsreplay.datasets.sources.tianchi:plan_tianchi",
}


def kinds() -> list[str]:
    """The kinds of source that can be prepared."""
    return list(READERS)
