"""Pretrained language models as what turns words into vectors (Wu et al. 2021, SIGIR: PLM-NR)."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from newsreplay.errors import SpecError
from newsreplay.recommenders.neural.models.drawing import drawn_from
from newsreplay.recommenders.neural.models.language import Marks, TextModel
from newsreplay.recommenders.neural.pretrained import load_pretrained, without_transformers

KEPT = 2**30  #: bytes of a frozen model's states that are kept, at most; those of BERT base's for some 20,000 titles
_NEEDED = (
    "name a folder with config.json, tokenizer files and weights as .safetensors, or a model on the Hugging Face hub "
    "that has these"
)
TOGETHER = 32  #: texts that a frozen model reads at a time


class PlmWords:
    """A language model's own tokens as word ids, with the interface of `texts.Vocabulary`; 0 is padding.

    `name` is a local folder or a name on the Hugging Face hub. Texts come with the model's special tokens. There are
    no words to learn and no buckets for others.
    """

    def __init__(self, name: str):
        self.name = name
        self.words: list[str] = []
        self.buckets = 0
        self._tokenizer = _load("AutoTokenizer", name, "tokenizer")
        self.rows = 1 + len(self._tokenizer)
        marks = (getattr(self._tokenizer, f"{mark}_token_id") for mark in ("cls", "sep", "mask"))
        found = [mark + 1 for mark in marks if mark is not None]
        self.marks = Marks(*found) if len(found) == len(Marks._fields) else None  #: None = it has not all of them

    def ids(self, text: str, length: int) -> list[int]:
        """Ids of a text's tokens, at most `length`; none of an empty text."""
        if not text.strip():
            return []
        tokens = self._tokenizer(text, truncation=True, max_length=length)["input_ids"]
        return [token + 1 for token in tokens]

    def ids_of_names(self, names: Sequence[str], length: int) -> list[int]:
        """Ids of the tokens of names that stand for a text."""
        return self.ids(" ".join(names), length)

    def ids_behind(self, text: str, length: int) -> list[int]:
        """Ids of a text's tokens behind those of another text: there is no second mark of a beginning."""
        ids = self.ids(text, length)
        return ids[1:] if self.marks is not None and ids[:1] == [self.marks.begin] else ids

    def buckets_of_rows(self) -> npt.NDArray[np.int64]:
        """int64[rows]: every token is its own bucket, since a language model has them all."""
        return np.arange(self.rows)

    def continuing(self) -> npt.NDArray[np.bool_]:
        """bool[rows], by word id: pieces that begin with ##, which continue the word before them."""
        pieces = self._tokenizer.convert_ids_to_tokens(range(self.rows - 1))
        return np.array([False, *(str(piece).startswith("##") for piece in pieces)])


