"""Small models with weights that matter, and the same four readers for each of them."""

import torch

from newsreplay.recommenders.neural.models.fields import Columns, Contents
from newsreplay.recommenders.neural.models.layers import WordTable
from newsreplay.recommenders.neural.models.model import Inputs
from newsreplay.recommenders.neural.stream.signals import COUNTED
from tests.recommenders.neural.models.batches import Batch

HISTORY = torch.tensor([[1, 2, 3, 0, 0], [4, 5, 6, 7, 8], [9, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
POOL = torch.tensor([[10, 11, 12], [13, 14, 15], [10, 4, 16], [17, 18, 19]])


def made(model, seed=7, **options):
    """A tiny model whose weights are all far from zero, dropout off."""
    size = model.sizes["tiny"]
    built = model(size, WordTable(30, size.word), **options).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.normal_(0, 0.5, generator=generator)
    return built


def scores(model, some):
    with torch.no_grad():
        return model(*some)


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
    for column in (title, entities, category):
        column[0] = 0
    return Batch(
        Contents({"title": title, "category": category, "entities": entities}),
        Inputs(
            HISTORY,
            POOL,
            signals(generator, 4, 5),
            signals(generator, 4, 3),
            Columns((), torch.zeros(4, 5, 0)),
            Columns((), torch.zeros(4, 3, 0)),
            ids(size.users, 4),
        ),
    )


def signals(generator, *shape):
    """Signals of completed buckets at random, every fourth article never shown."""
    known = torch.rand(*shape, len(COUNTED), generator=generator)
    known[..., 2:] *= torch.tensor([40.0, 0.2, 300.0])
    known[..., 2] = known[..., 2].floor()
    known[..., 4] = known[..., 4].ceil()
    known.view(-1, len(COUNTED))[::4, :2] = float("nan")
    return Columns(COUNTED, known)
