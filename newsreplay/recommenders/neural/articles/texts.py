"""Texts as word ids, and pretrained word vectors from GloVe's and fastText's text files."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from newsreplay.log.entities import entity_forms
from newsreplay.recommenders.neural.articles.vectors import WordVectors
from newsreplay.recommenders.neural.models.language import Marks

_TOKEN = re.compile(r"\w+|[.,!?;|]")


def tokens(text: str) -> list[str]:
    """The lower-cased words of a text, and its . , ! ? ; |, as the models with GloVe vectors split them.

    >>> tokens("Rain, again!")
    ['rain', ',', 'again', '!']
    """
    return _TOKEN.findall(text.lower())


def mentions(title: str, entities: str | None, most: int) -> list[int]:
    """For each word of a title, which of its first `most` entities it is part of, by place from 1; 0 = none.

    An entity stands where the title has one of its forms: those that MIND lists, or the name itself. What stands first
    among the entities has the word.

    >>> mentions("Rain in New York, again", '["Boston", "New York"]', 5)
    [0, 0, 2, 2, 0, 0]
    """
    words = tokens(title)
    places = [0] * len(words)
    for place, forms in enumerate(list(entity_forms(entities).values())[:most], 1):
        for form in filter(None, map(tokens, forms)):
            for begin in range(len(words) - len(form) + 1):
                span = slice(begin, begin + len(form))
                if words[span] == form and not any(places[span]):
                    places[span] = [place] * len(form)
    return places


def hashed(name: str, rows: int) -> int:
    """A number below `rows` that depends on the name only; the same in every process."""
    return zlib.crc32(name.encode("utf-8", "surrogatepass")) % rows


class Vocabulary:
    """Words by id: 0 is padding, 1 … `buckets` are shared by words without a row of their own, then come `words`.

    Words that come up after learning are hashed to a bucket, unless `vectors` has them: these are listed in `later`,
    as they come up, and have the ids `rows`, `rows` + 1 …
    """

    def __init__(self, words: Sequence[str], buckets: int = 2048, vectors: WordVectors | None = None):
        self.words = list(words)
        self.buckets = buckets
        self.vectors = vectors
        self.rows = 1 + buckets + len(self.words)  #: of the trained table
        self.later: list[str] = []
        self._ids = {word: 1 + buckets + place for place, word in enumerate(self.words)}

    @classmethod
    def learn(
        cls,
        texts: Iterable[str],
        least: int = 1,
        buckets: int = 2048,
        vectors: WordVectors | None = None,
        names: Iterable[str] = (),
    ) -> Vocabulary:
        """The vocabulary of texts that are known by now; words that occur fewer than `least` times get no row.

        `names` that stand for texts (`ids_of_names`) get a row each, too.
        """
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(tokens(text))
        words = [word for word, count in counts.items() if count >= least]
        return cls([*words, *dict.fromkeys(names)], buckets, vectors)

    def ids(self, text: str, length: int) -> list[int]:
        """Ids of a text's first `length` words; there is no 0 among them."""
        words, ids = tokens(text)[:length], self._ids
        try:
            return [ids[word] for word in words]
        except KeyError:
            self._meet([word for word in dict.fromkeys(words) if word not in ids])
            return [ids[word] for word in words]

    def ids_of_names(self, names: Sequence[str], length: int) -> list[int]:
        """Ids of the first `length` names that stand for a text: their rows, else the buckets they are hashed to.

        Names have a colon in them (`category:news`), which no word has.
        """
        return [self._ids.get(name) or self._bucket(name) for name in names[:length]]

    def ids_behind(self, text: str, length: int) -> list[int]:
        """Ids of a text's first words, at most `length`, that stand behind those of another text."""
        return self.ids(text, length)

    def _meet(self, words: list[str]) -> None:
        have_vectors = self.vectors.look_up(words)[1].tolist() if self.vectors else [False] * len(words)
        for word, has_vector in zip(words, have_vectors, strict=True):
            if has_vector:
                self._ids[word] = self.rows + len(self.later)
                self.later.append(word)
            else:
                self._ids[word] = self._bucket(word)

    def _bucket(self, word: str) -> int:
        return 1 + hashed(word, self.buckets)

    def buckets_of_rows(self) -> npt.NDArray[np.int64]:
        """int64[rows + len(later)]: the bucket of each word id, of which padding and buckets are their own.

        Buckets are trained by showing a share of the words as their buckets.
        """
        own = np.arange(1 + self.buckets)
        return np.concatenate([own, np.array([self._bucket(word) for word in self.words + self.later], np.int64)])


class MarkedVocabulary(Vocabulary):
    """A vocabulary whose texts have a mark in front and one behind, as those of language models do.

    The marks are words, which no text holds, and must be among `words`; `learn` adds them. Raises `ValueError` where
    they are not.
    """

    MARKS = ("[CLS]", "[SEP]", "[MASK]")

    def __init__(self, words: Sequence[str], buckets: int = 2048, vectors: WordVectors | None = None):
        super().__init__(words, buckets, vectors)
        missing = [mark for mark in self.MARKS if mark not in self._ids]
        if missing:
            raise ValueError(f"there is no {missing[0]} among the words")
        self.marks = Marks(*(self._ids[mark] for mark in self.MARKS))

    @classmethod
    def learn(
        cls,
        texts: Iterable[str],
        least: int = 1,
        buckets: int = 2048,
        vectors: WordVectors | None = None,
        names: Iterable[str] = (),
    ) -> Vocabulary:
        """See `Vocabulary.learn`."""
        return super().learn(texts, least, buckets, vectors, [*cls.MARKS, *names])

    def ids(self, text: str, length: int) -> list[int]:
        """Ids of a text's first words, `length` of them with the marks; none of an empty text."""
        return self._marked(super().ids(text, max(0, length - 2)))

    def ids_of_names(self, names: Sequence[str], length: int) -> list[int]:
        """The same of names that stand for a text."""
        return self._marked(super().ids_of_names(names, max(0, length - 2)))

    def ids_behind(self, text: str, length: int) -> list[int]:
        """The same of a text that stands behind another: there is no second mark of a beginning."""
        return self.ids(text, length)[1:]

    def buckets_of_rows(self) -> npt.NDArray[np.int64]:
        """See `Vocabulary.buckets_of_rows`; marks are never shown as another word."""
        buckets = super().buckets_of_rows()
        buckets[list(self.marks)] = self.marks
        return buckets

    def _marked(self, ids: list[int]) -> list[int]:
        return [self.marks.begin, *ids, self.marks.end] if ids else []
