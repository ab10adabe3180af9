"""Run folders, read back: results, timings, slates."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

import numpy as np
import pyarrow as pa

from newsreplay.arrow import to_numpy
from newsreplay.datasets.again import find_again
from newsreplay.datasets.base import Asked
from newsreplay.datasets.store import Dataset
from newsreplay.durations import Delays
from newsreplay.errors import DataError, RunError, did_you_mean
from newsreplay.escaping import escaped
from newsreplay.log.rows import Asks, Column, Excludes
from newsreplay.simulator.judgement.measures import Reward
from newsreplay.simulator.judgement.metrics import Measured, Result
from newsreplay.simulator.judgement.rankings import Ranked
from newsreplay.simulator.runs.answers import (
    list_at,
    scores_table,
    slate_stretches,
    slates_table,
    with_ids,
)
from newsreplay.simulator.runs.columns import (
    Impressions,
    Reads,
    ScoredRequests,
    read_impressions,
    read_matches,
    read_places,
    read_rankings,
    read_reads,
    read_requests,
    read_rewards,
)
from newsreplay.simulator.runs.experiment import asked_from
from newsreplay.simulator.runs.files import Digests, read_columns
from newsreplay.simulator.runs.options import DataSource, Options
from newsreplay.simulator.runs.paths import pair_files, publisher_files
from newsreplay.simulator.runs.place import UNFINISHED, find_run, partial_of
from newsreplay.simulator.runs.records import (
    FORMAT,
    PairFile,
    PairRecord,
    PublisherRecord,
    RunRecord,
    TimingRecord,
    TrainingRecord,
)
from newsreplay.spec import parse_spec

if TYPE_CHECKING:
    import pandas as pd


TRAINING = "training.json"


class AddedMetric(NamedTuple):
    """A metric that the run was not measured by when it was made (`own_metrics.measure`)."""

    results: list[Result]  #: publisher by publisher, recommender by recommender
    replicates: dict[str, Column]  #: by publisher, float64[recommenders, replicates]
    ratios: dict[
        tuple[str, str], Column
    ]  #: by publisher and recommender, its value in every cluster: float64[clusters]
    errors: dict[str, list[str]]  #: what went wrong, in words, and what it cost: "trend on A"
    untold: list[str]  #: what publishers do not tell that the metric needs, in words


class RunFolder:
    """The folder of a run, read: `to_pandas`, `slates` and `scores` hand out frames.

    Of a run that was interrupted (`info["partial"]`) it has what was finished. Raises `RunError` where the folder holds
    no run of which anything is finished.
    """

    def __init__(self, folder: str | Path):
        self.folder = find_run(folder)
        self.info: RunRecord = read_info(self.folder)  #: data, options, versions, publishers, pairs
        self._digests = Digests(self.folder)
        #: What of the future each recommender was given that was given any, also by its name without a seed.
        self.leaks: dict[str, str] = {
            name: pair["leaks"]
            for pair in self.info["pairs"]
            if "leaks" in pair
            for name in (pair["recommender"], pair.get("without_seed", pair["recommender"]))
        }
        #: Display names, by specs as run.json has them, for those that were given one.
        self.names: dict[str, str] = {**self.info.get("names", {})}
        self.timing: TimingRecord = read_timing(self.folder)
        self._stored = read_results(self.folder)
        self.results: list[Result] = self._stored
        self.added: dict[str, AddedMetric] = {}  #: metrics that were added, by name

    def to_pandas(self) -> pd.DataFrame:
        """All results as a frame: publisher, recommender, metric, value, low, high, n."""
        import pandas as pd

        return pd.DataFrame(self.results, columns=list(Result._fields))

    def slates(self, publisher: str, recommender: str) -> pd.DataFrame:
        """The answers of one recommender on one publisher: row, time, session, user, item, slate (list of ids)."""
        return with_ids(self._slates(publisher, recommender)).to_pandas()

    def scores(self, publisher: str, recommender: str) -> pd.DataFrame:
        """The scores that one recommender gave the candidates of each impression.

        The columns are row, time, session, user, candidates (list of ids), clicked, outcome_known, scores.
        """
        return with_ids(self._scores(publisher, recommender)).to_pandas()

    def export(self, to: str = "parquet", folder: str | Path | None = None) -> list[Path]:
        """Write all slates and scores as files of another format, with the publisher's own ids; returns the files.

        Each has what `slates` and `scores` hand out. `to` is "parquet", "csv" or "json" (a line a row), or "trec" for
        runs, with qrels of what was scored; `folder` is `export` in the run's folder unless one is named. Raises
        `RunError` where the run keeps neither.
        """
        from newsreplay.simulator.runs.export import FORMATS, export_table
        from newsreplay.simulator.runs.trec import write_scores_run, write_slates_run

        if to not in (*FORMATS, "trec"):
            raise RunError(f"runs are exported to {', '.join(FORMATS)} and trec, not to {to!r}")
        folder = self.folder / "export" if folder is None else Path(folder)
        tables: dict[PairFile, Callable[[str, str], pa.Table]] = {"slates": self._slates, "scores": self._scores}
        kept = [(pair, what) for pair in self.info["pairs"] for what in tables if what in pair]
        if not kept:
            raise RunError(f"{self.folder} keeps no slates and no scores; run it again without --no-slates")
        files = []
        for pair, what in kept:
            publisher, recommender = pair["publisher"], pair["recommender"]
            path = folder / pair[what]
            table = tables[what](publisher, recommender)
            if to != "trec":
                files.append(path.with_suffix(f".{to}"))
                export_table(table, files[-1], to)
                continue
            qrels = path.parent.with_name(f"{path.parent.name}.qrels")
            if qrels not in files and self._export_qrels(publisher, what, qrels):
                files.append(qrels)
            files.append(path.with_suffix(".run"))
            (write_slates_run if what == "slates" else write_scores_run)(table, files[-1], recommender)
        return files

    def _export_qrels(self, publisher: str, what: PairFile, path: Path) -> bool:
        """Write what was relevant to slates or clicked of impressions; whether anything was scored."""
        from newsreplay.simulator.runs.trec import write_scores_qrels, write_slates_qrels

        files = publisher_files(self.folder, publisher)
        shown = {"row": "int64", "candidates": "large_list", "clicked": "large_list"}
        if what == "scores":
            impressions = self.impressions(publisher)
            if impressions is not None:
                write_scores_qrels(read_columns(self._whole(files.impressions), shown), impressions.row, path)
            return impressions is not None
        asking = read_columns(self._whole(files.requests), {"row": "int64", "item": "dictionary"})
        if self.asks == "impressions":
            told = read_columns(self._whole(files.impressions), shown)
            asking = asking.append_column("candidates", told["candidates"]).append_column("clicked", told["clicked"])
        write_slates_qrels(asking, self.requests(publisher), path, self.asks, self.exclude)
        return True

    def slate_stretches(self, publisher: str, recommender: str) -> Iterator[Column]:
        """The answers of one recommender stretch by stretch, codes of articles, int32[requests, k], padded with -1.

        Equal codes of runs on the same log are the same articles. Raises `RunError` where the run keeps none.
        """
        path = self._answers(publisher, recommender, "slates")
        return (part for part, _ in slate_stretches(path, int(self.info["options"]["k"])))

    def slate_at(self, publisher: str, recommender: str, request: int) -> Column:
        """The answer to one request, by its number in log order: codes of articles, best first.

        Raises `RunError` where the run keeps none.
        """
        return to_numpy(list_at(self._answers(publisher, recommender, "slates"), "slate", request))

    def scores_at(self, publisher: str, recommender: str, impression: int) -> Column:
        """The scores of one impression's candidates, by its number in log order: float64[candidates], in pool order.

        Raises `RunError` where the run keeps none.
        """
        return to_numpy(list_at(self._answers(publisher, recommender, "scores"), "scores", impression))

    def request_rows(self, publisher: str) -> Column:
        """The log rows that asked for slates, int64[requests], in log order. Raises `RunError` without slates."""
        path = self._whole(publisher_files(self.folder, publisher).requests)
        return to_numpy(read_columns(path, {"row": "int64"}).column("row"))

    def _slates(self, publisher: str, recommender: str) -> pa.Table:
        path = self._answers(publisher, recommender, "slates")
        return slates_table(self._whole(publisher_files(self.folder, publisher).requests), path)

    def _scores(self, publisher: str, recommender: str) -> pa.Table:
        path = self._answers(publisher, recommender, "scores")
        return scores_table(self._whole(publisher_files(self.folder, publisher).impressions), path)

    def _answers(self, publisher: str, recommender: str, what: PairFile) -> Path:
        pair = self._pair(publisher, recommender)
        if what not in pair:
            raise RunError(f"{self.folder} keeps no {what} of {recommender} on {publisher}")
        return self._whole(self.folder / pair[what])

    def _pair(self, publisher: str, recommender: str) -> PairRecord:
        for pair in self.info["pairs"]:
            if (pair["publisher"], pair["recommender"]) == (publisher, recommender):
                return pair
        raise RunError(f"{self.folder} has no {recommender} on {publisher}")

    def _whole(self, path: Path) -> Path:
        """The path of a file of the run that holds what was written. Raises `RunError`."""
        return self._digests.whole(path)

    @property
    def asks(self) -> Asks:
        """What asked for slates."""
        return self.info["options"].get("requests", "reads")

    @property
    def exclude(self) -> Excludes:
        """What requests excluded."""
        return self.info["options"].get("exclude", "current")

    @property
    def feedback_delay(self) -> Delays:
        """How long feedback was held back from learning."""
        return Delays(**self.info["options"].get("feedback_delay", {}))

    @property
    def reward(self) -> Reward | None:
        """What event-level success sums in place of the number of hits."""
        return self.info["options"].get("reward")

    @property
    def publishers(self) -> list[str]:
        """Names of the publishers."""
        return [facts["publisher"] for facts in self.info["publishers"]]

    def facts(self, publisher: str) -> PublisherRecord:
        """What run.json has of a publisher. Raises `RunError` if the run has none of that name."""
        for facts in self.info["publishers"]:
            if facts["publisher"] == publisher:
                return facts
        raise RunError(f"{self.folder} has no publisher {publisher!r}; it has {escaped(', '.join(self.publishers))}")

    def pairs(self, publisher: str) -> list[PairRecord]:
        """What run.json has of each recommender on a publisher."""
        return [pair for pair in self.info["pairs"] if pair["publisher"] == publisher]

    def seeds(self, publisher: str) -> dict[str, dict[int, str]]:
        """Recommenders that were repeated, by their specs without a seed: each seed, and what it is called."""
        repeated: dict[str, list[PairRecord]] = {}
        for pair in self.pairs(publisher):
            if "without_seed" in pair:
                repeated.setdefault(pair["without_seed"], []).append(pair)
        return {
            spec: {_seed_of(pair): pair["recommender"] for pair in pairs if pair["status"] == "done"}
            for spec, pairs in repeated.items()
        }

    def add(self, metric: str, added: AddedMetric) -> None:
        """Have another metric from now on, behind those of each recommender; nothing is written."""
        self.added[metric] = added
        rows: dict[tuple[str, str], list[Result]] = {}
        for result in [*self._stored, *(row for one in self.added.values() for row in one.results)]:
            rows.setdefault((result.publisher, result.recommender), []).append(result)
        self.results = [result for of_pair in rows.values() for result in of_pair]

    def measured(self, publisher: str) -> Measured:
        """Results and replicates of a publisher, recommender by recommender."""
        results = [result for result in self.results if result.publisher == publisher]
        path = self._whole(publisher_files(self.folder, publisher).replicates)
        try:
            replicates = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise RunError(f"{path} cannot be read: {error}") from None
        more = [added.replicates[publisher][:, None] for added in self.added.values()]
        stored = len(results) - sum(map(len, more))
        if replicates.ndim != 3 or replicates.shape[0] * replicates.shape[1] != stored:
            raise RunError(f"{path} does not fit {self.folder / 'results.json'}; run it again")
        return Measured(results, np.concatenate([replicates, *more], axis=1) if more else replicates)

    def reads(self, publisher: str) -> Reads:
        """The reads of the scored sessions of a publisher."""
        return read_reads(self._whole(publisher_files(self.folder, publisher).frame), self.asks, self.reward)

    def rewards(self, publisher: str) -> tuple[Column, Column]:
        """The session of every one of these reads, and what it is worth as a hit."""
        return read_rewards(self._whole(publisher_files(self.folder, publisher).frame), self.reward)

    def requests(self, publisher: str) -> ScoredRequests:
        """The requests of the scored sessions of a publisher."""
        files = publisher_files(self.folder, publisher)
        return read_requests(self._whole(files.frame if self.asks == "reads" else files.scored_requests))

    def impressions(self, publisher: str) -> Impressions | None:
        """The scored impressions of a publisher, if it has any."""
        if not self.facts(publisher)["scored_impressions"]:
            return None
        return read_impressions(self._whole(publisher_files(self.folder, publisher).scored_impressions))

    def matches(self, publisher: str, recommender: str) -> Column:
        """Which places of one recommender's slates were relevant, by the places of `requests`: bits (`Outcomes`)."""
        files = pair_files(self.folder, publisher, recommender)
        return read_matches(self._whole(files.outcomes if self.asks == "reads" else files.matches))

    def places(self, publisher: str, recommender: str) -> Column:
        """At which place one recommender's slates had each of `reads`, int16[reads] (`Outcomes`)."""
        return read_places(self._whole(pair_files(self.folder, publisher, recommender).outcomes))

    def rankings(self, publisher: str, recommender: str) -> Ranked | None:
        """What one recommender's scores were worth, by the places of `impressions`; None if it scored none."""
        pair = self._pair(publisher, recommender)
        return read_rankings(self._whole(self.folder / pair["rankings"])) if "rankings" in pair else None


