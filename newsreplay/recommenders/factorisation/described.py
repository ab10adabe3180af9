"""What articles say, as TF-IDF of the terms of their titles and abstracts, weighed anew daily by what is known."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

from newsreplay.log.catalog import Catalog
from newsreplay.log.rows import Event
from newsreplay.recommenders.adapters.features import Categories

TEXTS = ("title", "abstract")
_TERM = re.compile(r"\w+")

Terms = dict[str, float]  #: weights by term


class Described(Categories):
    """Categories and texts of articles, by code or handle, as far as they are known.

    tfidf(w, n) = tf · (log((1 + N) / (1 + df)) + 1), with an L2 norm of 1 over an article. N and df are those of the
    articles known when it was weighed last; a term that none of them had counts as one that is in none.
    """

    def __init__(self, catalog: Catalog):
        super().__init__(catalog)
        self.counts: dict[int, Counter[str]] = {}  # of terms, by article
        self.lacking: dict[int, list[str]] = {}  # texts that are not known yet, by article
        self.documents: Counter[str] = Counter()  # in how many of the known articles a term is
        self.idf: Terms = {}
        self.highest = 1.0  # idf of a term that is in none
        self.weighed: dict[int, Terms] = {}

    def note(self, item: int) -> None:
        """See `Categories.note`; terms are counted, too."""
        super().note(item)
        if not self.lacking.get(item, TEXTS):  # it is in the profile of another reader, too
            return
        texts = {name: self.catalog.text(item, name) for name in TEXTS}
        counts = Counter(term for text in texts.values() if text for term in _TERM.findall(text.lower()))
        self.documents.update(counts.keys() - self.counts.get(item, Counter()).keys())
        self.counts[item] = counts
        self.lacking[item] = [name for name, text in texts.items() if text is None and self.catalog.has_fact(name)]
        self.weighed.pop(item, None)

    def has_more(self, event: Event) -> bool:
        """See `Categories.has_more`."""
        lacking = self.lacking[event.item]
        return super().has_more(event) or any(self.catalog.text(event.item, name) is not None for name in lacking)

    def weigh(self) -> None:
        """Weigh terms anew by the articles that are known."""
        known = len(self.counts)
        self.idf = {term: math.log((1 + known) / (1 + df)) + 1 for term, df in self.documents.items()}
        self.highest = math.log(1 + known) + 1
        self.weighed.clear()

    def terms(self, item: int) -> Terms:
        """The TF-IDF of an article's terms."""
        found = self.weighed.get(item)
        if found is None:
            counts = self.counts[item]
            found = {term: count * self.idf.get(term, self.highest) for term, count in counts.items()}
            length = math.sqrt(sum(weight * weight for weight in found.values()))
            found = self.weighed[item] = {term: weight / length for term, weight in found.items()}
        return found

    def together(self, items: Sequence[int]) -> Terms:
        """The largest TF-IDF of each term in several articles."""
        largest: Terms = {}
        for item in items:
            for term, weight in self.terms(item).items():
                if weight > largest.get(term, 0.0):
                    largest[term] = weight
        return largest