class LanguageModel(TextModel):
    """The last hidden states of a language model: ids of `PlmWords` [N, L] → [N, L, width].

    They are projected to a width, or with width None as wide as they are. All but the last `layers_trained` layers are
    frozen, and without dropout. A model that is frozen altogether reads a text once: its states are kept, up to `kept`
    bytes of them, and when training begins those of the texts read first make room. Padding, which stands behind the
    words, is zero. Raises `SpecError` if the model cannot be loaded; only safetensors weights are, and no code that
    comes with a model is run.
    """

    pretrained = True
    first = 1

    def __init__(self, name: str, width: int | None, layers_trained: int = 0, kept: int = KEPT):
        super().__init__()
        self.name = name
        self.layers_trained = layers_trained
        self.model = _load("AutoModel", name, "model", use_safetensors=True).float()
        self.model.requires_grad_(False)
        layers = max((part for part in self.model.modules() if isinstance(part, nn.ModuleList)), key=len, default=())
        if layers_trained > len(layers):
            raise SpecError(f"{name} has {len(layers)} layers, so {layers_trained} of them cannot be trained")
        self.trained = tuple(layers)[len(layers) - layers_trained :]
        for layer in self.trained:
            layer.requires_grad_(True)
        config = self.model.config
        self.own: int = config.hidden_size  #: how wide its states are
        self.width = self.own if width is None else width
        self.heads = getattr(config, "num_attention_heads", 1)
        #: RoBERTa and its like count places from behind that of padding
        taken = 1 + getattr(getattr(self.model, "embeddings", None), "padding_idx", -1)
        self.positions = getattr(config, "max_position_embeddings", KEPT) - taken
        self.project = nn.Identity() if width is None else nn.Linear(self.own, width)
        self.most = kept
        self.kept: dict[bytes, Tensor] = {}  #: states by ids, those read first in front
        self.bytes = 0  #: of these

    def train(self, mode: bool = True) -> LanguageModel:
        """Training mode, in which frozen layers remain as they are.

        Room is made for new states here and nowhere else: what is read for an answer makes none forgotten that an
        earlier one still needs, and would then have other bits of.
        """
        super().train(mode)
        self.model.eval()
        for layer in self.trained:
            layer.train(mode)
        while mode and self.bytes > self.most // 2:
            self.bytes -= self.kept.pop(next(iter(self.kept))).nbytes
        return self

    def forward(self, ids: Tensor) -> Tensor:
        """int64[N, L] → float32[N, L, width]."""
        if not ids.shape[1]:  # which attention refuses
            return torch.zeros(*ids.shape, self.width, device=ids.device)
        with self._drawn(ids.device):
            hidden = self._read(ids) if self.trained else self._remembered(ids)
        projected: Tensor = self.project(hidden)
        return projected.masked_fill(ids.unsqueeze(-1) == 0, 0.0)

    def rows(self) -> Tensor:
        """See `TextModel.rows`."""
        vectors: Tensor = self.model.get_input_embeddings().weight
        return vectors

    def embedded(self, ids: Tensor, added: Tensor) -> Tensor:
        """See `TextModel.embedded`; a model that does not add vectors of words and places up raises what it likes."""
        with self._drawn(ids.device):
            found: Tensor = self.model.embeddings(inputs_embeds=self._words(ids) + added)
        return found

    def states(self, ids: Tensor, added: Tensor) -> Tensor:
        """See `TextModel.states`."""
        with self._drawn(ids.device):
            found: Tensor = self.model(
                inputs_embeds=self._words(ids) + added, attention_mask=_seen(ids)
            ).last_hidden_state
        return found

    def given(self) -> set[str]:
        """Names of the tensors that no training changes: who has the model's files has them."""
        fitted = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        return self.state_dict().keys() - fitted

    def digest(self) -> str:
        """SHA-256 of these, in hexadecimal digits."""
        found = hashlib.sha256()
        tensors = self.state_dict()
        for name in sorted(self.given()):
            found.update(name.encode())
            found.update(tensors[name].detach().cpu().contiguous().numpy().tobytes())
        return found.hexdigest()

    def _read(self, ids: Tensor) -> Tensor:
        """The last hidden states, [N, L, own]."""
        tokens = (ids - self.first).clamp(min=0)
        states: Tensor = self.model(input_ids=tokens, attention_mask=_seen(ids)).last_hidden_state
        return states

    def _words(self, ids: Tensor) -> Tensor:
        vectors: Tensor = self.model.get_input_embeddings()((ids - self.first).clamp(min=0))
        return vectors

    @torch.inference_mode(False)  # what is made in it could not be learned from
    @torch.no_grad()
    def _remembered(self, ids: Tensor) -> Tensor:
        """The same of a frozen model, of which texts are read that have not been, a fixed number at a time.

        So the bits of a text's states hang on what was read before it, but on nothing that is read beside it.
        """
        texts = [row[row > 0] for row in ids.cpu()]
        keys = [text.numpy().tobytes() for text in texts]
        read: dict[bytes, Tensor] = {}
        new = list({key: row for row, key in enumerate(keys) if key and key not in self.kept}.values())
        for first in range(0, len(new), TOGETHER):
            rows = new[first : first + TOGETHER]
            block = torch.zeros(TOGETHER, ids.shape[1], dtype=ids.dtype, device=ids.device)
            block[: len(rows)] = ids[rows]
            for row, states in zip(rows, self._read(block), strict=False):
                read[keys[row]] = states[: len(texts[row])].clone()
        out = torch.zeros(*ids.shape, self.own, device=ids.device)
        for row, key in enumerate(keys):
            if key:
                out[row, : len(texts[row])] = read[key] if key in read else self.kept[key]
        for key, states in read.items():
            if self.bytes + states.nbytes > self.most:
                break
            self.kept[key] = states
            self.bytes += states.nbytes
        return out

    def _drawn(self, device: torch.device) -> AbstractContextManager[None]:
        """Dropout of layers that are not ours, which draws from torch's generator, as if it drew from this one's."""
        if self.generator is None or not (self.training and self.trained):
            return nullcontext()
        seed = torch.empty((), dtype=torch.int64, device=self.generator.device).random_(generator=self.generator)
        return drawn_from(int(seed), device)


def _seen(ids: Tensor) -> Tensor:
    seen = ids > 0
    seen[:, :1] = True  # of a text without words; a softmax over nothing would be NaN
    return seen.long()


def check_plm(name: str) -> None:
    """Refuse a language model that cannot be loaded, as far as a look at its files tells; nothing is loaded.

    What may be a name on the hub is not looked for. Raises `SpecError`.
    """
    if importlib.util.find_spec("transformers") is None:
        raise without_transformers(_called(name), "plm")
    folder = Path(name)
    if folder.is_dir():
        missing = [what for what in ("config.json", "*.safetensors") if not any(folder.glob(what))]
        if missing:
            raise SpecError(f"plm={name} has no {missing[0]}; {_NEEDED}")
    elif folder.exists() or folder.is_absolute() or name.count("/") > 1 or name.startswith("."):
        raise SpecError(f"plm={name}: there is no such folder; {_NEEDED}")


def _load(kind: str, name: str, what: str, **options: bool) -> Any:
    return load_pretrained(kind, name, _called(name), what, _NEEDED, "plm", **options)


def _called(name: str) -> str:
    return f"the language model {name}"
