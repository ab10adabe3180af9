"""What a neural model of your own is made from; `docs/neural-models.md` writes one.

Importing this module imports torch.
"""

from newsreplay.recommenders.neural.cards.backbones import Backbone
from newsreplay.recommenders.neural.models import layers
from newsreplay.recommenders.neural.models.fields import (
    ABSTRACT,
    BODY,
    CATEGORY,
    ENTITIES,
    ID,
    SENTIMENT,
    SUBCATEGORY,
    TITLE,
    Columns,
    Contents,
    Mentions,
    Name,
    Names,
    NameVectors,
    Number,
    Vector,
    Words,
)
from newsreplay.recommenders.neural.models.fine_tuning import FineTuning
from newsreplay.recommenders.neural.models.language import Marks, TextModel
from newsreplay.recommenders.neural.models.model import (
    UNKNOWN,
    Around,
    Graph,
    Inputs,
    LossInputs,
    NewsModel,
    Offered,
    Read,
    Size,
    Stage,
    Training,
    click_loss,
    dot_product,
)
from newsreplay.recommenders.neural.models.visual import CardWidths
from newsreplay.recommenders.neural.recommenders import recommender_of

__all__ = [
    "ABSTRACT",
    "BODY",
    "CATEGORY",
    "ENTITIES",
    "ID",
    "SENTIMENT",
    "SUBCATEGORY",
    "TITLE",
    "UNKNOWN",
    "Around",
    "Backbone",
    "CardWidths",
    "Columns",
    "Contents",
    "FineTuning",
    "Graph",
    "Inputs",
    "LossInputs",
    "Marks",
    "Mentions",
    "Name",
    "NameVectors",
    "Names",
    "NewsModel",
    "Number",
    "Offered",
    "Read",
    "Size",
    "Stage",
    "TextModel",
    "Training",
    "Vector",
    "Words",
    "click_loss",
    "dot_product",
    "layers",
    "recommender_of",
]
