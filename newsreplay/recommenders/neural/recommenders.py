"""The recommenders that the registry names, one for each model."""

from __future__ import annotations

import inspect

from newsreplay.recommenders.neural.looks import LOOKS
from newsreplay.recommenders.neural.models import (
    amm,
    awrs,
    caum,
    crown,
    dssm,
    fim,
    fim_im,
    gru4rec,
    lstur,
    mccm,
    naml,
    narm,
    nrms,
    nrms_bert,
    nrms_im,
    pprec,
    punr,
    sasrec,
    stamp,
    tanr,
    unbert,
)
from newsreplay.recommenders.neural.models.fields import Words
from newsreplay.recommenders.neural.models.model import NewsModel
from newsreplay.recommenders.neural.options import NeuralOptions, files_of
from newsreplay.recommenders.neural.recommender import Neural
from newsreplay.recommenders.neural.stream.signals import COUNTED

BUCKETS = {*COUNTED} - {"age"}  # signals of completed buckets
PUBLISHED = BUCKETS - {"rate"}  # those that AWRS's release takes from the whole log
_OF_SIGNALS = ("bucket", "lag", "counting", "half_life")  # parameters of models that read signals of buckets


def recommender_of(model: type[NewsModel]) -> type[Neural]:
    """The recommender of a model: its parameters are those of `NeuralOptions`, the model's own keywords, and its files.

    GRU = recommender_of(GRUModel)      # in gru.py: newsreplay run --recommenders "gru.py:GRU(size=tiny)"
    """
    common = [
        parameter
        for parameter in inspect.signature(NeuralOptions).parameters.values()
        if (BUCKETS & {*model.signals} or parameter.name not in _OF_SIGNALS)
        and (PUBLISHED & {*model.signals} or parameter.name != "leaky")
        and (model.reads_contents or parameter.name != "lazy")
        and (any(isinstance(field, Words) for field in model.fields) or parameter.name not in ("words", "plm"))
    ]
    own = [
        parameter
        for parameter in inspect.signature(model.options or model).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.name != "widths"
    ]
    own += [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in files_of(model)]
    if model.visual is not None:
        own += [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=model.visual if name == "visual" else None)
            for name in LOOKS
        ]
    namespace = {
        "model_class": model,
        "__doc__": model.__doc__,
        "__module__": __name__,
        "__signature__": inspect.Signature([*common, *own]),
    }
    return type(model.__name__, (Neural,), namespace)


NRMS = recommender_of(nrms.NRMS)
NAML = recommender_of(naml.NAML)
LSTUR = recommender_of(lstur.LSTUR)
TANR = recommender_of(tanr.TANR)
CAUM = recommender_of(caum.CAUM)
PPRec = recommender_of(pprec.PPRec)
AWRS = recommender_of(awrs.AWRS)
CROWN = recommender_of(crown.CROWN)
FIM = recommender_of(fim.FIM)
NRMSBERT = recommender_of(nrms_bert.NRMSBERT)
NRMSIM = recommender_of(nrms_im.NRMSIM)
FIMIM = recommender_of(fim_im.FIMIM)
MCCM = recommender_of(mccm.MCCM)
DSSM = recommender_of(dssm.DSSM)
UNBERT = recommender_of(unbert.UNBERT)
AMM = recommender_of(amm.AMM)
PUNR = recommender_of(punr.PUNR)
GRU4Rec = recommender_of(gru4rec.GRU4Rec)
SASRec = recommender_of(sasrec.SASRec)
NARM = recommender_of(narm.NARM)
STAMP = recommender_of(stamp.STAMP)
