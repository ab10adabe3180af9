"""The blindness check: whether a recommender's answers change when only what comes after them does.

A log is replayed; the rows from a cut on are overwritten, cut off or become more, articles alike; it is replayed again.
The answers before the cut, slates and scores, must be the same to the byte, at many cuts. The logs with another future
are replayed in a process that never held the one they were made of.

It is a test, against mistakes: what depends on rows after a cut by way of the memory of the process is found. It is no
sandbox against malice: a recommender that reads the future from files, from the network or from another process
gives the same answers whatever the log is, and passes.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from typing import Literal, NamedTuple, TypeAlias, TypedDict, Unpack

import numpy as np

from newsreplay.durations import FeedbackDelay, delays
from newsreplay.errors import RecommenderError
from newsreplay.log.catalog import Articles, bare_articles
from newsreplay.log.rows import ASKING, IMPRESSION, Asks, Column, Excludes, Log
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.mixtures import Mixture
from newsreplay.recommenders.references.replayed import UNPROVEN, MadeElsewhere
from newsreplay.recommenders.registry import MIXTURES, Entry, built_in
from newsreplay.simulator.apart import Apart, Given, Here, NotSentError
from newsreplay.simulator.judgement.scope import Scope
from newsreplay.simulator.overwritten import made_up_log, overwritten
from newsreplay.spec import Spec, parse_spec

ROWS = 2_000  #: of the log that is made for a check

#: What became of the rows from a cut on.
Change: TypeAlias = Literal["nothing", "overwritten", "cut off", "overwritten and made more"]
_CHANGES: tuple[Change, ...] = ("overwritten", "cut off", "overwritten and made more")


class CheckedSetting(TypedDict, total=False):
    """How a recommender is asked in a check, as `Setting` has it."""

    k: int
    seed: int
    requests: Asks
    exclude: Excludes


class Finding(NamedTuple):
    """The first answer that changed although only what came after it did."""

    cut: int  #: first row that was changed
    change: Change
    row: int  #: the request or impression, before the cut
    what: str  #: "answer" or "scores"
    before: list[int] | list[float]
    after: list[int] | list[float]

    def __str__(self) -> str:
        when = f"when the rows from {self.cut} on were {self.change}"
        if self.change == "nothing":
            when = "in a second replay of the same log"
        return f"the {self.what} at row {self.row} changed from {self.before} to {self.after} {when}"


class Check(NamedTuple):
    """Whether a recommender is blind to the future; printing it gives one line."""

    recommender: str
    cuts: int  #: how many there were; a short log has fewer than were requested
    finding: Finding | None  #: None = no answer changed
    error: str | None = None  #: what it did in place of answering; None = it answered
    apart: bool = True  #: replayed in processes of its own; False = in this one, where it cannot be sent elsewhere

    @property
    def passed(self) -> bool:
        """Whether it answered, and no answer changed."""
        return self.finding is None and self.error is None

    def __str__(self) -> str:
        here = "" if self.apart else " (replayed in this process: it cannot be sent to another)"
        if self.error is not None:
            return f"{self.recommender}: FAILED: {self.error}{here}"
        if self.finding is None:
            return f"{self.recommender}: blind to the future at {self.cuts} cuts{here}"
        return f"{self.recommender}: SEES WHAT IT SHOULD NOT: {self.finding}{here}"


def check_entry(
    entry: Entry,
    *,
    log: Log | None = None,
    articles: Articles | None = None,
    cuts: int = 20,
    apart: bool = True,
    feedback_delay: FeedbackDelay = 0,
    **asking: Unpack[CheckedSetting],
) -> Check:
    """Check one recommender at `cuts` cuts, every second right after a request, every fourth after an impression.

    `asking` is as in `Setting`; the seed is that of the cuts, too. `feedback_delay` is as in `run`.

    By turns the rows from the cut on are overwritten, cut off, and overwritten and made half as many again. Without
    `log`, one of 2,000 rows is made up. A second replay of the untouched log must agree with the
    first too, which catches state that outlives a replay. The untouched log is replayed in one process, the others
    in another; without `apart`, or where the recommender cannot be sent, all are replayed in this one.
    """
    if _made_elsewhere(entry.source):
        return Check(entry.label, 0, None, UNPROVEN)
    setting = Setting(**asking, feedback_delay=delays(feedback_delay))
    Scope(requests=setting.requests, exclude=setting.exclude)  # it refuses what there is not
    if log is None:
        log, articles = made_up_log(ROWS, setting.seed)
    articles = bare_articles(log) if articles is None else articles
    chosen = _cuts(log, cuts, setting)
    try:
        if apart:
            try:
                finding = _find(lambda: Apart(entry, setting), log, articles, chosen, setting)
                return Check(entry.label, len(chosen), finding)
            except NotSentError:
                apart = False
        finding = _find(lambda: Here(entry, setting), log, articles, chosen, setting)
    except RecommenderError as error:
        return Check(entry.label, len(chosen), None, str(error), apart)
    return Check(entry.label, len(chosen), finding, apart=apart)


def _made_elsewhere(recommender: object) -> bool:
    """Whether answers come out of a file, which no replay of another log can change; of a mixture, those of a part."""
    if isinstance(recommender, Spec):
        parts = list(map(str, recommender.positional)) if recommender.name in MIXTURES else []
        return built_in(recommender) is MadeElsewhere or any(_made_elsewhere(parse_spec(part)) for part in parts)
    if isinstance(recommender, Mixture):
        return any(map(_made_elsewhere, recommender.parts))
    return isinstance(recommender, MadeElsewhere)


def _find(
    place: Callable[[], Apart | Here], log: Log, articles: Articles, cuts: list[int], setting: Setting
) -> Finding | None:
    with place() as untouched, place() as others:
        first = untouched.answers(log, articles)
        again = untouched.answers(log, articles)
        asking = ASKING[setting.requests]
        finding = _difference(log, asking, len(log.time), "nothing", first, again)
        # From the earliest cut to the latest: so what this process has seen is the log up to an earlier cut at most.
        for cut, change in zip(cuts, cycle(_CHANGES), strict=False):
            if finding is not None:
                break
            again = others.answers(*_changed_log(log, articles, cut, change, setting.seed))
            finding = _difference(log, asking, cut, change, first, again)
    return finding


def _changed_log(log: Log, articles: Articles, cut: int, change: Change, seed: int) -> tuple[Log, Articles]:
    rows = len(log.time)
    lengths = {"cut off": cut, "overwritten and made more": rows + rows // 2}
    return overwritten(log, articles, cut, seed, lengths.get(change, rows))


def _difference(log: Log, asking: int, cut: int, change: Change, first: Given, again: Given) -> Finding | None:
    """The first slate or impression before the cut that was answered otherwise."""
    findings = []
    requests = np.flatnonzero(log.kind[:cut] == asking)
    changed = _changed(first.slates[: len(requests)], again.slates[: len(requests)])
    if changed is not None:
        before, after = ([item for item in done.slates[changed[0]].tolist() if item >= 0] for done in (first, again))
        findings.append(Finding(cut, change, int(requests[changed[0]]), "answer", before, after))
    if first.scores is not None and again.scores is not None:
        impressions = np.flatnonzero(log.kind[:cut] == IMPRESSION)
        at = log.pools.at[: len(impressions) + 1]
        changed = _changed(first.scores[: at[-1]], again.scores[: at[-1]])
        if changed is not None:
            number = int(np.searchsorted(at, changed[0], side="right")) - 1
            places = slice(at[number], at[number + 1])
            scores = (done.scores[places].tolist() for done in (first, again) if done.scores is not None)
            findings.append(Finding(cut, change, int(impressions[number]), "scores", *scores))
    return min(findings, key=lambda finding: finding.row, default=None)


def _changed(before: Column, after: Column) -> Column | None:
    """The position of the first value that differs in a byte."""
    if before.tobytes() == after.tobytes():
        return None
    words = f"i{before.itemsize}"
    position: Column = np.argwhere(before.view(words) != after.view(words))[0]
    return position


def _cuts(log: Log, count: int, setting: Setting) -> list[int]:
    """Rows spread over the log; every second one follows a request directly, every fourth an impression."""
    rng = np.random.default_rng(setting.seed)
    rows = np.linspace(1, len(log.time) - 1, count).astype(int) + rng.integers(0, 2, count)
    rows = np.clip(rows, 1, len(log.time) - 1)
    for kind, begin, step in ((ASKING[setting.requests], 0, 2), (IMPRESSION, 1, 4)):
        after = np.flatnonzero(log.kind[:-1] == kind) + 1
        if after.size:
            rows[begin::step] = after[np.searchsorted(after, rows[begin::step]) % after.size]
    return sorted({int(row) for row in rows})
