"""The recommenders that the registry names."""

from newsreplay.recommenders.neural.models import awrs, caum, lstur, naml, nrms, pprec, tanr
from newsreplay.recommenders.neural.recommender import recommender_of

NRMS = recommender_of(nrms.NRMS)
NAML = recommender_of(naml.NAML)
LSTUR = recommender_of(lstur.LSTUR)
TANR = recommender_of(tanr.TANR)
CAUM = recommender_of(caum.CAUM)
PPRec = recommender_of(pprec.PPRec)
AWRS = recommender_of(awrs.AWRS)
