"""What PUNR is pre-trained with: words that were masked, and all words one after the other from a reader's vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from newsreplay.recommenders.neural.models.language import TextModel
from newsreplay.recommenders.neural.models.layers import Dropout, Glorot

AT_ONCE = 2**25  #: logits that are held at once


class WordHead(nn.Module):
    """Which word is meant, from a state: logits over all words, by their own vectors, as in BERT.

    E LN(GELU(W h + w)) + b
    """

    def __init__(self, width: int, rows: int):
        super().__init__()
        self.dense = Glorot(width, width)
        self.norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(rows))

    def logits(self, states: Tensor, rows: Tensor) -> Tensor:
        """[m, width] and the vectors of words, [rows, width] → [m, rows]."""
        return functional.linear(self.norm(functional.gelu(self.dense(states))), rows, self.bias)

    def loss(self, states: Tensor, meant: Tensor, rows: Tensor) -> Tensor:
        """Mean cross-entropy of m states, [m, width], and the rows of the words meant, int64[m]; 0 of none.

        Some logits at a time, and anew for the gradients: for all of a text there would be no room.
        """
        total = states.new_zeros((), dtype=torch.float32)
        for some, words in zip(
            *(torch.split(part, max(1, AT_ONCE // len(rows))) for part in (states, meant)), strict=True
        ):
            total = total + checkpoint(self._summed, some, words, rows, use_reentrant=False, preserve_rng_state=False)
        return total / max(1, len(meant))

    def _summed(self, states: Tensor, meant: Tensor, rows: Tensor) -> Tensor:
        return functional.cross_entropy(self.logits(states, rows).float(), meant, reduction="sum")


class CausalBlock(nn.Module):
    """One block that looks at what came before alone, as in GPT-2 (Radford et al. 2019), and a last layer norm.

    H = X + MHA(LN(X)),  LN(H + W GELU(V LN(H)))
    """

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        head = width // heads
        self.before = Dropout(dropout)
        self.first_norm = nn.LayerNorm(width)
        self.project = Glorot(width, 3 * heads * head)  #: queries, keys and values side by side
        self.back = Glorot(heads * head, width)
        self.second_norm = nn.LayerNorm(width)
        self.widen = Glorot(width, 4 * width)
        self.narrow = Glorot(4 * width, width)
        self.dropout = Dropout(dropout)
        self.last_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, n, width] → [B, n, width]; what is padding stands behind, where nothing looks at it."""
        x = self.before(x)
        parts = self.project(self.first_norm(x)).chunk(3, -1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        hidden = x + self.dropout(self.back(mixed.transpose(1, 2).flatten(2)))
        fed = self.narrow(functional.gelu(self.widen(self.second_norm(hidden))))
        found: Tensor = self.last_norm(hidden + self.dropout(fed))
        return found


class BehaviourModelling(nn.Module):
    """The two losses of pre-training over one head (eq. 2, 4, 5)."""

    def __init__(self, words: TextModel, dropout: float, generation: bool):
        super().__init__()
        self.head = WordHead(words.width, len(words.rows()))
        self.block = CausalBlock(words.width, words.heads, dropout) if generation else None

    def of_masked(self, words: TextModel, states: Tensor, ids: Tensor, chosen: Tensor) -> Tensor:
        """L_mlm, the mean over what was masked: states [B, n, width] of masked texts, ids [B, n] before that."""
        meant, known = self._meant(words, ids)
        which = chosen & known
        return self.head.loss(states[which], meant[which], words.rows())

    def of_following(self, words: TextModel, reader: Tensor, ids: Tensor, added: Tensor) -> Tensor:
        """L_dec: each word of ids, [B, n], but the first, from those before it and the reader, [B, width]."""
        assert self.block is not None
        following = self.following(words, reader, ids, added)
        meant, known = self._meant(words, ids)
        which = (ids > 0)[:, 1:] & known[:, 1:]
        return self.head.loss(following[:, :-1][which], meant[:, 1:][which], words.rows())

    def following(self, words: TextModel, reader: Tensor, ids: Tensor, added: Tensor) -> Tensor:
        """States [B, n, width], each of which tells the word behind it; the reader stands in the first place."""
        assert self.block is not None
        embedded = words.embedded(ids, added)
        states: Tensor = self.block(torch.cat([reader.unsqueeze(1).to(embedded.dtype), embedded[:, 1:]], 1))
        return states

    def _meant(self, words: TextModel, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of words, and whether they have one: words that came up after training have none."""
        rows = ids - words.first
        known = (rows >= 0) & (rows < len(self.head.bias))
        return rows.clamp(0, len(self.head.bias) - 1), known
