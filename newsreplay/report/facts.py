"""What tables, pictures and pages state about a run: notes, names, costs, commands."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import cast

import numpy as np

from newsreplay.durations import duration_text
from newsreplay.errors import SpecError
from newsreplay.log.rows import Column, Excludes
from newsreplay.recommenders.base import MADE_ELSEWHERE
from newsreplay.report.headings import HEADLINE, LEAKS, is_of_slates
from newsreplay.report.records import Costs, Note
from newsreplay.report.shown import few_notes, hides, own_notes
from newsreplay.simulator.judgement.metrics import Measured
from newsreplay.simulator.runs.folder import RunFolder
from newsreplay.simulator.runs.records import PairTimingRecord, PublisherRecord
from newsreplay.spec import check_names

LOGGED = "logged"  #: what readers were shown, as a recommender
_AT_IMPRESSIONS = (
    "requests at impressions: slates are answers to impressions, from all known articles; what was not shown could not "
    "be clicked, so figures of slates are lower bounds, and are not to be compared with those at reads"
)
#: What requests exclude, in words.
EXCLUDED: dict[Excludes, str] = {
    "current": "the article on screen",
    "session": "all that the session has read",
    "nothing": "nothing",
}

# --- pairs of run.json ----------------------------------------------------------------------------------


def foresees(pair: Mapping[str, object]) -> bool:
    """Whether the recommender of a pair of run.json sees the future by design, as an oracle does."""
    return pair.get("foresight") == "oracle"


def is_reference(pair: Mapping[str, object]) -> bool:
    """Whether a pair of run.json is there for comparison and not ranked: an oracle's, or that of what readers saw."""
    return foresees(pair) or pair["recommender"] == LOGGED


def is_repeated(pair: Mapping[str, object]) -> bool:
    """Whether the recommender of a pair of run.json was repeated with several seeds."""
    return "without_seed" in pair


def base_name(pair: Mapping[str, object]) -> str:
    """The recommender of a pair of run.json; of one that was repeated, its spec without the seed."""
    return str(pair.get("without_seed", pair["recommender"]))


def display_name(run: RunFolder, recommender: str) -> str:
    """A recommender's name as every table and picture shows it, with a mark if it was given the future."""
    name = run.names.get(recommender, recommender)
    return f"{name}{LEAKS}" if recommender in run.leaks else name


def give_names(runs: Sequence[RunFolder], names: dict[str, str]) -> None:
    """Give recommenders display names, by their specs as shown, in place of those that the runs themselves have.

    Raises `SpecError` for a recommender that none of the runs has, and for a name that another one has already.
    """
    pairs = [pair for run in runs for pair in run.info["pairs"]]
    check_names(names, [name for pair in pairs for name in (base_name(pair), pair["recommender"])])
    for run in runs:
        for recommender, name in run.names.items():
            if recommender not in names and name in names.values():
                raise SpecError(f"{recommender} is named {name!r} in {run.folder} already; choose another")
        run.names = run.names | names


# --- notes ----------------------------------------------------------------------------------------------

_UNORDERED = ("mind", "ebnerd", "nemig")  #: sources whose candidates are shuffled, or listed by their outcome
FEW_SESSIONS = 200  #: with fewer scored sessions intervals of E cover less than 94 % (docs/intervals.md)
ALIKE = 2500  #: and with fewer than so many times the squared share of the longest 1 % among these
FEW_CLUSTERS = 30  #: with fewer, percentile intervals cover clearly less than they state (docs/intervals.md)


