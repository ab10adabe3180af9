"""What exists only after training: a model with its words, its articles as numbers, its scorer and its trainer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import torch

from newsreplay.errors import NewsreplayError, SpecError
from newsreplay.kernels.mixing import key_of
from newsreplay.log.catalog import Catalog
from newsreplay.log.rows import IMPRESSION, Column
from newsreplay.recommenders.base import Round
from newsreplay.recommenders.neural.articles.article_table import ArticleTable, grow, names_of, word_table
from newsreplay.recommenders.neural.articles.descriptions import Descriptions
from newsreplay.recommenders.neural.articles.plm import LanguageModel, PlmWords
from newsreplay.recommenders.neural.articles.texts import MarkedVocabulary, Vocabulary
from newsreplay.recommenders.neural.articles.vectors import Vectors, WordVectors
from newsreplay.recommenders.neural.learning.cache import VectorCache
from newsreplay.recommenders.neural.learning.neighbourhoods import Neighbourhoods
from newsreplay.recommenders.neural.learning.requests import Context, KeptNumbers, batch_of
from newsreplay.recommenders.neural.learning.samples import Samples
from newsreplay.recommenders.neural.learning.scoring import Scorer
from newsreplay.recommenders.neural.learning.training import Trainer
from newsreplay.recommenders.neural.models.drawing import drawn_from
from newsreplay.recommenders.neural.models.fields import Words
from newsreplay.recommenders.neural.models.language import TextModel, Transformer
from newsreplay.recommenders.neural.models.layers import NameTable, WordTable
from newsreplay.recommenders.neural.models.model import UNKNOWN
from newsreplay.recommenders.neural.options import Blueprint, NeuralOptions, files_of
from newsreplay.recommenders.neural.stream.graph import ReadGraph
from newsreplay.recommenders.neural.stream.state import Captures
from newsreplay.recommenders.neural.weights import Weights, save_weights

BATCH = 64  #: requests that are answered together


class Surroundings(NamedTuple):
    """What a model meets in the replay that it learns in."""

    catalog: Catalog
    key: int  #: of random choices
    requests: int = BATCH  #: that are scored together
    report: Callable[[str], None] = lambda line: None  #: takes a line on how training goes
    graph: ReadGraph | None = None  #: of the stream, where the model has one
    kept: KeptNumbers = KeptNumbers(())  #: of the columns that the model is told of
    lazy_ms: int = 0  #: for which a reader's vector is used although the reader has read since


#: Of words, of words and marks, of the tokens of a language model.
AnyVocabulary: TypeAlias = Vocabulary | PlmWords


class Learned:
    """A model that answers and goes on learning."""

    def __init__(
        self, blueprint: Blueprint, vocabulary: AnyVocabulary, vectors: WordVectors | None, around: Surroundings
    ):
        self.vocabulary = vocabulary
        self.vectors = vectors
        files = {name: Vectors.open(path) for name, path in blueprint.files.items()}
        self.cards = blueprint.looks.features(blueprint.device)
        with drawn_from(int(key_of(around.key, "weights")) >> 1):
            self.words = _words(blueprint, vocabulary, vectors, around.key)
            # A file of vectors, and the states of a language model, are as wide as they are.
            blueprint = replace(blueprint, size=replace(blueprint.size, word=self.words.width))
            self.model = blueprint.make(self.words, {name: file.width for name, file in files.items()}, self.cards)
        self.blueprint = blueprint
        model = blueprint.model
        self.articles = ArticleTable(
            self.model.fields, blueprint.size, vocabulary, around.catalog, files, self.cards, blueprint.descriptions
        )
        self.context = Context(model.context, self.articles, blueprint.signals, around.kept)
        self.neighbours = None
        if model.graph is not None and around.graph is not None:
            self.neighbours = Neighbourhoods(model.graph, around.graph, self.articles)
        cache = VectorCache(self.model, self.articles, blueprint.device, self.neighbours)
        self.scorer = Scorer(self.model, cache, blueprint.signals, around.requests, around.lazy_ms)
        self.trainer = Trainer(
            self.model,
            self.context,
            Scorer(self.model, cache, blueprint.signals, BATCH),  # of samples
            blueprint.training,
            around.key,
            vocabulary.buckets_of_rows(),
            around.report,
        )
        if self.neighbours is not None:
            self.neighbours.users_of = self.trainer.users_of

    @classmethod
    def fresh(cls, blueprint: Blueprint, items: Sequence[int], around: Surroundings) -> Learned:
        """A model that has learned nothing yet but the words of these articles, all that are known by now."""
        vectors = None if blueprint.words is None else WordVectors.open(Path(blueprint.words))
        learned = cls(blueprint, _vocabulary(blueprint, vectors, items, around.catalog), vectors, around)
        # All that is known gets its slot now, and the others as they come: no order of answers shapes training.
        learned.articles.slots(np.array(items, np.int64))
        return learned

    @classmethod
    def loaded(cls, blueprint: Blueprint, weights: Weights, around: Surroundings) -> Learned:
        """A model with weights that were trained elsewhere; no reader is known to them."""
        vectors = None if blueprint.words is None else WordVectors.open(Path(blueprint.words))
        if blueprint.plm is not None:
            vocabulary: AnyVocabulary = PlmWords(blueprint.plm)
        else:
            kind = Vocabulary if blueprint.tuning is None else MarkedVocabulary
            try:
                vocabulary = kind(weights.words, weights.facts["buckets"], vectors)
            except ValueError as error:
                raise NewsreplayError(
                    f"{weights.path} is damaged ({error}); make it again with 'newsreplay train'"
                ) from None
        learned = cls(blueprint, vocabulary, vectors, around)
        if isinstance(learned.words, LanguageModel) and learned.words.digest() != weights.facts.get("plm_digest"):
            raise NewsreplayError(
                f"weights={weights.path} have the trained layers of another language model than plm={blueprint.plm}; "
                f"that was {weights.facts['plm']}: name it with plm, wherever it is now"
            )
        blueprint.looks.compare(learned.cards, weights)
        weights.fill(learned.model)
        users = getattr(learned.model, "users", None)
        if isinstance(users, NameTable):  # its rows are of the readers of another log
            with torch.no_grad():
                users.weight[2:] = users.weight[UNKNOWN]
        return learned

    @property
    def rounds(self) -> list[Round]:
        """How training went, a record a round."""
        return self.trainer.rounds

    def notes(self) -> list[str]:
        """What must be said of what it reads with, and of readers whose vectors were used longer."""
        lacking = [name for name in files_of(self.blueprint.model) if name not in self.blueprint.files]
        notes = [f"{name} is not given: {self.blueprint.model.__name__} does without" for name in lacking]
        if isinstance(self.words, Transformer):
            notes.append(
                "its language model started from random numbers; plm=FOLDER gives it one that knows the language"
            )
        kept = self.scorer.readers
        if kept is not None and kept.lazy_ms:
            answers, stale, behind = kept.staleness
            share, reads = stale / max(1, answers), behind / max(1, stale)
            notes.append(f"{share:.1%} of the answers are for readers as they were before their last {reads:.1f} reads")
        return notes

    @property
    def parameters(self) -> int:
        """Numbers that are fitted."""
        return sum(parameter.numel() for parameter in self.model.parameters() if parameter.requires_grad)

    def fit(self, samples: Samples) -> None:
        """The first training."""
        self.trainer.fit(samples)

    def update(self, new: Samples, kept: Samples | None) -> None:
        """A later training, on what came since and some of what was kept."""
        self._grow()
        self.trainer.update(new, kept)

    def scores(self, captures: Captures, most: int) -> Column:
        """float32[places], the score of every candidate of every request, from what was known at each.

        For slates at most so many are scored, the others are -inf.
        """
        self._grow()
        batch = batch_of(captures, self.articles, self.context, self.trainer.users_of)
        return self.scorer.scores(batch, captures.kind != IMPRESSION, most)

    def refresh(self, item: int) -> None:
        """Take in what the catalog has come to hold of an article."""
        self.articles.refresh(item)
        self.scorer.cache.forget(np.array([self.articles.slot(item)]))

    def look_around(self) -> None:
        """Take the snapshot of the graph anew, if the model has one."""
        if self.neighbours is not None:
            self.scorer.cache.forget(self.neighbours.refresh(), hop=1)

    def save_weights(self, path: Path, until: int) -> None:
        """Keep the model in a safetensors file; `until` is the event time up to which it has learned, ms."""
        blueprint = self.blueprint
        facts = {
            "model": blueprint.model.__name__,
            "size": blueprint.size_name,
            "numbers": asdict(blueprint.size),
            "options": blueprint.options,
            "buckets": self.vocabulary.buckets,
            "until": until,
            "training": self.rounds,
            "plm": blueprint.plm,
            "plm_digest": self.words.digest() if isinstance(self.words, LanguageModel) else None,
            "words": blueprint.words is not None,
            "descriptions": None if blueprint.descriptions is None else blueprint.descriptions.digest,
            "popularity": blueprint.popularity,
            **blueprint.looks.facts(self.cards),
        }
        save_weights(path, facts, self.vocabulary.words, self.model)

    def _grow(self) -> None:
        """Give words that came up since and have pretrained vectors theirs."""
        if self.vectors is not None and isinstance(self.vocabulary, Vocabulary):
            for table in self.model.modules():
                if isinstance(table, WordTable):
                    grow(table, self.vocabulary, self.vectors)
            self.trainer.learn_words(self.vocabulary.buckets_of_rows())


def _vocabulary(
    blueprint: Blueprint, vectors: WordVectors | None, items: Sequence[int], catalog: Catalog
) -> AnyVocabulary:
    """The words of these articles, or a language model's."""
    if blueprint.plm is not None:
        return PlmWords(blueprint.plm)
    facts = [field.name for field in blueprint.model.fields if isinstance(field, Words)]
    texts = (text for item in items for fact in facts if (text := catalog.text(item, fact)))
    names = (names_of(catalog, item) for item in items if not catalog.text(item, "title"))
    kind = Vocabulary if blueprint.tuning is None else MarkedVocabulary
    described = _described(blueprint.descriptions, items, catalog)
    return kind.learn(chain(texts, described), vectors=vectors, names=chain.from_iterable(names))


