"""Models that are held to the contract, with their options."""

from __future__ import annotations

from typing import Any

from newsreplay.recommenders.neural.models.model import NewsModel
from tests.recommenders.neural.models.small_models import InContext, Several

Case = tuple[str | type[NewsModel], dict[str, Any]]

MODELS: list[Case] = [
    ("nrms", {}),
    ("nrms_bert", {}),
    ("naml", {}),
    ("tanr", {}),
    ("lstur", {}),
    ("lstur", {"variant": "con"}),
    ("caum", {}),
    ("caum", {"attention": "paper"}),
    ("caum", {"neighbours": "wrap"}),
    ("pprec", {}),
    ("awrs", {}),
    ("awrs", {"avoidance": False}),
    ("awrs", {"relevance": False}),
    ("crown", {}),
    ("crown", {"gnn": "sage", "user": "gnn"}),
    ("crown", {"user": "attention", "intents": 0}),
    ("crown", {"preset": "release"}),
    ("fim", {}),
    ("nrms_im", {}),
    ("nrms_im", {"visual": "local"}),
    ("fim_im", {}),
    ("fim_im", {"visual": "global"}),
    ("naml", {"visual": "both"}),
    ("crown", {"visual": "both"}),
    ("mccm", {}),
    ("dssm", {}),
    ("unbert", {}),
    ("punr", {}),
    ("punr", {"pooling": "average"}),
    ("punr", {"pooling": "attention", "siamese": False}),
    ("cennewsrec", {}),
    ("sentirec", {}),
    ("mins", {}),
    ("npa", {}),
    ("miner", {}),
    ("miner", {"aggregation": "max", "category_bias": False, "codes": 3}),
    ("manner_cr", {}),
    ("hierec", {}),
    ("glory", {}),
    ("cne_sue", {}),
    ("dkn", {}),
    ("gru4rec", {}),
    ("sasrec", {}),
    ("narm", {}),
    ("stamp", {}),
    (InContext, {}),
    (Several, {}),
]


def named(case: Case) -> str:
    """As it is shown."""
    kind, options = case
    return " ".join([kind if isinstance(kind, str) else kind.__name__, *map(str, options.values())])