def notes(run: RunFolder, named: Collection[str] = ()) -> list[Note]:
    """What a reader must know before a number is believed, the worst first; `named` metrics were asked for by name."""
    info = run.info
    data = info["data"]
    result = [*(Note("leak", f"LEAKS THE FUTURE: {text}") for text in data["leaks"]), *leak_notes(run)]
    if info.get("partial"):
        text = f"a partial run: interrupted when {len(info['pairs']):,} of {info['pairs_in_all']:,} pairs were finished"
        result.append(Note("warning", f"{text} (recommender and publisher); it has these alone"))
    if "limit" in data["options"]:
        text = f"a trial: of each publisher the first {data['options']['limit']:,} rows alone were replayed (--limit)"
        result.append(Note("warning", text))
    result += [Note("made up", f"made up: {text}") for text in data["made_up"]]
    if data["rejected"]:
        text = f"rejected: {data['rejected']:,} of {data['rows_in']:,} rows could not be used"
        result.append(Note("rejected", text))
    if info["options"]["strict_deadline"]:
        text = (
            f"answers that took more than {info['options']['deadline']:,} ms count for nothing, so the results "
            "depend on the machine"
        )
        result.append(Note("warning", text))
    logged = any(pair["recommender"] == LOGGED for pair in info["pairs"])
    if logged and data["kind"] in _UNORDERED:
        text = "logged means nothing here: the source does not list candidates as readers saw them"
        result.append(Note("warning", text))
    result += asking_notes(run)
    for facts in info["publishers"]:
        result += [*_publisher_notes(run, facts, logged, named), *few_notes(facts, named)]
    for pair in info["pairs"]:
        name = run.names.get(pair["recommender"], pair["recommender"])
        if pair["status"] == "failed":
            result.append(Note("failed", f"FAILED: {name} on {pair['publisher']}: {pair['error']}"))
        elif "dropped" in pair:
            drops = ", ".join(f"{count:,} {what}" for what, count in pair["dropped"].items() if count)
            text = f"dropped from the slates of {name} on {pair['publisher']}: {drops}"
            result.append(Note("dropped", text))
    return result + own_notes(run) + _self_report_notes(run, lambda text: not text.endswith(MADE_ELSEWHERE))


def _publisher_notes(run: RunFolder, facts: PublisherRecord, logged: bool, named: Collection[str]) -> list[Note]:
    name, result = facts["publisher"], []
    uncounted = {
        "without a known outcome": facts["impressions_without_outcome"],
        "all or none of whose candidates were clicked": facts["impressions_of_one_class"],
    }
    counts = [f"{count:,} {what}" for what, count in uncounted.items() if count]
    if counts:
        result.append(Note("warning", f"impressions of {name} that count for nothing: {', '.join(counts)}"))
    if not facts["scored_sessions"] and not facts["scored_impressions"]:
        what = "no session of reads at two times" if run.asks == "reads" else "no session with a clicked impression"
        text = f"nothing of {name} is scored: {what} begins where it would count"
        result.append(Note("warning", text))
    result += _instant_notes(facts) if run.asks == "reads" else []
    unrewarded = facts.get("unrewarded_reads", 0)
    if unrewarded:
        text = (
            f"{unrewarded:,} of {facts['scored_reads']:,} reads of {name}'s scored sessions have no dwell and count 0 s"
        )
        result.append(Note("warning", text))
    if logged and not facts["impressions"]:
        result.append(Note("warning", f"logged has no answers on {name}: the log has no lists"))
    if run.info["data"]["options"].get("impressions") and not facts["impressions"]:
        text = f"no impressions were made of {name}: at no read was enough read in the day before"
        result.append(Note("warning", text))
    return [*result, *_interval_notes(facts, named)]


def _interval_notes(facts: PublisherRecord, named: Collection[str]) -> list[Note]:
    """Whether intervals can be trusted: how much the longest sessions bring, and where there is too little."""
    name, exact, result = facts["publisher"], "; those of P are exact" * (facts["resampled"] == "session"), []
    share = facts["hits_of_longest"] / facts["hits"] if facts["hits"] else 0.0
    if facts["hits"]:
        result.append(Note("note", f"the longest 1 % of {name}'s scored sessions bring {share:.1%} of all hits at 1"))
    few_clusters = _few_clusters(facts, named)
    if few_clusters:
        text = f"{name} has only {' and '.join(few_clusters)} to resample; their intervals are too narrow"
        result.append(Note("warning", text + exact * (" clusters (session)" in few_clusters[0])))
    elif facts["hits"] and covers_too_little(facts["scored_sessions"], share):
        where = " where a few long ones bring so many hits" * _long_ones_count(facts["scored_sessions"], share)
        text = (
            f"intervals of E at {name} hold the truth in fewer than 94 of 100 such logs: "
            f"{facts['scored_sessions']:,} scored sessions are too few{where}{exact}"
        )
        result.append(Note("warning", text))
    return result


def _few_clusters(facts: PublisherRecord, named: Collection[str]) -> list[str]:
    """The clusters that are too few for intervals of slates, where those are shown, and of impressions."""
    hidden = hides(facts, HEADLINE) and not any(map(is_of_slates, named))
    counts = {
        f"clusters ({facts['resampled']})": 0 if hidden else facts["clusters"],
        f"clusters of impressions ({facts['impressions_resampled']})": facts["impression_clusters"],
    }
    return [f"{count} {what}" for what, count in counts.items() if 0 < count < FEW_CLUSTERS]


