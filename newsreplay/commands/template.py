"""The files of a package for a recommender of one's own, as `newsreplay new` writes them.

In them MODULE stands for the name of its module, NAME for what specs and pip call it, CLASS for its class, VERSION for
that of newsreplay.
"""

from __future__ import annotations

PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.25"]
build-backend = "hatchling.build"

[project]
name = "NAME"
version = "0.1.0"
description = "A news recommender for newsreplay"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["newsreplay>=VERSION"]

[project.optional-dependencies]
test = ["pytest>=8.0"]

# The name by which newsreplay finds the class: newsreplay run --recommenders NAME
[project.entry-points."newsreplay.recommenders"]
NAME = "MODULE.recommender:CLASS"

[tool.hatch.build.targets.wheel]
packages = ["src/MODULE"]
"""

INIT = '''\
"""A news recommender for newsreplay."""

from MODULE.recommender import CLASS

__all__ = ["CLASS"]
'''

RECOMMENDER = '''\
"""What is read most at the moment, the section on screen above all."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Sequence

from newsreplay import READ, Catalog, Event


class CLASS:
    """The articles with most of the last `size` reads; one of the section on screen counts `section` times."""

    def __init__(self, size: int = 200, section: float = 3.0):
        self.size, self.section = size, section

    def start(self, catalog: Catalog) -> None:
        """Begin with nothing: every publisher gets an object of its own."""
        self.latest: deque[int] = deque()  # articles of the last reads, oldest first
        self.reads: Counter[int] = Counter()  # how often each of them was read
        self.section_of: dict[int, int] = {}

    def learn(self, event: Event) -> None:
        """Count a read, and forget the oldest one."""
        if event.kind < READ:  # an article was published or shown
            return
        self.latest.append(event.item)
        self.reads[event.item] += 1
        self.section_of[event.item] = event.category
        if len(self.latest) > self.size:
            oldest = self.latest.popleft()
            self.reads[oldest] -= 1
            if not self.reads[oldest]:
                del self.reads[oldest], self.section_of[oldest]

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        """At most k articles, best first, without the one on screen."""
        others = (item for item in self.reads if item != request.item)
        return heapq.nlargest(k, others, key=lambda item: self.mass(item, request))

    def score(self, request: Event, pool: Sequence[int]) -> list[float]:
        """One number for each article that a reader is shown: what it would be ranked by."""
        return [self.mass(item, request) for item in pool]

    def mass(self, item: int, request: Event) -> float:
        """An article's reads among the last ones, weighed by what is on screen."""
        same = request.category >= 0 and self.section_of.get(item) == request.category
        return self.reads[item] * (self.section if same else 1.0)
'''

TESTS = '''\
"""What CLASS promises."""

from types import SimpleNamespace

import newsreplay
from MODULE import CLASS

SPORT, POLITICS = 0, 1


def read(item, category=SPORT):
    """A row as newsreplay shows it, with what the recommender looks at."""
    return SimpleNamespace(kind=newsreplay.READ, item=item, category=category)


def after(*reads, **parameters):
    recommender = CLASS(**parameters)
    recommender.start(catalog=None)
    for event in reads:
        recommender.learn(event)
    return recommender


def test_what_is_read_most_comes_first_and_the_article_on_screen_never():
    recommender = after(read(1), read(2), read(2), read(3), read(3), read(3))
    assert recommender.recommend(read(3), k=5) == [2, 1]


def test_only_the_last_reads_count():
    recommender = after(read(1), read(1), read(2), read(3), size=2)
    assert recommender.recommend(read(3), k=5) == [2]


def test_the_section_on_screen_counts_more():
    recommender = after(read(1), read(1), read(2, POLITICS), read(3, POLITICS))
    assert recommender.recommend(read(3, POLITICS), k=5) == [2, 1]
    assert recommender.score(read(3, POLITICS), [1, 2, 9]) == [2.0, 3.0, 0.0]


def test_newsreplay_finds_it_by_name_and_it_does_not_look_ahead():
    checked = newsreplay.check("NAME")
    assert checked.passed, str(checked)
'''

README = """\
# NAME

A news recommender for [newsreplay](https://github.com/newsreplay/newsreplay): the articles with most of the last 200
reads, those of the section on screen above all. `src/MODULE/recommender.py` is all of it; put your own there.

    pip install -e ".[test]"                  # once; changes of the code count at once
    pytest
    newsreplay recommenders NAME
    newsreplay run --recommenders "NAME,NAME(size=50),trend,popular"
    newsreplay check NAME

What a recommender is shown and may answer: newsreplay's docs/recommenders.md. To give it to others:

    python -m build                           # pip install build
    pip install dist/*.whl
"""

FILES = {
    "pyproject.toml": PYPROJECT,
    "README.md": README,
    "src/MODULE/__init__.py": INIT,
    "src/MODULE/recommender.py": RECOMMENDER,
    "tests/test_MODULE.py": TESTS,
}


def files(module: str, version: str) -> dict[str, str]:
    """The texts of all files by their paths in the package's folder, for the name of a module."""
    words = {
        "MODULE": module,
        "NAME": module.replace("_", "-"),
        "CLASS": "".join(word.capitalize() for word in module.removesuffix("_recommender").split("_")) + "Recommender",
        "VERSION": version,
    }
    return {_filled(path, words): _filled(text, words) for path, text in FILES.items()}


def _filled(text: str, words: dict[str, str]) -> str:
    for placeholder, word in words.items():
        text = text.replace(placeholder, word)
    return text
