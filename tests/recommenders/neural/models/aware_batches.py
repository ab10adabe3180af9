"""Small models with weights that matter, and something for them to score."""

from typing import NamedTuple

import torch

from newsreplay.recommenders.neural.models.layers import WordTable
from newsreplay.recommenders.neural.models.model import Contents

HISTORY = torch.tensor([[1, 2, 3, 0, 0], [4, 5, 6, 7, 8], [9, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
POOL = torch.tensor([[10, 11, 12], [13, 14, 15], [10, 4, 16], [17, 18, 19]])


class Batch(NamedTuple):
    """What `forward` takes."""

    contents: Contents
    history: torch.Tensor
    pool: torch.Tensor
    history_signals: torch.Tensor
    signals: torch.Tensor
    user: torch.Tensor


def made(model, seed=7, **options):
    """A tiny model whose weights are all far from zero, dropout off."""
    size = model.sizes["tiny"]
    built = model(size, WordTable(30, size.word), **options).eval()
    spread(built, seed)
    return built


def spread(model, seed, scale=0.5):
    """Draw all weights."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, scale, generator=generator)


def batch(size, seed=3):
    """Four readers, one of whom has read nothing, and three candidates for each; some articles lack something."""
    generator = torch.Generator().manual_seed(seed)

    def ids(below, *shape):
        return torch.randint(1, below, shape, generator=generator)

    title, entities, category = ids(30, 20, size.title), ids(size.names, 20, size.entities), ids(size.categories, 20)
    title[2, 3:] = 0
    title[5] = 0
    entities[3, 1:] = 0
    entities[6] = 0
    nothing = torch.zeros(20, 0, dtype=torch.int64)
    contents = Contents(title, nothing, category, ids(size.subcategories, 20), entities)
    for column in contents:
        column[0] = 0
    return Batch(contents, HISTORY, POOL, signals(generator, 4, 5), signals(generator, 4, 3), ids(size.users, 4))


def signals(generator, *shape):
    """`SIGNALS` at random, every fourth article never shown."""
    known = torch.rand(*shape, 5, generator=generator)
    known[..., 2:] *= torch.tensor([40.0, 0.2, 300.0])
    known[..., 2] = known[..., 2].floor()
    known[..., 4] = known[..., 4].ceil()
    known.view(-1, 5)[::4, :2] = float("nan")
    return known


def fitted(model, size, steps, rate):
    """How often the first candidate has the best score of its pool after some steps on this batch."""
    some = batch(size)
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    for _ in range(steps):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(*some), torch.zeros(4, dtype=torch.int64)).backward()
        optimiser.step()
    with torch.no_grad():
        return (model(*some).argmax(1) == 0).float().mean().item()


def without_gradient(model, size):
    """The parameters that the scores of the batch do not depend on."""
    scores = model(*batch(size))
    (scores * torch.arange(1.0, 13).view(4, 3)).sum().backward()
    return {name for name, value in model.named_parameters() if value.grad is None or not value.grad.any()}
