"""The blindness check: whether a recommender's answers change when only what comes after them does.

A log is replayed; the rows from a cut on are overwritten, cut off or become more, articles alike; it is replayed again.
The answers before the cut, slates and scores, must be the same to the byte, at many cuts. The logs with another future
are replayed in a process that never held the one they were made of.

A quarter of the cuts are made in a short log whose outcomes come late, right after requests that lie between an
impression and its outcome; on the same log it is looked whether answers depend on the order of pools (`pool_order`).

It is a test, against mistakes: what depends on rows after a cut by way of the memory of the process is found. It is no
sandbox against malice: a recommender that reads the future from files, from the network or from another process
gives the same answers whatever the log is, and passes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import cycle
from typing import Literal, NamedTuple, TypeAlias, TypedDict, Unpack

import numpy as np

from newsreplay.durations import FeedbackDelay, delays
from newsreplay.errors import RecommenderError
from newsreplay.log.catalog import Articles, bare_articles
from newsreplay.log.rows import ASKING, IMPRESSION, OUTCOME, PUBLISH, Asks, Column, Excludes, Log
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.mixtures import Mixture
from newsreplay.recommenders.references.replayed import UNPROVEN, MadeElsewhere
from newsreplay.recommenders.registry import MIXTURES, Entry, built_in
from newsreplay.simulator.apart import Apart, Given, Here, NotSentError
from newsreplay.simulator.judgement.scope import Scope
from newsreplay.simulator.overwritten import made_up_log, overwritten, with_facts
from newsreplay.simulator.pool_order import order_used
from newsreplay.simulator.probes import held_back, shortened
from newsreplay.spec import Spec, parse_spec

ROWS = 2_000  #: of the log that is made for a check
SHORT = 300  #: rows of a short one
EXHAUSTIVE_LOGS = 3  #: short logs that are made where every row is a cut
EXHAUSTIVE_ROWS = 500  #: of a log that is given there, its first ones
SURE = 0.95  #: probability with which a look ahead is found
DECLARE = "if that is meant, say so in the class: uses_pool_order = True"

#: What became of the rows from a cut on.
Change: TypeAlias = Literal["nothing", "another process", "overwritten", "cut off", "overwritten and made more"]
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
    log: str = ""  #: which log it was, if not the whole one

    def __str__(self) -> str:
        when = f"when the rows from {self.cut} on were {self.change}"
        if self.change == "nothing":
            when = "in a second replay of the same log"
        elif self.change == "another process":
            when = "in another process that replayed the same log"
        where = f" of {self.log}" if self.log else ""
        return f"the {self.what} at row {self.row}{where} changed from {self.before} to {self.after} {when}"


class Power(NamedTuple):
    """How rare a look ahead may be to be found: what was asked right before a cut behind which all was changed.

    A recommender that looks ahead at a share p of its answers, wherever the cuts are, looks ahead at none of `requests`
    with the probability (1 - p) ** requests.
    """

    requests: int  #: slates
    impressions: int  #: impressions that were scored; 0 = it has no scores

    @staticmethod
    def share(asked: int) -> float:
        """The share of answers from which on a look ahead is found with 95 %; 1 = no answer stood before a cut."""
        return 1.0 - (1 - SURE) ** (1 / asked) if asked else 1.0

    def __str__(self) -> str:
        shares = [f"{100 * self.share(self.requests):.2g} % of requests"] * (self.requests > 0)
        shares += [f"{100 * self.share(self.impressions):.2g} % of scored impressions"] * (self.impressions > 0)
        if not shares:
            return "no request was right before a cut, so a peek at the next row is not found"
        return f"a peek on {' or '.join(shares)} is found with {100 * SURE:.0f} %"


class Check(NamedTuple):
    """Whether a recommender is blind to the future; printing it gives one line."""

    recommender: str
    cuts: int  #: how many there were; a short log has fewer than were requested
    finding: Finding | None  #: None = no answer changed
    error: str | None = None  #: what it did in place of answering; None = it answered
    apart: bool = True  #: replayed in processes of its own; False = in this one, where it cannot be sent elsewhere
    power: Power = Power(0, 0)
    order: str | None = None  #: how its answers depend on the order of pools; None = they do not, or it says so
    uses_pool_order: bool = False  #: it says of itself that the order of pools is meant to shape its answers

    @property
    def passed(self) -> bool:
        """Whether it answered, no answer changed, and the order of pools shapes none unless it says so."""
        return self.finding is None and self.error is None and self.order is None

    def __str__(self) -> str:
        here = "" if self.apart else " (replayed in this process: it cannot be sent to another)"
        if self.error is not None:
            return f"{self.recommender}: FAILED: {self.error}{here}"
        if self.finding is not None:
            return f"{self.recommender}: SEES WHAT IT SHOULD NOT: {self.finding}{here}"
        if self.order is not None:
            return f"{self.recommender}: USES THE ORDER OF POOLS: {self.order}; {DECLARE}{here}"
        order = "; uses the order of pools, as it says" if self.uses_pool_order else ""
        return f"{self.recommender}: blind to the future at {self.cuts} cuts; {self.power}{order}{here}"


class Probe(NamedTuple):
    """A log and where its future is changed."""

    log: Log
    articles: Articles
    cuts: list[int]  #: ascending
    name: str = ""  #: what findings call the log
    turned: int = 0  #: pools that are turned round one by one; 0 = their order is not looked at


def check_entry(
    entry: Entry,
    *,
    log: Log | None = None,
    articles: Articles | None = None,
    cuts: int | None = 20,
    apart: bool = True,
    feedback_delay: FeedbackDelay = 0,
    **asking: Unpack[CheckedSetting],
) -> Check:
    """Check one recommender at `cuts` cuts, every second right after a request, every fourth after an impression.

    `asking` is as in `Setting`; the seed is that of the cuts, too. `feedback_delay` is as in `run`. `cuts` None: every
    row of three short logs made up, or of the first 500 rows of `log`, is a cut.

    By turns the rows from the cut on are overwritten, cut off, and overwritten and made half as many again. Without
    `log`, one of 2,000 rows is made up. A second replay of the untouched log must agree with the
    first too, which catches state that outlives a replay. The untouched log is replayed in one process, the others
    in another; without `apart`, or where the recommender cannot be sent, all are replayed in this one.
    """
    if _made_elsewhere(entry.source):
        return Check(entry.label, 0, None, UNPROVEN)
    setting = Setting(**asking, feedback_delay=delays(feedback_delay))
    Scope(requests=setting.requests, exclude=setting.exclude)  # it refuses what there is not
    probes = probes_of(log, articles, cuts, setting)
    count, declared = sum(len(probe.cuts) for probe in probes), _uses_pool_order(entry)
    done = Check(entry.label, count, None, apart=apart, uses_pool_order=declared)
    try:
        if apart:
            try:
                return _checked(done, lambda: Apart(entry, setting), probes, setting)
            except NotSentError:
                done = done._replace(apart=False)
        return _checked(done, lambda: Here(entry, setting), probes, setting)
    except RecommenderError as error:
        return done._replace(error=str(error))


def _made_elsewhere(recommender: object) -> bool:
    """Whether answers come out of a file, which no replay of another log can change; of a mixture, those of a part."""
    if isinstance(recommender, Spec):
        parts = list(map(str, recommender.positional)) if recommender.name in MIXTURES else []
        return built_in(recommender) is MadeElsewhere or any(_made_elsewhere(parse_spec(part)) for part in parts)
    if isinstance(recommender, Mixture):
        return any(map(_made_elsewhere, recommender.parts))
    return isinstance(recommender, MadeElsewhere)


def _uses_pool_order(entry: Entry) -> bool:
    try:
        return getattr(entry.make(), "uses_pool_order", False) is True
    except Exception:  # the replay will say what is wrong with it
        return False


def probes_of(log: Log | None, articles: Articles | None, cuts: int | None, setting: Setting) -> list[Probe]:
    """The logs of a check, made of a log or made up, and their cuts."""
    if cuts is None:
        given = [_made_up(setting.seed + number) for number in range(EXHAUSTIVE_LOGS)]
        if log is not None:
            given = [(log, bare_articles(log) if articles is None else articles)]
        short = [held_back(*shortened(*one, SHORT if log is None else EXHAUSTIVE_ROWS)) for one in given]
        return [
            Probe(*one, _all_cuts(one[0]), _called(one[0], number), len(one[0].pools.at))
            for number, one in enumerate(short)
        ]
    if log is None:
        log, articles = _made_up(setting.seed)
    articles = bare_articles(log) if articles is None else articles
    if not (log.kind == IMPRESSION).any():
        return [Probe(log, articles, _cuts(log, cuts, setting))]
    short_log, short_articles = held_back(*shortened(log, articles, SHORT))
    late = _late_cuts(short_log, min(max(1, cuts // 4), cuts - 1), setting)
    whole = Probe(log, articles, _cuts(log, cuts - len(late), setting))
    return [whole, Probe(short_log, short_articles, late, _called(short_log, 0), max(1, cuts // 5))]


def _made_up(seed: int) -> tuple[Log, Articles]:
    """A log of which all is told that a recommender may be told of articles."""
    log, articles = made_up_log(ROWS, seed)
    return log, with_facts(articles, ROWS, seed)


def _called(log: Log, number: int) -> str:
    outcomes = ", whose outcomes come 10 minutes later" * bool((log.kind == OUTCOME).any())
    return f"short log {number + 1}{outcomes}"


def _all_cuts(log: Log) -> list[int]:
    """Every row but those before which nothing was asked."""
    return list(range(int(np.flatnonzero(log.kind != PUBLISH)[0]) + 1, len(log.time)))


def _late_cuts(log: Log, count: int, setting: Setting) -> list[int]:
    """Rows right after requests at which an outcome was still to come, spread over the log."""
    pending = np.cumsum((log.kind == IMPRESSION).astype(int) - (log.kind == OUTCOME))
    rows = np.flatnonzero((log.kind == ASKING[setting.requests]) & (pending > 0))
    rows = rows[rows < len(log.time) - 1]
    if not len(rows):
        return []
    chosen = rows[np.linspace(0, len(rows) - 1, count + 2).astype(int)[1:-1]]
    return sorted({int(row) + 1 for row in chosen})


def _checked(done: Check, place: Callable[[], Apart | Here], probes: list[Probe], setting: Setting) -> Check:
    """The check with what was found."""
    with place() as untouched, place() as others:
        for probe in probes:
            first = untouched.answers(probe.log, probe.articles)
            # What outlives a replay does so on any log: the first one is replayed again.
            again = untouched.answers(probe.log, probe.articles) if probe is probes[0] else first
            finding = _difference(probe.log, ASKING[setting.requests], len(probe.log.time), "nothing", first, again)
            if finding is not None:
                return done._replace(finding=finding)
            finding, power = _find_ahead(probe, first, others, setting)
            if finding is not None:
                finding = _unlike_elsewhere(probe, first, place, setting) or finding
                return done._replace(finding=finding._replace(log=probe.name))
            done = done._replace(power=Power(*map(sum, zip(done.power, power, strict=True))))
            if probe.turned and not done.uses_pool_order:
                answers = partial(others.answers, articles=probe.articles)
                order = order_used(probe.log, first, answers, probe.turned, setting)
                if order is not None:
                    return done._replace(order=f"in {probe.name}, {order}")
    return done


def _unlike_elsewhere(
    probe: Probe, first: Given, place: Callable[[], Apart | Here], setting: Setting
) -> Finding | None:
    """Whether it is no look ahead after all: in a process of its own the same log is answered otherwise, too."""
    with place() as third:
        again = third.answers(probe.log, probe.articles)
    return _difference(probe.log, ASKING[setting.requests], len(probe.log.time), "another process", first, again)


def _find_ahead(probe: Probe, first: Given, others: Apart | Here, setting: Setting) -> tuple[Finding | None, Power]:
    log, asking = probe.log, ASKING[setting.requests]
    requests = impressions = 0
    # From the earliest cut to the latest: so what this process has seen is the log up to an earlier cut at most.
    for cut, change in zip(probe.cuts, cycle(_CHANGES), strict=False):
        changed, articles = _changed_log(log, probe.articles, cut, change, setting.seed)
        finding = _difference(log, asking, cut, change, first, others.answers(changed, articles))
        if finding is not None:
            return finding, Power(requests, impressions)
        if _shows(log, changed, cut):
            requests += int(log.kind[cut - 1] == asking)
            impressions += int(log.kind[cut - 1] == IMPRESSION and first.scores is not None)
    return None, Power(requests, impressions)


def _shows(log: Log, other: Log, row: int) -> bool:
    """Whether a peek at a row shows: it is gone, or of another kind or article, and there was a choice before it."""
    if log.item[:row].max() < 2:  # of three articles one is on screen
        return False
    return row >= len(other.time) or (log.kind[row], log.item[row]) != (other.kind[row], other.item[row])


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
    rows = (np.arange(count) + 0.5) * len(log.time) // count + rng.integers(0, 2, count)
    rows = np.clip(rows.astype(int), 1, len(log.time) - 1)
    for kind, begin, step in ((ASKING[setting.requests], 0, 2), (IMPRESSION, 1, 4)):
        after = np.flatnonzero(log.kind[:-1] == kind) + 1
        if after.size:
            rows[begin::step] = after[np.searchsorted(after, rows[begin::step]) % after.size]
    after = np.setdiff1d(np.flatnonzero(log.kind[:-1] == ASKING[setting.requests]) + 1, rows)
    missing = min(count - len(np.unique(rows)), len(after))  # where two fell on one row
    spare = after[np.linspace(0, len(after), missing, endpoint=False).astype(int)]
    return sorted({*map(int, rows), *map(int, spare)})
