"""The file that a competition wants of a run: ranks for the impressions whose clicks it withholds."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from newsreplay.arrow import to_numpy
from newsreplay.datasets.store import Dataset
from newsreplay.errors import RunError
from newsreplay.escaping import escaped
from newsreplay.log.rows import Column
from newsreplay.simulator.runs.answers import read_scores
from newsreplay.simulator.runs.files import BATCH, Digests, written
from newsreplay.simulator.runs.folder import dataset_of, read_info
from newsreplay.simulator.runs.options import DataSource
from newsreplay.simulator.runs.place import find_run
from newsreplay.simulator.runs.records import PairRecord, RunRecord

FILES = {"mind": "prediction.txt", "ebnerd": "predictions.txt"}  #: by kind of data, what lies in the archive


class Submission(NamedTuple):
    """What was written."""

    path: Path  #: of the archive
    recommender: str
    impressions: int  #: lines of the file in it
    rejected: int  #: rows of the data set's source that could not be used; those of the test split have no line


def submit(
    folder: str | Path, *, recommender: str | None = None, out: Path | None = None, data: DataSource | None = None
) -> Submission:
    """Write what a run's recommender answered to the test split as the competition's file, in an archive.

    The file has a line per impression whose clicks are withheld, in the source's order: its id, and in brackets the
    ranks of its candidates in the pool's order, from 1 for the highest score. Of equal scores the candidate that comes
    first in the pool is ranked first, so that an article that is there twice has two ranks.

    `recommender` may be left out where the run has only one; `out` is `prediction.zip` (`predictions.zip` for EB-NeRD)
    in the run's folder unless it is named; `data` is where the data are, if they do not lie where they lay. Raises
    `RunError` where there is no such competition, no test split, or no answer of the recommender.
    """
    folder = find_run(folder)
    info = read_info(folder)
    kind = info["data"]["kind"]
    if kind not in FILES:
        raise RunError(
            f"{folder} is a run on data of the kind {kind}, for which there is no competition's file; there is one for "
            f"{' and '.join(FILES)}. 'newsreplay export' writes the scores of any run"
        )
    dataset = dataset_of(info, folder, data)
    publisher, withheld = _withheld(dataset, info)
    pair = _chosen(folder, info, publisher, recommender)
    if "scores" not in pair:
        raise RunError(
            f"{folder} keeps no scores of {pair['recommender']}: it gives impressions none, or the run was made with "
            "--no-slates. Name another recommender, or run it again"
        )
    opened = dataset.publisher(publisher)
    scores = read_scores(Digests(folder).whole(folder / pair["scores"]), opened)
    member = FILES[kind]
    path = folder / Path(member).with_suffix(".zip") if out is None else out
    with written(path) as work, zipfile.ZipFile(work, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(member)  # of no time, so that equal answers make equal files
        entry.compress_type = zipfile.ZIP_DEFLATED
        with archive.open(entry, "w", force_zip64=True) as file:
            for text in _lines(withheld, opened.log.pools.at, scores):
                file.write(text.encode())
    return Submission(path, pair["recommender"], withheld.num_rows, dataset.card["rejected"])


def _withheld(dataset: Dataset, info: RunRecord) -> tuple[str, pa.RecordBatch]:
    """The publisher of a run that has withheld impressions, and these."""
    for publisher in (facts["publisher"] for facts in info["publishers"]):
        if (found := dataset.withheld(publisher)) is not None:
            return publisher, found
    raise RunError(
        f"{dataset.name} has no impressions whose clicks are withheld, so there is nothing to hand in: prepare the "
        "folder of the test split together with that of the train split, and run again"
    )


def _chosen(folder: Path, info: RunRecord, publisher: str, recommender: str | None) -> PairRecord:
    """The recommender whose answers are handed in."""
    pairs = [pair for pair in info["pairs"] if pair["publisher"] == publisher]
    names = escaped(", ".join(pair["recommender"] for pair in pairs))
    found = [pair for pair in pairs if recommender in (None, pair["recommender"])]
    if not found:
        raise RunError(f"{folder} has no recommender {recommender!r}; it has {names}")
    if len(found) > 1:
        raise RunError(f"{folder} has several recommenders; name one with --recommender: {names}")
    if found[0]["status"] == "failed":
        raise RunError(
            f"{found[0]['recommender']} failed in {folder} and has no answers: {found[0].get('error')}; run it again"
        )
    return found[0]


def _lines(withheld: pa.RecordBatch, at: Column, scores: Column) -> Iterator[str]:
    """The lines of the file, some thousand impressions at a time."""
    for begin in range(0, withheld.num_rows, BATCH):
        some = withheld.slice(begin, BATCH)
        number = to_numpy(some.column("impression"))
        lengths = at[number + 1] - at[number]
        ends = np.cumsum(lengths)
        place = np.repeat(at[number] - (ends - lengths), lengths) + np.arange(ends[-1])
        ranks = pa.array(ranks_of(np.repeat(np.arange(len(number)), lengths), scores[place])).cast(pa.string())
        bounds = pa.array(np.append(0, ends), pa.int32())
        texts = pc.binary_join(pa.ListArray.from_arrays(bounds, ranks), ",")
        names = some.column("id").cast(pa.string())
        yield "".join(pc.binary_join_element_wise(names, " [", texts, "]\n", "").to_pylist())


def ranks_of(owner: Column, scores: Column) -> Column:
    """The rank of each candidate among those of its owner, from 1: int64[n], equal scores in their order.

    `owner` is int64[n], never decreasing; `scores` float64[n].

    >>> ranks_of(np.array([0, 0, 0, 1]), np.array([0.5, 0.7, 0.5, 0.1])).tolist()
    [2, 1, 3, 1]
    """
    order = np.lexsort((-scores, owner))  # stable
    begin = np.searchsorted(owner, owner)
    ranks = np.empty(len(owner), np.int64)
    ranks[order] = np.arange(len(owner)) - begin + 1
    return ranks
