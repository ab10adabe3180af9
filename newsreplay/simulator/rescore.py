"""Run folders scored again from the answers they keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypedDict, Unpack, cast

from newsreplay.datasets.store import Dataset
from newsreplay.durations import Duration, milliseconds
from newsreplay.errors import RunError
from newsreplay.log.publisher import Publisher
from newsreplay.simulator import scratch
from newsreplay.simulator.judgement.measures import Reward
from newsreplay.simulator.judgement.metrics import Result
from newsreplay.simulator.judgement.scope import Scope
from newsreplay.simulator.judgement.scoring import Answers, Scored, score, select_scored
from newsreplay.simulator.run import check_rewarded, measure_publisher
from newsreplay.simulator.runs.answers import read_scores, read_slates
from newsreplay.simulator.runs.columns import write_judgement
from newsreplay.simulator.runs.files import Digests
from newsreplay.simulator.runs.folder import dataset_of, options_of, read_info
from newsreplay.simulator.runs.options import DataSource, Options, Progress, quiet, unheard
from newsreplay.simulator.runs.pair import Judged
from newsreplay.simulator.runs.paths import ERRORS, STATES, pair_files
from newsreplay.simulator.runs.place import UNFINISHED, Key, find_run, scored_again, target, writing
from newsreplay.simulator.runs.records import PairFile, PairRecord, PublisherRecord, RunRecord, ScopeRecord
from newsreplay.simulator.runs.write import name_files, publisher_facts, write_info, write_results, write_sums
from newsreplay.simulator.stages import StageClock

# What scoring does not write anew.
ANSWERS: tuple[PairFile, ...] = ("slates", "scores")  #: of a pair
TOLD = ("timing.json", "training.json")  #: of the run


class Changes(TypedDict, total=False):
    """Options with which a run is scored again; None lifts a limit."""

    warmup: Duration
    window: Duration | None
    max_session_length: int | None
    cluster: str | None
    reward: Reward | None


def rescore(
    folder: str | Path,
    *,
    data: DataSource | None = None,
    progress: Progress = quiet,
    report: Callable[[str], None] = unheard,
    **changes: Unpack[Changes],
) -> None:
    """Judge and measure the answers that a run folder keeps once more; nothing is replayed.

    The new results take the place of the old ones once they are whole. `changes` are `warmup`, `window`,
    `max_session_length`, `cluster` and `reward` as in `run`; what is not named stays as it was. The data are looked for
    where they lay; `data` names them otherwise. `report` is told what is removed. Raises `RunError` where the folder
    keeps no answers, the data are not those of the run, or another process writes the folder.
    """
    read_info(find_run(folder))  # there is a run: else nothing is to be locked
    folder = target(Path(folder))
    try:
        with writing(folder):
            _rescore(folder, data, progress, report, {**changes})
    except OSError as error:
        raise RunError(f"cannot write beside {folder}: {error.strerror or error}") from None


def _rescore(
    folder: Path,
    data: DataSource | None,
    progress: Progress,
    report: Callable[[str], None],
    changed: dict[str, Any],
) -> None:
    info = read_info(folder)
    before = options_of(info)
    for name in ("warmup", "window"):
        if changed.get(name) is not None:
            changed[name] = milliseconds(changed[name])
    if before.answering.strict_deadline:
        raise RunError(f"{folder} does not keep which answers were late; run it again with other options")
    if not before.keeping.slates:
        raise RunError(f"{folder} keeps no answers (--no-slates); run it again")
    options = before._replace(scope=Scope(**(asdict(before.scope) | changed)))
    dataset = dataset_of(info, folder, data)
    check_rewarded(dataset, [facts["publisher"] for facts in info["publishers"]], options.scope.reward)
    pairs = [pair for pair in info["pairs"] if pair["status"] == "done"]
    digests = Digests(folder)
    kept = [pair[what] for pair in pairs for what in ANSWERS if what in pair]
    for name in [*kept, *(name for name in TOLD if name in digests.of)]:
        digests.whole(folder / name)  # while the folder is still what it was
    with scored_again(folder, *ANSWERS, ERRORS, STATES, *TOLD, UNFINISHED) as (work, removed):
        with scratch.beside(work):
            results, publishers = _score_again(work, info, dataset, options, progress)
        write_results(work, results)
        again: RunRecord = {
            **info,
            "options": options.flat(),
            "publishers": publishers,
            "rescored": cast(ScopeRecord, {**info["rescored"], **changed}),
        }
        if not info.get("partial"):  # another set of options makes another run
            again["key"] = Key.of(again).digest()
        write_info(work, again)
    if removed:
        report(f"removed {', '.join(removed)} of {folder}, which showed the earlier results; make them again")


def _score_again(
    folder: Path, info: RunRecord, dataset: Dataset, options: Options, progress: Progress
) -> tuple[list[Result], list[PublisherRecord]]:
    """Results and publishers by these options; files of answers are written anew, pairs of `info` name them."""
    results: list[Result] = []
    publishers: list[PublisherRecord] = []
    pairs = [pair for pair in info["pairs"] if pair["status"] == "done"]
    done = 0
    for name in (facts["publisher"] for facts in info["publishers"]):
        publisher = dataset.publisher(name)
        scored = select_scored(publisher, options.scope, options.answering.seed)
        judged = []
        for pair in (pair for pair in pairs if pair["publisher"] == name):
            judged.append(_judge_again(folder, publisher, scored, pair, options.answering.k))
            done += 1
            progress("scoring", done, len(pairs))
        results += measure_publisher(folder, publisher, scored, judged, options.answering, StageClock())
        publishers.append(publisher_facts(dataset, name, scored, judged))
    return results, publishers


def _judge_again(folder: Path, publisher: Publisher, scored: Scored, pair: PairRecord, k: int) -> Judged:
    files = pair_files(folder, publisher.name, pair["recommender"])
    scores = read_scores(files.scores, publisher) if "scores" in pair else None
    answers = Answers(read_slates(files.slates, publisher, k, scored.asks), scores)
    judgement = score(publisher, scored, answers)
    write_judgement(files, judgement, scored.asks)
    write_sums(files.sums, judgement.sums)
    name_files(pair, files, folder)
    return Judged(
        publisher=publisher.name,
        recommender=pair["recommender"],
        sums=judgement.sums,
        hits=judgement.sums.hits,
        foresight=pair.get("foresight"),
    )
