"""What one metric adds up to in every cluster, from the columns of a run folder: for tests that count clusters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from newsreplay.log.rows import Column
from newsreplay.simulator.judgement.judge import Frame, Outcomes, tally
from newsreplay.simulator.judgement.measures import IMPRESSIONS, POOLED, SLATES
from newsreplay.simulator.runs.columns import ungrouped
from newsreplay.simulator.runs.folder import RunFolder


class _Sessions(NamedTuple):
    """The scored sessions of a publisher, and the clusters that they and scored impressions are in."""

    begin: Column  # int64[sessions + 1], first read of each
    asks: Column  # int64[sessions + 1], first request of each
    relevant: Column  # int32[requests]
    reward: Column  # float32[reads]
    cluster: Column  # int64[sessions], from 0
    clusters: int


class ByCluster:
    """The sums of recommenders on one publisher of a run, cluster by cluster, each column read when it is asked for."""

    def __init__(self, run: RunFolder, publisher: str):
        self.run, self.publisher = run, publisher
        self._sessions: _Sessions | None = None
        self._impressions: tuple[Column, int] | None = None  # their clusters, from 0, and how many there are

    def sums(self, recommender: str, metric: str) -> Column:
        """What a metric that judges is a mean of, float64[clusters]; of the pooled AUC, which is no mean, the AUC's.

        Clusters are the same for all recommenders of the log.
        """
        if metric in self.run.added:
            return self.run.added[metric].ratios[self.publisher, recommender]
        name, _, cut = metric.partition("@")
        if name in SLATES:
            return self._of_slates(recommender, name, int(cut))
        if self._impressions is None:
            impressions = self.run.impressions(self.publisher)
            kind = self.run.facts(self.publisher)["impressions_resampled"]
            cluster = np.empty(0, np.int64) if impressions is None else ungrouped(impressions, kind)
            self._impressions = _numbered(cluster)
        group, clusters = self._impressions
        ranked = self.run.rankings(self.publisher, recommender)
        if ranked is None:
            return np.zeros(clusters)
        values = ranked.values[:, IMPRESSIONS.index("auc" if metric == POOLED else metric)]
        return np.bincount(group, values, clusters)

    def _of_slates(self, recommender: str, name: str, cut: int) -> Column:
        sessions = self._sessions = self._sessions or _sessions(self.run, self.publisher)
        begin, cluster, clusters = sessions.begin, sessions.cluster, sessions.clusters
        if name in ("event_success", "session_success"):
            places = self.run.places(self.publisher, recommender)
            hits = np.flatnonzero((places > 0) & (places <= cut))
            session = np.searchsorted(begin, hits, side="right") - 1
            if name == "event_success":
                return np.bincount(cluster[session], sessions.reward[hits], clusters)
            hit = np.bincount(session, minlength=len(cluster)) > 0
            return np.bincount(cluster[hit], minlength=clusters).astype(np.float64)
        unread = np.zeros(len(begin), np.int64)  # hits are none of these metrics
        known = {"session": cluster, "begin": unread, "asks": sessions.asks, "relevant": sessions.relevant}
        frame = Frame(**{name: known.get(name, np.empty(0, np.int32)) for name in Frame._fields})  # all that sums need
        outcomes = Outcomes(np.empty(0, np.int16), self.run.matches(self.publisher, recommender))
        sums = tally(frame, outcomes, cluster.astype(np.int32), clusters, (cut,))
        return np.ascontiguousarray(sums[:, 0, [*SLATES].index(name)])


def _sessions(run: RunFolder, publisher: str) -> _Sessions:
    requests, (session, reward) = run.requests(publisher), run.rewards(publisher)
    first = np.flatnonzero(np.append(True, requests.session[1:] != requests.session[:-1])[: len(requests.session)])
    begin = np.searchsorted(session, np.append(requests.session[first], np.iinfo(np.int32).max))
    cluster = ungrouped(requests, run.facts(publisher)["resampled"])
    asks = np.append(first, len(requests.session))
    return _Sessions(begin, asks, requests.relevant, reward, *_numbered(cluster[first]))


def _numbered(cluster: Column) -> tuple[Column, int]:
    unit, number = np.unique(cluster, return_inverse=True)
    return number, len(unit)
