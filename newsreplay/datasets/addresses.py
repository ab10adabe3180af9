"""Names that people type for data: which of what is prepared, can be read or can be fetched they mean."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from newsreplay.datasets.fetching.sources import SOURCES, default_folder, prepare_command
from newsreplay.errors import DataError

#: What data are called elsewhere, as `plain` writes it, and their kind.
ALIASES = {
    "plista": "newsreel",
    "clefnewsreel": "newsreel",
    "clef": "newsreel",
    "orp": "newsreel",
    "globocom": "globo",
    "ekstrabladet": "ebnerd",
    "cideskdrop": "deskdrop",
    "microsoftnews": "mind",
    "adresseavisen": "adressa",
    "microsoftpens": "pens",
    "outbrainclickprediction": "outbrain",
}


def plain(name: str) -> str:
    """A name without what people write differently: case, hyphens and blanks.

    >>> plain("MIND_small"), plain("EB-NeRD")
    ('mindsmall', 'ebnerd')
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


def meant(name: str, names: Iterable[str]) -> str | None:
    """That of `names` which is written like `name`, but for case and hyphens; None if there is none or several."""
    found = [other for other in names if plain(other) == plain(name)]
    return found[0] if len(found) == 1 and plain(name) else None


def kind_meant(name: str, kinds: Iterable[str]) -> str | None:
    """The kind of data that a name means, in any writing or by what it is called elsewhere."""
    return meant(name, kinds) or ALIASES.get(plain(name))


class NotPreparedError(DataError):
    """A name means public data that are not prepared; says what to type."""

    def __init__(self, text: str, fetchable: list[str], called: str | None) -> None:
        super().__init__(text)
        self.fetchable = fetchable  #: names of what can be downloaded and is meant
        self.called = called  #: what it is to be prepared as; None = as that of them which is chosen


def not_prepared(name: str, kinds: Iterable[str], prepared: dict[str, str]) -> NotPreparedError | None:
    """The error where a name means public data that are not prepared; None where it means none.

    `prepared` has the kinds of what is prepared by their names.
    """
    kind = kind_meant(name, kinds)
    source = meant(name, SOURCES) or (kind if kind in SOURCES else None)
    sources = [source] if source else [other for other, about in SOURCES.items() if about.kind == kind]
    if not sources:
        return None
    kind = SOURCES[sources[0]].kind
    wanted = f"one of its sizes ({', '.join(sources)})" if len(sources) > 1 else "it, or to be told how"
    chosen = sources[0]
    as_typed = kind if meant(name, [kind]) else None
    called = as_typed or chosen
    alike = sorted(other for other, its in prepared.items() if its == kind)
    command = prepare_command(SOURCES[chosen], default_folder(chosen), called)
    own = prepare_command(SOURCES[chosen], None, called)
    fetch = f"newsreplay data fetch {shlex.quote(chosen)}"
    if SOURCES[chosen].files and called == chosen:
        typed = [f"  {fetch}"]  # which prepares it, too
    else:
        typed = [f"  {fetch}{' --no-prepare' if SOURCES[chosen].files else ''}", f"  {command}"]
    lines = [
        f"{name!r} is not prepared yet. To fetch {wanted}, and to prepare it, type",
        *typed,
        f"Where the files are there already, only\n  {own}",
    ]
    text = "\n".join([*lines, *([f"Prepared of this kind: {', '.join(alike)}"] if alike else [])])
    return NotPreparedError(text, [other for other in sources if SOURCES[other].files], as_typed)