ONE_INSTANT = 0.05  #: from this share on, reads that share one time are a warning


def _instant_notes(facts: PublisherRecord) -> list[Note]:
    """Sessions and reads that cannot be judged in full, since reads share one time."""
    name, alone, reads = facts["publisher"], facts["sessions_of_one_instant"], facts["scored_reads"]
    with_two_reads, together = alone + facts["scored_sessions"], facts["reads_at_one_time"]
    texts = {
        f"{alone:,} of {with_two_reads:,} sessions of {name} with two reads are not scored: all of their reads share "
        "one time": (alone, with_two_reads),
        f"{together:,} of {reads:,} reads of {name}'s scored sessions share their time with the read before them, "
        "whose slate does not count for them": (together, reads),
    }
    return [
        Note("warning" if count >= ONE_INSTANT * of else "note", text) for text, (count, of) in texts.items() if count
    ]


def covers_too_little(sessions: int, share: float) -> bool:
    """Whether intervals of E cover less than 94 %, by the scored sessions and the share of hits of their longest 1 %.

    Measured in docs/intervals.md.

    >>> covers_too_little(150, 0.0), covers_too_little(1000, 0.05), covers_too_little(1000, 0.1)
    (True, False, True)
    """
    return sessions < FEW_SESSIONS or _long_ones_count(sessions, share)


