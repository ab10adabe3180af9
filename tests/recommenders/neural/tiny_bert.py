"""A tiny random language model, since none can be passed on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

LAYERS = 3
SPELLED = "0123456789abcdef"  #: made-up titles are made of
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "rain", "in", "the", "city", "##s"]
PIECES = [*WORDS, *SPELLED, *(f"##{letter}" for letter in SPELLED)]


def write_bert(folder: Path, seed: int = 0) -> Path:
    """Write a BERT of `LAYERS` layers, 8 wide, that has `PIECES`. Skips the test without transformers."""
    transformers: Any = pytest.importorskip("transformers", reason='needs pip install "newsreplay[plm]"')
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n")
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(PIECES),
        hidden_size=8,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformers.BertModel(config).save_pretrained(folder)
    return folder
