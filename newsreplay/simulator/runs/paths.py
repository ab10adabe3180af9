"""Where the files of a run folder lie."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from newsreplay.files import file_name


class PairFiles(NamedTuple):
    """Where the answers of one recommender on one publisher lie, and what became of them."""

    slates: Path
    scores: Path
    outcomes: Path
    rankings: Path
    matches: Path  #: of slates that impressions asked for
    sums: Path  #: what its metrics and their intervals are made of


class PublisherFiles(NamedTuple):
    """Where that lies which all recommenders on a publisher have in common."""

    frame: Path
    scored_impressions: Path
    scored_requests: Path  #: where impressions asked for slates
    requests: Path
    impressions: Path
    replicates: Path


JOURNAL = "journal"  #: the file that says what an interrupted run goes on from
CHECKPOINTS = "checkpoints"  #: the folder of what replays that have not ended go on from
STATES = "states"  #: the folder of the last checkpoints of those that have ended, where they are kept
ERRORS = "errors"  #: the folder of the tracebacks of pairs that failed
FOLDERS = (*PairFiles._fields, *PublisherFiles._fields, ERRORS, STATES)  #: where they lie


def pair_files(folder: Path, publisher: str, label: str) -> PairFiles:
    """The files of a pair; names are percent-encoded where a file name could not hold them."""
    name = file_name(label)
    kinds = {"sums": "npz"}
    return PairFiles(
        *(folder / what / file_name(publisher) / f"{name}.{kinds.get(what, 'arrow')}" for what in PairFiles._fields)
    )


def checkpoint_folder(folder: Path, publisher: str, label: str) -> Path:
    """Where the checkpoints of a pair lie while it is replayed."""
    return folder / CHECKPOINTS / file_name(publisher) / file_name(label)


def state_folder(folder: Path, publisher: str, label: str) -> Path:
    """Where the last checkpoint of a pair lies once it has ended."""
    return folder / STATES / file_name(publisher) / file_name(label)


def error_file(folder: Path, publisher: str, label: str) -> Path:
    """Where the traceback of a pair that failed lies."""
    return folder / ERRORS / file_name(publisher) / f"{file_name(label)}.txt"


def publisher_files(folder: Path, publisher: str) -> PublisherFiles:
    """The files of a publisher."""
    name = file_name(publisher)
    return PublisherFiles(
        folder / "frame" / f"{name}.arrow",
        folder / "scored_impressions" / f"{name}.arrow",
        folder / "scored_requests" / f"{name}.arrow",
        folder / "requests" / f"{name}.arrow",
        folder / "impressions" / f"{name}.arrow",
        folder / "replicates" / f"{name}.npy",
    )