def _long_ones_count(sessions: int, share: float) -> bool:
    return -(-sessions // 100) < ALIKE * share**2


def asking_notes(run: RunFolder) -> list[Note]:
    """What to know of figures of slates that were asked for in another way than usual, notes below every table."""
    notes = [] if run.asks == "reads" else [Note("warning", _AT_IMPRESSIONS)]
    if run.exclude != "current":
        text = (
            f"requests exclude {EXCLUDED[run.exclude]} (--exclude {run.exclude}), so figures of slates are not to be "
            "compared with those of runs that exclude the article on screen"
        )
        notes.append(Note("warning", text))
    if any(run.feedback_delay):
        text = f"in {run.folder.name} feedback is learned late: --feedback-delay {run.feedback_delay}"
        notes.append(Note("warning", text))
    return notes


def leak_notes(run: RunFolder) -> list[Note]:
    """What recommenders were given of the future, and whose answers nobody checked for it: notes below every table."""
    names: dict[str, dict[str, None]] = {}
    for pair in run.info["pairs"]:
        if "leaks" in pair:
            names.setdefault(pair["leaks"], {})[display_name(run, base_name(pair))] = None
    leaks = [
        Note("leak", f"LEAKS THE FUTURE: {', '.join(leaking)}: {text}; not ranked") for text, leaking in names.items()
    ]
    return leaks + _self_report_notes(run, lambda text: text.endswith(MADE_ELSEWHERE))


def seed_notes(run: RunFolder) -> list[Note]:
    """What to know where recommenders that were repeated have a row a seed, and not the mean over their seeds."""
    repeated = (base_name(pair) for pair in run.info["pairs"] if is_repeated(pair))
    names = list(dict.fromkeys(display_name(run, name) for name in repeated))
    if not names:
        return []
    seeds = ", ".join(map(str, run.info["options"]["seeds"]))
    text = (
        f"{', '.join(names)}: repeated with the seeds {seeds}, each a row of its own here, so that the best of them is "
        "best by chance too; 'newsreplay leaderboard' shows their mean"
    )
    return [Note("note", text)]


def _self_report_notes(run: RunFolder, wanted: Callable[[str], bool]) -> list[Note]:
    """The wanted notes of self reports, each text once; with the publishers, where it is not so on all."""
    where: dict[str, dict[str, dict[str, None]]] = {}  # text → name without its seed → publishers
    for pair in run.info["pairs"]:
        for text in filter(wanted, pair.get("notes", ())):
            name = display_name(run, base_name(pair))
            where.setdefault(text, {}).setdefault(name, {})[pair["publisher"]] = None
    result = []
    for text, by_name in where.items():
        together: dict[str, list[str]] = {}
        for name, publishers in by_name.items():
            on = f" on {', '.join(publishers)}" if len(publishers) < len(run.publishers) else ""
            together.setdefault(on, []).append(name)
        result += [Note("note", f"{', '.join(names)}{on}: {text}") for on, names in together.items()]
    return result


# --- how it was made ------------------------------------------------------------------------------------


def interval(run: RunFolder) -> str:
    """How intervals were made, in a sentence."""
    return (
        f"95 % intervals: percentile bootstrap over {resampled(run)}, 1,000 replicates, paired across recommenders, "
        "exact ones where there are few hits; p-values of paired differences, Holm-corrected for all pairs."
    )


def resampled(run: RunFolder) -> str:
    """What was resampled, in words: "sessions", or "sessions (impressions: users)"."""
    slates = list(dict.fromkeys(f"{facts['resampled']}s" for facts in run.info["publishers"]))
    shown = [facts for facts in run.info["publishers"] if facts["scored_impressions"]]
    impressions = list(dict.fromkeys(f"{facts['impressions_resampled']}s" for facts in shown))
    words = " or ".join(slates)
    return words if impressions in ([], slates) else f"{words} (impressions: {' or '.join(impressions)})"


def commands(run: RunFolder) -> list[str]:
    """The commands that make this run again, and check that it is the same."""
    made, options = run.info["command"], rescored(run)
    folder = shlex.quote(str(run.folder))
    return [
        *([made] if made else []),
        *([f"newsreplay score {folder} {options}"] if options else []),
        f"newsreplay verify {folder}",
    ]


def rescored(run: RunFolder) -> str:
    """The options with which a run was scored again, as they are typed; empty for one that was not."""
    return " ".join(
        f"--{name.replace('_', '-')} {duration_text(cast(int, value)) if name in ('warmup', 'window') else value}"
        for name, value in run.info["rescored"].items()
        if value is not None
    )


def protocol(run: RunFolder) -> list[str]:
    """What shapes which sessions are scored and what is resampled, where it is not as usual, in words."""
    options = run.info["options"]
    return [
        *([f"a warm-up of {duration_text(options['warmup'])}"] if options["warmup"] else []),
        *([f"sessions that begin within {duration_text(options['window'])}"] if options["window"] is not None else []),
        *([f"of at most {options['max_session_length']} reads"] if options["max_session_length"] is not None else []),
        *([f"intervals over {resampled(run)}"] if options["cluster"] is not None else []),
    ]


# --- numbers --------------------------------------------------------------------------------------------


def column_of(measured: Measured, column: int) -> Column:
    """The values of one metric, float64[recommenders], NaN = none."""
    width = measured.replicates.shape[1]
    values = [result.value for result in measured.results[column::width]]
    return np.array([math.nan if value is None else value for value in values])


def number(value: float) -> float | None:
    """A number as JSON has it, None for NaN."""
    return None if math.isnan(value) else float(f"{value:.12g}")


def costs_of(run: RunFolder, publisher: str) -> dict[str, Costs]:
    """What each recommender that did not fail costs on a publisher, from timing.json."""
    rows = run.facts(publisher)["rows"]
    return {
        timing["recommender"]: _costs(timing, rows)
        for timing in run.timing["pairs"]
        if timing["publisher"] == publisher
    }


def _costs(timing: PairTimingRecord, rows: int) -> Costs:
    answers = timing.get("answers", {})
    amortised = timing.get("answer_ms")
    return {
        "train_s": timing.get("training_seconds"),
        "update_s": timing.get("updating_seconds"),
        "answer_ms": answers.get("p50") if amortised is None else amortised,
        "us_per_event": number(1e6 * timing["seconds"] / rows) if rows else None,
        "state_bytes": timing["state_bytes"],
        "parameters": timing.get("parameters"),
        "p50_ms": answers.get("p50"),
        "p95_ms": answers.get("p95"),
        "p99_ms": answers.get("p99"),
        "max_ms": answers.get("longest"),
        "late": answers.get("late"),
    }


def quality_and_cost(value: float | None, us_per_event: float | None, leaks: str | None) -> tuple[float, float] | None:
    """What `pareto` compares: a value, and µs an event; None where one is missing or the future was given."""
    if value is None or leaks or us_per_event is None:
        return None
    return value, us_per_event


def pareto(points: Sequence[tuple[float, float] | None]) -> list[bool]:
    """Which points of quality and cost lie on the Pareto front: no other is both better and cheaper.

    A point is beaten by one that is at least as good and at most as dear, and not equal to it; None neither lies on
    the front nor beats another.

    >>> pareto([(0.3, 2.0), (0.2, 1.0), (0.2, 2.0), None])
    [True, True, False, False]
    """
    return [
        point is not None
        and not any(
            other is not None and other[0] >= point[0] and other[1] <= point[1] and other != point for other in points
        )
        for point in points
    ]