def _seed_of(pair: PairRecord) -> int:
    return int(cast(int, dict(parse_spec(pair["recommender"]).parameters)["seed"]))


T = TypeVar("T")


def _read_json(path: Path, shape: type[T]) -> T:
    """A JSON file that holds an object (`dict`) or a list. Raises `RunError`."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read ({error}); run it again") from None
    if not isinstance(value, shape):
        raise RunError(f"{path} cannot be read (it holds no {shape.__name__}); run it again")
    return value


def read_info(folder: Path) -> RunRecord:
    """The run.json of a folder.

    Raises `RunError` where there is none, for one of another format with the command to run again, and for one that
    does not hold what was written.
    """
    path = folder / "run.json"
    if not path.exists():
        state = "no run"
        if (folder / UNFINISHED).exists():
            state = f"a run that has not ended, of which nothing is measured yet{_answered(folder)}"
        elif (partial := partial_of(folder)).exists():
            state += f", but {partial} what was interrupted"
        raise RunError(f"{folder} holds {state}; start one with 'newsreplay run --out {folder}'{_near(folder)}")
    info = _read_json(path, dict)
    if info.get("format") != FORMAT:
        command = info.get("command") or f"newsreplay run --out {folder}"
        raise RunError(
            f"{folder} was written by another version of newsreplay (format {info.get('format')}, this one reads "
            f"{FORMAT}); run it again: {command}"
        )
    Digests(folder).whole(path)
    return cast(RunRecord, info)


def _near(folder: Path) -> str:
    """In words, a run beside a folder that is called like it: of the same data's first rows, or of a name misspelt."""
    names = [path.parent.name for path in sorted(folder.parent.glob("*/run.json"))]
    longer = [f"Did you mean {name!r}?" for name in names if name.startswith(f"{folder.name}-")]
    near = did_you_mean(folder.name, names) or next(iter(longer), "")
    return f". {near}" if near else ""


