"""Models as safetensors files: numbers and plain facts, nothing that runs when it is loaded.

A file holds the model's tensors under their names, without those of a language model that are frozen, the words of
its vocabulary as a uint8 tensor `vocabulary` (a JSON list, UTF-8), and in its metadata, under `newsreplay`, what it
takes to make the model again, as JSON.
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from newsreplay.errors import NewsreplayError
from newsreplay.files import written_whole
from newsreplay.recommenders.neural.articles.plm import LanguageModel
from newsreplay.recommenders.neural.models.layers import WordTable
from newsreplay.recommenders.neural.models.model import Size
from newsreplay.version import __version__

FORMAT = 1  #: of the file
_FACTS = "newsreplay"
_WORDS = "vocabulary"
_AGAIN = "make it again with 'newsreplay train'"

#: Plain facts by name, as JSON holds them.
Facts: TypeAlias = dict[str, Any]

#: The facts that every file has, and their types. `until` is an event time in ms UTC, `training` a list of rounds.
FACTS: dict[str, type] = {
    "model": str,  # nrms, awrs …
    "size": str,  # its name: small, paper …
    "numbers": dict,  # all of a `Size`
    "options": dict,  # further keywords of the model's constructor
    "popularity": str,  # joint: with a popularity head; none
    "buckets": int,  # rows that unknown words are hashed to
    "until": int,
    "training": list,
    "version": str,  # of newsreplay, which wrote it
}


class Weights(NamedTuple):
    """What a file of weights holds."""

    facts: Facts  #: `FACTS`, `format`, and all else that was given
    words: list[str]  #: of the vocabulary, in the order of their rows
    tensors: dict[str, Tensor]  #: by name, on the CPU
    path: Path

    @property
    def size(self) -> Size:
        """How large the model is. Raises `NewsreplayError` where this version has other numbers of a size."""
        facts: Facts = self.facts["numbers"]
        numbers: Facts = {name: tuple(n) if isinstance(n, list) else n for name, n in facts.items()}
        known = {field.name for field in fields(Size)}
        if numbers.keys() != known:
            odd = ", ".join(sorted(numbers.keys() ^ known))
            raise NewsreplayError(
                f"{self.path} was written by newsreplay {self.facts['version']}, whose models have other sizes "
                f"({odd}); {_AGAIN}"
            )
        return Size(**numbers)

    def fill(self, model: nn.Module) -> None:
        """Put the tensors in the place of a model's own.

        Raises `NewsreplayError` where names or shapes differ; then nothing was changed.
        """
        own = _tensors(model)
        odd = sorted(own.keys() ^ self.tensors.keys())
        if odd:
            where = "the model has" if odd[0] in own else "the file has"
            raise self._misfit(f"{len(odd)} tensors are in one of them only, {where} {odd[0]}")
        for name, tensor in self.tensors.items():
            if tensor.shape != own[name].shape:
                raise self._misfit(f"{name} is {_shape(tensor)} in the file and {_shape(own[name])} in the model")
        with torch.no_grad():
            for name, tensor in self.tensors.items():
                own[name].copy_(tensor)

    def _misfit(self, why: str) -> NewsreplayError:
        options = ", ".join([f"size={self.facts['size']}", *(f"{n}={v}" for n, v in self.facts["options"].items())])
        return NewsreplayError(
            f"{self.path} does not fit this model: {why}. It holds {self.facts['model']}({options}); "
            "leave size and options out, the file has them"
        )


def save_weights(path: str | Path, facts: Facts, words: list[str], model: nn.Module) -> None:
    """Write a model to a file, whole or not at all; the same model gives the same bytes.

    `facts` are those of `FACTS`, the version excepted, and all else that JSON can hold. Words that came up after
    training (`WordTable.later`) are left out, as is what a language model brings along (`LanguageModel.given`): they
    are looked up again. Raises `NewsreplayError` where the file cannot be written, and `ValueError` where a fact is
    missing.
    """
    facts = facts | {"format": FORMAT, "version": __version__}
    if (wrong := _wrong(facts)) is not None:
        raise ValueError(wrong)
    # Clones, because tensors that share memory cannot be stored.
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in _tensors(model).items()}
    tensors[_WORDS] = torch.frombuffer(bytearray(json.dumps(words, ensure_ascii=False).encode()), dtype=torch.uint8)
    data = save(tensors, {_FACTS: json.dumps(facts, sort_keys=True)})
    path = Path(path)
    try:
        with written_whole(path) as work:
            work.write_bytes(data)
    except OSError as error:
        raise NewsreplayError(f"cannot write {path}: {error.strerror or error}; name another file") from None


def load_weights(path: str | Path) -> Weights:
    """Read a file of weights. Raises `NewsreplayError` where there is none, or another program's, or a damaged one."""
    path = Path(path)
    if not path.is_file():
        raise NewsreplayError(f"there is no file of weights {path}; make one with 'newsreplay train'")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no mapping
    except (SafetensorError, OSError) as error:
        raise NewsreplayError(f"{path} cannot be read as safetensors ({error}); {_AGAIN}") from None
    if _FACTS not in metadata or _WORDS not in tensors:
        raise NewsreplayError(f"{path} was not written by newsreplay; weights come from 'newsreplay train'")
    try:
        facts = json.loads(metadata[_FACTS])
        words = json.loads(tensors.pop(_WORDS).numpy().tobytes().decode())
    except (ValueError, TypeError) as error:
        raise NewsreplayError(f"{path} is damaged ({error}); {_AGAIN}") from None
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        written = facts.get("format") if isinstance(facts, dict) else None
        raise NewsreplayError(
            f"{path} was written by another version of newsreplay (format {written}, this one reads {FORMAT}); {_AGAIN}"
        )
    wrong = _wrong(facts)
    if wrong is None and not (isinstance(words, list) and all(isinstance(word, str) for word in words)):
        wrong = "its vocabulary is no list of words"
    if wrong is not None:
        raise NewsreplayError(f"{path} is damaged ({wrong}); {_AGAIN}")
    return Weights(facts, words, tensors, path)


def _wrong(facts: Facts) -> str | None:
    for name, kind in FACTS.items():
        if not isinstance(facts.get(name), kind):
            return f"the fact {name!r} is {facts[name]!r}" if name in facts else f"the fact {name!r} is missing"
    return None


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """All that is kept of a model, by name: what training changes, and what it was calibrated to."""
    elsewhere = {
        f"{name}.{tensor}".lstrip(".")
        for name, part in model.named_modules()
        if isinstance(part, WordTable | LanguageModel)
        for tensor in (part.given() if isinstance(part, LanguageModel) else ("later",))
    }
    return {name: tensor for name, tensor in model.state_dict().items() if name not in elsewhere}


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "one number"
