"""The parameters of a neural recommender, checked, and what a model is made from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import nn

from newsreplay.durations import parse_duration
from newsreplay.errors import NewsreplayError, SpecError, did_you_mean
from newsreplay.log.rows import DAY, HOUR
from newsreplay.recommenders.neural.articles.descriptions import Descriptions
from newsreplay.recommenders.neural.articles.plm import check_plm
from newsreplay.recommenders.neural.cards.features import CardFeatures
from newsreplay.recommenders.neural.learning.requests import signals_of
from newsreplay.recommenders.neural.looks import Looks, looks_of
from newsreplay.recommenders.neural.models.drawing import drawn_from
from newsreplay.recommenders.neural.models.fields import NameVectors, Vector
from newsreplay.recommenders.neural.models.fine_tuning import FineTuning
from newsreplay.recommenders.neural.models.language import Marks, Transformer
from newsreplay.recommenders.neural.models.layers import WordTable
from newsreplay.recommenders.neural.models.model import NewsModel, Size, Training
from newsreplay.recommenders.neural.models.popularity import PopularityHead
from newsreplay.spec import whole

#: Keywords of a model, numbers and words by name.
ModelOptions: TypeAlias = Mapping[str, Any]

SHORTLIST = 100  #: articles that a popularity head chooses for the model to score
ALIVE = 2_000  #: articles, those read last, that a model scores without a head, and that a head chooses from


class Update(NamedTuple):
    """When a model is trained again: after so much time, or so many impressions; never if neither."""

    every: int = 0  #: ms
    impressions: int = 0
    daily: bool = False  #: at midnight UTC


def parse_update(policy: object) -> Update:
    """An update policy from its text.

    >>> parse_update("every(hours=6)")
    Update(every=21600000, impressions=0, daily=False)

    Raises `SpecError` for anything else than none, daily, every(hours=6) and every(impressions=500).
    """
    if policy is None or policy == "none":
        return Update()
    if policy == "daily":
        return Update(DAY, daily=True)
    match = re.fullmatch(r"every\((hours|impressions)=(\d+(?:\.\d+)?)\)", str(policy).replace(" ", ""))
    if match and match[1] == "hours" and float(match[2]) * HOUR >= 1:
        return Update(round(float(match[2]) * HOUR))
    if match and match[1] == "impressions" and match[2].isdecimal() and int(match[2]):
        return Update(impressions=int(match[2]))
    raise SpecError(f"update must be none, daily, every(hours=6) or every(impressions=500), not {policy!r}")


@dataclass(frozen=True, kw_only=True)
class NeuralOptions:
    """What all neural recommenders can be given, checked when it is made.

    Raises `SpecError` where a value cannot be, with the parameter, the value and the way out.
    """

    size: str = "small"  #: of the model, by name
    update: str | None = "every(hours=6)"  #: when it is trained again, see `parse_update`
    warmup: str | None = None  #: how long it learns before its first training; None = the run's
    words: str | None = None  #: a file of word vectors
    plm: str | None = None  #: a pretrained language model: a folder, or a name on the Hugging Face hub
    #: a TSV file of categories and texts that describe them, for models that are `described`
    category_descriptions: str | None = None
    weights: str | None = None  #: a file that `newsreplay train` wrote
    seed: int | None = None  #: None = the run's
    device: str = "auto"  #: auto, cpu or cuda
    threads: int = 1  #: of torch
    alive: float = 24  #: hours since its last read in which an article may be recommended
    #: articles of a slate that the model scores, at most; 0 = no slates; None = `SHORTLIST` with a head, else `ALIVE`
    candidates: int | None = None
    memory: int = 20_000  #: impressions that are kept to be mixed with new ones
    rate: float | None = None  #: these four in place of the size's own `Training`
    epochs: int | None = None
    passes: int | None = None
    npratio: int | None = None
    negatives: str | None = None  #: of a click in an impression: impression, alive or mixed; None = mixed with a head
    popularity: str | None = "joint"  #: with a `PopularityHead`; none: the model as published
    bucket: float = 1  #: hours in which signals are counted together
    lag: int = 0  #: completed buckets that are left out
    counting: str = "cumulative"  #: or per_bucket
    half_life: float | None = None  #: hours after which a count is worth half; None = counts last
    lazy: float = 0  #: minutes for which a reader's vector is used although the reader has read since
    leaky: bool = False  #: exposure, avoidance and clicks of the whole log, as published

    def __post_init__(self) -> None:
        if self.rate is not None and self.rate <= 0:
            raise SpecError(f"rate must be above 0, not {self.rate!r}")
        for name, count in (("epochs", self.epochs), ("passes", self.passes), ("npratio", self.npratio)):
            if count is not None:
                whole(name, count, 1)
        parse_update(self.update)
        _ = self.warmup_ms
        _ = self.torch_device
        if self.words is not None and self.plm is not None:
            raise SpecError("words and plm exclude each other: titles are read by one of them")
        if self.plm is not None:
            check_plm(self.plm)
        described = self.category_descriptions
        for what, path in (("words", self.words), ("category_descriptions", described), ("weights", self.weights)):
            if path is not None and not Path(path).is_file():
                raise SpecError(f"{what}={path}: there is no such file")
        if self.counting not in ("cumulative", "per_bucket"):
            raise SpecError(f"counting must be cumulative or per_bucket, not {self.counting!r}")
        if self.half_life is not None and self.half_life <= 0:
            raise SpecError(f"half_life must be hours, above 0, not {self.half_life!r}")
        if self.negatives not in (None, "impression", "alive", "mixed"):
            raise SpecError(f"negatives must be impression, alive or mixed, not {self.negatives!r}")
        if self.popularity not in (None, "joint", "none"):
            raise SpecError(f"popularity must be joint or none, not {self.popularity!r}")
        for what, hours in (("bucket", self.bucket), ("alive", self.alive)):
            if not 1 <= hours * HOUR <= 3_650 * DAY:
                raise SpecError(f"{what} must be hours, above 0 and at most ten years, not {hours!r}")
        if self.weights is not None and self.warmup is not None:
            raise SpecError("weights and warmup exclude each other: what has been trained needs no warm-up")
        if self.seed is not None:
            whole("seed", self.seed, 0)
        whole("threads", self.threads, 1)
        if self.candidates is not None:
            whole("candidates", self.candidates, 0)
        whole("memory", self.memory, 1)
        if not 0 <= self.lazy * HOUR / 60 <= 3_650 * DAY:
            raise SpecError(f"lazy must be minutes, 0 or more and at most ten years, not {self.lazy!r}")
        whole("lag", self.lag, -1 if self.leaky else 0)

    def set_against(self, popularity: str) -> str:
        """`negatives`, or what fits: a model without a head, as published, is trained on impressions alone."""
        return self.negatives or ("impression" if popularity == "none" else "mixed")

    def scored(self, popularity: str) -> int:
        """`candidates`, or as many as it takes: a head leaves few that can be the best."""
        if self.candidates is not None:
            return self.candidates
        return ALIVE if popularity == "none" else SHORTLIST

    def training(self, preset: Training, popularity: str) -> Training:
        """How a model is fitted: as its size's preset, but for what was given.

        Beside a head one pass over what is new is enough, and more do harm (docs/neural.md, Training).
        """
        passes = preset.passes if popularity == "none" else 1
        return replace(
            preset,
            rate=preset.rate if self.rate is None else self.rate,
            epochs=preset.epochs if self.epochs is None else self.epochs,
            passes=passes if self.passes is None else self.passes,
            npratio=preset.npratio if self.npratio is None else self.npratio,
        )

    @property
    def warmup_ms(self) -> int | None:
        """The warm-up in ms."""
        try:
            return None if self.warmup is None else parse_duration(str(self.warmup))
        except NewsreplayError as error:
            raise SpecError(f"warmup: {error}") from None

    @property
    def torch_device(self) -> torch.device:
        """The device; a GPU only where there is one."""
        if self.device not in ("auto", "cpu", "cuda"):
            raise SpecError(f"device must be auto, cpu or cuda, not {self.device!r}")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise SpecError("device=cuda: torch finds no GPU here; leave it out or write device=cpu")
        return torch.device("cuda" if self.device != "cpu" and torch.cuda.is_available() else "cpu")

    @property
    def alive_ms(self) -> int:
        """`alive` in ms."""
        return round(self.alive * HOUR)

    @property
    def lazy_ms(self) -> int:
        """`lazy` in ms."""
        return round(self.lazy * HOUR / 60)

    @property
    def bucket_ms(self) -> int:
        """`bucket` in ms."""
        return round(self.bucket * HOUR)


@dataclass(frozen=True)
class Blueprint:
    """What it takes to make a model."""

    model: type[NewsModel]
    size_name: str
    size: Size
    options: ModelOptions  #: keywords of the model
    training: Training
    words: str | None  #: a file of word vectors
    plm: str | None  #: a pretrained language model
    device: torch.device
    popularity: str  #: joint or none
    files: Mapping[str, str]  #: by field of vectors
    looks: Looks  #: what the model is told of news cards
    descriptions: Descriptions | None  #: of categories, which stand behind titles

    @property
    def signals(self) -> tuple[str, ...]:
        """The signals of candidates that are noted, by name."""
        return signals_of(self.model, PopularityHead.signals if self.popularity == "joint" else ())

    @property
    def tuning(self) -> FineTuning | None:
        """How the language model that the model is made for is trained; None = it is made for none."""
        return _tuning(self.model, self.options)

    def make(self, words: nn.Module, widths: Mapping[str, int], cards: CardFeatures | None = None) -> NewsModel:
        """A fresh model over what turns word ids into vectors; to be made within `drawn_from`.

        `widths` are those of the vectors in `files`, `cards` the features that `looks` asks for.
        """
        model = self.model(self.size, words, **self.options, **_widths(widths))
        if self.popularity == "joint":
            model.head = PopularityHead()
        if cards is not None:
            model.show_cards(self.looks.visual, self.size, cards.backbone.widths)
        return model.to(self.device)


def blueprint_of(model: type[NewsModel], options: NeuralOptions, model_options: ModelOptions) -> Blueprint:
    """The model that options stand for. Raises `SpecError` where it has no such size or cannot be made with them."""
    if options.size not in model.sizes:
        hint = did_you_mean(str(options.size), model.sizes) or f"There are {', '.join(model.sizes)}."
        raise SpecError(f"no size is called {options.size!r}. {hint}")
    looks, model_options = looks_of(model, model_options, options.weights is not None)
    files = {name: str(model_options[name]) for name in files_of(model) if model_options.get(name) is not None}
    own = {name: value for name, value in model_options.items() if name not in files_of(model)}
    for name, optional in files_of(model).items():
        if (name in files or not optional) and not Path(files.get(name, "")).is_file():
            named = f"{name}={files[name]}: there is no such file" if name in files else f"{name} is missing"
            raise SpecError(f"{named}; {model.__name__} reads vectors from it")
    _try(model, own)
    if _tuning(model, own) is not None and options.plm is None and options.weights is None:
        _check_without_plm(model, options, own)
    return Blueprint(
        model,
        options.size,
        model.sizes[options.size],
        own,
        options.training(model.trainings[options.size], options.popularity or "none"),
        options.words,
        options.plm,
        options.torch_device,
        options.popularity or "none",
        files,
        looks,
        None if options.category_descriptions is None else Descriptions.read(options.category_descriptions),
    )


def _check_without_plm(model: type[NewsModel], options: NeuralOptions, own: ModelOptions) -> None:
    """Refuse to do without a language model where one must be given."""
    if options.size == "paper":
        raise SpecError(
            f"plm is missing: {model.__name__} of size=paper reads titles with a pretrained language model; give "
            "plm=FOLDER (config.json, tokenizer files, weights as .safetensors) or the name of one on the Hugging Face "
            'hub, and pip install "newsreplay[plm]"; the other sizes can do without'
        )
    for name in ("layers_trained", "plm_rate"):
        if name in own:
            raise SpecError(
                f"plm is missing: {name} is about a pretrained language model; give plm=FOLDER, or leave it out"
            )


def files_of(model: type[NewsModel]) -> dict[str, bool]:
    """The parameters that name files of vectors, called as the fields read from them; whether each can be left out."""
    fields = (field for field in model.fields if isinstance(field, Vector | NameVectors))
    return {field.name: isinstance(field, NameVectors) and field.optional for field in fields}


def _tuning(model: type[NewsModel], options: ModelOptions) -> FineTuning | None:
    kind = model.options
    return kind(**options) if kind is not None and issubclass(kind, FineTuning) else None


def _widths(widths: Mapping[str, int]) -> dict[str, Mapping[str, int]]:
    """The keyword of models with files of vectors."""
    return {"widths": widths} if widths else {}


def _try(model: type[NewsModel], options: ModelOptions) -> None:
    """Refuse options now rather than after the warm-up."""
    tiny = model.sizes["tiny"]
    try:
        with drawn_from(None):
            table = WordTable(4, tiny.word)
            words: nn.Module = table
            if _tuning(model, options) is not None:
                words = Transformer(table, tiny, Marks(1, 2, 3))
            model(tiny, words, **options, **_widths(dict.fromkeys(files_of(model), tiny.word)))
    except (ValueError, TypeError) as error:
        raise SpecError(str(error)) from None
