"""A neural model of your own: titles through a recurrent network, readers as the mean of what they read lately."""

from torch import Tensor, nn

from newsreplay.neural import CATEGORY, TITLE, Contents, NewsModel, Offered, Read, Size, recommender_of


class LatelyRead(NewsModel):
    """A reader's interest fades with a half-life that is learned; candidates in the section read last gain a little."""

    fields = (TITLE, CATEGORY)  # what `contents` holds of an article
    context = ("age", "category")  # what `read.context` and `offered.context` hold
    signals = ("reads_1h",)  # what `offered.signals` holds

    def __init__(self, size: Size, words: nn.Module):
        super().__init__()
        self.words = words
        self.title = nn.GRU(size.word, size.filters, batch_first=True)
        self.fade = nn.Parameter(-Tensor([1.0]))
        self.section = nn.Parameter(Tensor([0.1]))
        self.busy = nn.Parameter(Tensor([0.1]))

    def encode(self, contents: Contents) -> Tensor:
        """Articles, [N, filters]; what depends on an article alone is computed once and kept."""
        real = contents.title > 0
        states, _ = self.title(self.words(contents.title))
        return (states * real.unsqueeze(-1)).sum(1) / real.sum(1, keepdim=True).clamp(min=1)

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """Readers, [B, filters], and the sections that they read last, [B]."""
        weight = (self.fade * read.context.age.log1p()).exp() * read.mask
        reader = (weight.unsqueeze(-1) * read.vectors).sum(1) / weight.sum(1, keepdim=True).clamp(min=1e-6)
        last = (read.mask.sum(1, keepdim=True) - 1).clamp(min=0)
        return reader, read.context.category.gather(1, last).squeeze(1)

    def score(self, readers: tuple[Tensor, ...], offered: Offered) -> Tensor:
        """Scores, [R, W], of W candidates for each of R readers."""
        reader, section = readers
        same = (offered.context.category == section.unsqueeze(1)).float()
        return (
            (offered.vectors @ reader.unsqueeze(-1)).squeeze(-1)
            + self.section * same
            + self.busy * offered.signals.reads_1h.log1p()
        )


Lately = recommender_of(LatelyRead)
