"""The recommenders that the registry names, one for each model."""

from __future__ import annotations

import inspect

from newsreplay.recommenders.neural.looks import LOOKS
from newsreplay.recommenders.neural.models import (
    amm,
    awrs,
    caum,
    cennewsrec,
    cne_sue,
    crown,
    dkn,
    dssm,
    fim,
    fim_im,
    glory,
    gru4rec,
    hierec,
    lstur,
    manner_cr,
    mccm,
    miner,
    mins,
    naml,
    narm,
    npa,
    nrms,
    nrms_bert,
    nrms_im,
    pprec,
    punr,
    sasrec,
    sentirec,
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
        and (model.described or parameter.name != "category_descriptions")
        and (any(isinstance(field, Words) for field in model.fields) or parameter.name not in ("words", "plm"))
    ]
    own = [
        parameter
        for parameter in inspect.signature(model.options or model).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.name != "widths"
    ]
    own += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None if optional else inspect.Parameter.empty)
        for name, optional in files_of(model).items()
    ]
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
CenNewsRec = recommender_of(cennewsrec.CenNewsRec)
SentiRec = recommender_of(sentirec.SentiRec)
MINS = recommender_of(mins.MINS)
NPA = recommender_of(npa.NPA)
MINER = recommender_of(miner.MINER)
MANNeRCR = recommender_of(manner_cr.MANNeRCR)
GRU4Rec = recommender_of(gru4rec.GRU4Rec)
SASRec = recommender_of(sasrec.SASRec)
NARM = recommender_of(narm.NARM)
STAMP = recommender_of(stamp.STAMP)
HieRec = recommender_of(hierec.HieRec)
GLORY = recommender_of(glory.GLORY)
CNESUE = recommender_of(cne_sue.CNESUE)
DKN = recommender_of(dkn.DKN)