def _described(descriptions: Descriptions | None, items: Sequence[int], catalog: Catalog) -> list[str]:
    """The texts that describe the categories of these articles, each once; other texts in the file teach no words."""
    if descriptions is None:
        return []
    texts = (descriptions.of(catalog.category(item), catalog.text(item, "subcategory")) for item in items)
    return [*dict.fromkeys(texts)]


def _words(
    blueprint: Blueprint, vocabulary: AnyVocabulary, vectors: WordVectors | None, key: int
) -> WordTable | TextModel:
    """What turns ids of words into vectors."""
    size, tuning = blueprint.size, blueprint.tuning
    if isinstance(vocabulary, PlmWords):
        if tuning is None:
            return LanguageModel(vocabulary.name, size.word)
        given = LanguageModel(vocabulary.name, None, tuning.layers_trained)
        longest = size.title + (0 if blueprint.descriptions is None else size.abstract)
        if given.positions < longest:
            raise SpecError(
                f"{vocabulary.name} has room for {given.positions} tokens, but size={blueprint.size_name} has titles "
                f"of {longest}; choose another size"
            )
        given.marks, given.continuing = vocabulary.marks, torch.from_numpy(vocabulary.continuing())
        return given
    generator = torch.Generator().manual_seed(int(key_of(key, "words")) >> 1)
    table = word_table(vocabulary, vectors, size.word, generator)
    return Transformer(table, size, vocabulary.marks) if isinstance(vocabulary, MarkedVocabulary) else table


