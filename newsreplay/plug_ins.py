"""What installed packages offer newsreplay through entry points: recommenders, kinds of data, metrics.

Nothing is imported to find out. What newsreplay itself calls by a name stays what it is: a package that offers
something of that name is passed over, and that is said. A name that two packages offer is refused where it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoints, entry_points
from typing import NamedTuple, Protocol

from newsreplay.errors import NewsreplayError


class PlugIn(NamedTuple):
    """One entry point of an installed package."""

    name: str
    target: str  #: "module:Class", as the package wrote it
    package: str  #: what it is called where it is installed from


class Installed(Protocol):
    """The entry points of all installed packages."""

    def select(self, *, group: str) -> EntryPoints:
        """Those of a group."""


class PlugIns(NamedTuple):
    """The entry points of one group."""

    group: str  #: "newsreplay.recommenders"
    what: str  #: what one of them is, in words: "recommender"
    is_own: Callable[[str], bool]  #: whether newsreplay itself calls something by a name

    def offers(self, installed: Installed | None = None) -> list[PlugIn]:
        """All of them, by name and package; the same one is not listed twice.

        They are looked for among all that is `installed`, which is looked up where it is not given.
        """
        found = {
            PlugIn(entry.name, entry.value, entry.dist.name if entry.dist else "an installed package")
            for entry in (entry_points() if installed is None else installed).select(group=self.group)
        }
        return sorted(found)

    def names(self) -> list[str]:
        """The names that can be used, and those that two packages offer."""
        return list(dict.fromkeys(offer.name for offer in self.offers() if not self.is_own(offer.name)))

    def find(self, name: str) -> PlugIn | None:
        """What a name stands for; None where no package offers it. Raises `NewsreplayError` where two do."""
        if self.is_own(name):
            return None
        offers = [offer for offer in self.offers() if offer.name == name]
        if len(offers) > 1:
            told = " and ".join(f"{offer.package} ({offer.target})" for offer in offers)
            raise NewsreplayError(f"{len(offers)} packages offer a {self.what} {name!r}: {told}; uninstall all but one")
        return offers[0] if offers else None


def passed_over(*groups: PlugIns) -> list[str]:
    """In words, the offers of these groups whose names are newsreplay's own."""
    installed = entry_points()
    return [
        f"{offer.package} offers a {group.what} {offer.name!r}, which is a name of newsreplay's own: it is ignored"
        for group in groups
        for offer in group.offers(installed)
        if group.is_own(offer.name)
    ]
