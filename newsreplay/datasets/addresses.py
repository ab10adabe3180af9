"""Names that people type for data: which of what is prepared, can be read or can be fetched they mean."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from newsreplay.datasets.fetching.sources import SOURCES, default_folder, prepare_command

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


def not_prepared(name: str, kinds: Iterable[str], prepared: dict[str, str]) -> str | None:
    """What to type where a name means public data that are not prepared; None where it means none.

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
    called = kind if meant(name, [kind]) else chosen
    alike = sorted(other for other, its in prepared.items() if its == kind)
    command = prepare_command(SOURCES[chosen], default_folder(chosen), called)
    own = prepare_command(SOURCES[chosen], None, called)
    lines = [
        f"{name!r} is not prepared yet. To fetch {wanted}, and to prepare it, type",
        f"  newsreplay data fetch {shlex.quote(chosen)}",
        f"  {command}",
        f"Where the files are there already, only\n  {own}",
    ]
    return "\n".join([*lines, *([f"Prepared of this kind: {', '.join(alike)}"] if alike else [])])