def _answered(folder: Path) -> str:
    """In words, the answers that a killed run has left: without their likes they were never measured."""
    answers = len([*folder.glob("outcomes/*/*")])
    return f" (what became of {answers:,} pairs' answers lies there)" if answers else ""


def read_results(folder: Path) -> list[Result]:
    """The results.json of a folder. Raises `RunError`."""
    path = Digests(folder).whole(folder / "results.json")
    try:
        return [Result(**row) for row in _read_json(path, list)]
    except TypeError as error:
        raise RunError(f"{path} cannot be read ({error}); run it again") from None


def read_timing(folder: Path) -> TimingRecord:
    """The timing.json of a folder. Raises `RunError`."""
    return cast(TimingRecord, _read_json(Digests(folder).whole(folder / "timing.json"), dict))


def read_training(folder: Path) -> list[TrainingRecord]:
    """The training.json of a folder, if it has one. Raises `RunError`."""
    digests = Digests(folder)
    return _read_json(digests.whole(folder / TRAINING), list) if TRAINING in digests.of else []


def options_of(info: RunRecord) -> Options:
    """The options of a run, from its run.json."""
    return Options.from_flat(info["options"])


def recorded_data(info: RunRecord, folder: Path, data: DataSource | None) -> Dataset:
    """What lies where the data of a run lay, or `data`, shaped as these were. Raises `RunError` if there are none."""
    record = info["data"]
    asked = asked_from(record["asked"]) if "asked" in record else Asked(None, {}, {})
    # The card knows the limit even of data that were first rows when they were handed over.
    limit = cast("int | None", record["options"].get("limit"))
    return found_or_named(record["folder"], asked._replace(limit=limit), folder, data)


def found_or_named(lay: str, asked: Asked, folder: Path, data: DataSource | None) -> Dataset:
    """What lies where the data of the run in `folder` `lay`, or `data`, shaped as `asked` says. Raises `RunError`."""
    try:
        dataset = Dataset(Path(lay)) if data is None else find_again(asked, data)
        dataset.card  # noqa: B018 - which is read now
    except DataError as error:
        raise RunError(f"the data of {folder} are not there ({error}); name them with --data") from None
    return dataset


def dataset_of(info: RunRecord, folder: Path, data: DataSource | None = None) -> Dataset:
    """The data set of a run: `data`, or what lies where it lay. Raises `RunError` if it is another one."""
    dataset, record = recorded_data(info, folder, data), info["data"]
    digest = dataset.card["digest"]
    if digest != record["digest"]:
        raise RunError(
            f"{dataset.folder} does not hold the data of {folder} (digest {digest}, not {record['digest']}); "
            "name them with --data, prepared as they were then"
        )
    return dataset