def blueprint_of_weights(blueprint: Blueprint, weights: Weights, options: NeuralOptions) -> Blueprint:
    """The model of a file of weights, whose size and options take the place of the blueprint's.

    `options` are those that the blueprint was made of. Raises `SpecError` where the file is of another model, or was
    made with others.
    """
    facts, path = weights.facts, weights.path
    if facts["model"] != blueprint.model.__name__:
        raise SpecError(f"weights={path} are of {facts['model']}, not of {blueprint.model.__name__}")
    if blueprint.size_name not in ("small", facts["size"]):
        raise SpecError(f"weights={path} are of size={facts['size']}, not {blueprint.size_name}; leave size out")
    for name, value in blueprint.options.items():
        if facts["options"].get(name, value) != value:
            raise SpecError(f"weights={path} are of {name}={facts['options'][name]}; leave {name} out")
    if blueprint.popularity not in ("joint", facts["popularity"]):
        raise SpecError(f"weights={path} were trained with popularity={facts['popularity']}; leave popularity out")
    if blueprint.plm is not None and facts["plm"] is None:
        raise SpecError(f"weights={path} were trained without a language model; leave plm out")
    if blueprint.words is not None and not facts["words"]:
        raise SpecError(f"weights={path} were trained without word vectors; leave words out")
    _compare_descriptions(blueprint.descriptions, weights)
    return replace(
        blueprint,
        size_name=facts["size"],
        size=weights.size,
        training=options.training(blueprint.model.trainings[facts["size"]], facts["popularity"]),
        options=facts["options"],
        plm=blueprint.plm or facts["plm"],  # a folder may have been moved
        popularity=facts["popularity"],
        looks=blueprint.looks.of_weights(weights),
    )


def _compare_descriptions(descriptions: Descriptions | None, weights: Weights) -> None:
    """Refuse descriptions of categories that are not those which weights were trained with."""
    trained, path = weights.facts.get("descriptions"), weights.path
    if descriptions is None and trained is not None:
        raise SpecError(f"weights={path} were trained with category_descriptions; name the same file")
    if descriptions is not None and trained is None:
        raise SpecError(f"weights={path} were trained without category_descriptions; leave category_descriptions out")
    if descriptions is not None and descriptions.digest != trained:
        raise SpecError(
            f"weights={path} were trained with other category_descriptions than {descriptions.path}; name the same file"
        )
