"""HieRec: what a reader likes, level by level: subcategories, categories, all of it (Qi et al. 2021, ACL)."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from newsreplay.recommenders.neural.models.fields import ENTITIES, TITLE, Contents
from newsreplay.recommenders.neural.models.layers import (
    AdditiveAttention,
    BinTable,
    Dropout,
    Glorot,
    NameTable,
    SelfAttention,
    first_of,
    masked_softmax,
)
from newsreplay.recommenders.neural.models.model import (
    TRAININGS,
    Group,
    NewsModel,
    Offered,
    Read,
    Size,
    unrounded,
)

NEWS = 0.25  #: share of an article's vector that training drops
COUNTED = 128  #: width of the vector of a number of reads
OVERALL, TOPIC, SUBTOPIC = 0.15, 0.15, 0.7  #: of a score, what each level counts for


class HieRec(NewsModel):
    """A reader as a tree of interests, of which a candidate meets its own subcategory, its own category and the root.

    Of the reads h_i, topics k (categories) and their subtopics j (subcategories within a category):

        r_j = Σ_i softmax_i(v·h_i) h_i + E_j                       over the reads of j
        r_k = Σ_j softmax_j(v'·r_j + cnt(n_j)) r_j + E'_k          over the subtopics of k
        r   = Σ_k softmax_k(v''·r_k + cnt(n_k)) r_k
        s   = 0.15 r·c + 0.15 ω_k r_k·c + 0.7 ω_j r_j·c            k and j are the candidate's own

    n are numbers of reads, cnt a linear layer over a table of them, ω = n / all reads, 0 where nothing was read of it.
    v, v', v'' and the tables E start at zero. Articles are title ⊕ entities, projected; categories are no part of them.

    What has no category is a topic of its own. The released training hides ω in all but one of ten thousand examples,
    so that the lower levels are hardly trained; here they always are. Vectors of entities are trained, since names are
    hashed to rows. A reader who has read nothing has a learned vector in the place of r (`nobody`).
    """

    trainings: ClassVar = TRAININGS | {"paper": replace(TRAININGS["paper"], batch=16)}
    fields: ClassVar = (TITLE, ENTITIES)
    context: ClassVar = ("category", "subcategory")
    visual: ClassVar = "none"

    def __init__(self, size: Size, words: nn.Module):
        super().__init__()
        title, entity_heads = size.heads * size.head, max(1, size.heads // 4)  # 5 of 20 in the paper
        width = self.article_width = title
        self.words = words
        self.dropout = Dropout(size.dropout)
        self.title = SelfAttention(size.word, size.heads, size.head)
        self.title_pool = AdditiveAttention(title, size.query)
        self.names = NameTable(size.names, size.category)
        self.entity = SelfAttention(size.category, entity_heads, size.head)
        self.entity_pool = AdditiveAttention(self.entity.width, size.query)
        self.merge = Glorot(title + self.entity.width, width)
        self.news_dropout = Dropout(NEWS)
        self.of_reads, self.of_subtopics, self.of_topics = (nn.Linear(width, 1, bias=False) for _ in range(3))
        self.counts = BinTable(size.history + 1, COUNTED)
        self.counted = nn.Linear(COUNTED, 1, bias=False)
        self.topics = NameTable(size.categories, width)
        self.subtopics = NameTable(size.subcategories, width)
        self.nobody = nn.Parameter(torch.zeros(width))
        for part in (self.of_reads, self.of_subtopics, self.of_topics, self.topics, self.subtopics):
            nn.init.zeros_(part.weight)

    def encode(self, contents: Contents) -> Tensor:
        """[N, heads x head] from titles and entities."""
        real, named = contents.title > 0, contents.entities > 0
        words = self.words_seen(self.words(contents.title), contents)
        title = self.title_pool(self.dropout(self.title(self.dropout(words), real)), real)
        entity = self.dropout(self.entity(self.dropout(self.names(contents.entities)), named))
        merged = self.merge(torch.cat([title, self.entity_pool(entity, named)], -1))
        return self.card_seen(merged, contents)

    def reading(self, vectors: Tensor) -> Tensor:
        """Vectors and their logits among the reads of a subtopic, [N, heads x head + 1]."""
        h = self.news_dropout(vectors)
        return torch.cat([h, self.of_reads(h)], -1)

    def offer(self, vectors: Tensor) -> Tensor:
        """Vectors."""
        dropped: Tensor = self.news_dropout(vectors)
        return dropped

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """r [B, q]; of topics, and again of subtopics: vectors [B, H, q], names [B, H] and shares [B, H].

        A topic, and a subtopic, stands at the place of its first read; shares are 0 at all other places. Names are rows
        of tables, those of a subtopic its category's and its own side by side, [B, H, 2].
        """
        h, logits = read.vectors[..., :-1], read.vectors[..., -1]
        names = torch.stack([read.context.category, read.context.subcategory], -1)
        names = names.masked_fill(~read.mask.unsqueeze(-1), 0.0).long()
        both = read.mask.unsqueeze(-1) & read.mask.unsqueeze(-2)
        in_topic = both & (names[:, :, None, 0] == names[:, None, :, 0])
        in_subtopic = in_topic & (names[:, :, None, 1] == names[:, None, :, 1])
        first_topic, first_subtopic = first_of(in_topic), first_of(in_subtopic)

        subtopics = masked_softmax(logits.unsqueeze(1), in_subtopic) @ h + self.subtopics(names[..., 1])
        logits = self.of_subtopics(subtopics).squeeze(-1) + self._count(in_subtopic)
        shares = masked_softmax(logits.unsqueeze(1), in_topic & first_subtopic.unsqueeze(1))
        topics = shares @ subtopics + self.topics(names[..., 0])
        logits = self.of_topics(topics).squeeze(-1) + self._count(in_topic)
        reader = (masked_softmax(logits, first_topic).unsqueeze(1) @ topics).squeeze(1)
        reader = torch.where(read.mask.any(-1, keepdim=True), reader, self.nobody)
        return (
            reader,
            *(topics, names[..., 0], share_of(in_topic, first_topic)),
            *(subtopics, names, share_of(in_subtopic, first_subtopic)),
        )

    def _count(self, together: Tensor) -> Tensor:
        """cnt of how many reads stand together, bool[B, H, H] → [B, H]."""
        number = together.sum(-1).clamp(max=self.counts.num_embeddings - 1)
        counted: Tensor = self.counted(self.counts(number)).squeeze(-1)
        return counted

    def score(self, readers: tuple[Tensor, ...], offered: Offered) -> Tensor:
        """[R, W]."""
        reader, topics, topic, topic_share, subtopics, names, subtopic_share = readers
        category, subcategory = offered.context.category.unsqueeze(-1), offered.context.subcategory.unsqueeze(-1)
        same_topic = category == topic.unsqueeze(1)  # [R, W, H]
        same_subtopic = (category == names[:, None, :, 0]) & (subcategory == names[:, None, :, 1])
        with torch.autocast(reader.device.type, enabled=False):
            c = unrounded(offered.vectors)

            def met(vectors: Tensor, share: Tensor, same: Tensor) -> Tensor:
                return ((c @ unrounded(vectors).transpose(-1, -2)) * share.unsqueeze(1) * same).sum(-1)

            return (
                OVERALL * (c @ unrounded(reader).unsqueeze(-1)).squeeze(-1)
                + TOPIC * met(topics, topic_share, same_topic)
                + SUBTOPIC * met(subtopics, subtopic_share, same_subtopic)
            )

    def groups(self, rate: float) -> list[Group]:
        """One, fitted by AMSGrad (Reddi et al. 2018)."""
        return [{**group, "amsgrad": True} for group in super().groups(rate)]


def share_of(together: Tensor, first: Tensor) -> Tensor:
    """float32[B, H], at first places the share of the reads that stand together there, bool[B, H, H]; 0 elsewhere."""
    reads = together.diagonal(dim1=1, dim2=2).sum(-1, keepdim=True).clamp(min=1)
    return (together.sum(-1) / reads).masked_fill(~first, 0.0)
