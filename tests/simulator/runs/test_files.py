"""Damage to a run folder is noticed wherever it matters, and what cannot be written is said in words."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import newsreplay
from newsreplay.api import Run
from newsreplay.errors import RunError
from newsreplay.report.tables.by_slice import by_slice
from newsreplay.report.tables.compare import compare
from newsreplay.report.tables.leaderboard import leaderboard
from newsreplay.report.tables.missed import missed
from newsreplay.simulator.judgement.scope import Scope
from newsreplay.simulator.judgement.scoring import Answers, score, select_scored
from newsreplay.simulator.rescore import rescore
from newsreplay.simulator.runs.columns import (
    read_impressions,
    read_matches,
    read_places,
    read_rankings,
    read_reads,
    read_requests,
    write_judgement,
    write_scored,
)
from newsreplay.simulator.runs.files import opened, read_columns, write_columns, written
from newsreplay.simulator.runs.paths import pair_files, publisher_files
from newsreplay.simulator.runs.write import write_replicates
from tests.naive.judge import padded
from tests.report.conftest import story
from tests.simulator.runs.test_columns import with_impressions

# --- a run, damaged -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with files of every kind; the second recommender trains and scores impressions."""
    folder = tmp_path_factory.mktemp("whole")
    recommenders = ["recency", f"{HERE}:Trained"]
    newsreplay.run(story(("A",)), recommenders, k=2, preparing={"impressions": "sampled"}, out=folder / "run")
    return folder / "run"


HERE = __name__


class Trained(newsreplay.Recommender):
    """Scores, and tells of its training."""

    def recommend(self, request: Any, k: int) -> Any:
        return []

    def score(self, request: Any, pool: Any) -> Any:
        return [float(item % 3) for item in pool]

    def self_report(self) -> Any:
        return newsreplay.SelfReport(rounds=({"loss": 0.5},))


def scored(folder: Path) -> Any:
    """The run, scored again: all files that tell no time."""
    rescore(folder, warmup=0)
    return {path.name: path.read_bytes() for path in folder.rglob("*.*") if path.name not in NAMING_TIMES}


NAMING_TIMES = ("timing.json", "run.json")


def slates_and_scores(folder: Path) -> Any:
    run = Run(folder)
    return [run.slates("A", "recency").to_string(), run.scores("A", f"{HERE}:Trained").to_string()]


USES: dict[str, Callable[[Path], Any]] = {
    "leaderboard": lambda folder: leaderboard([Run(folder)]),
    "slices": lambda folder: by_slice(Run(folder), "hour") + missed(Run(folder)),
    "compare": lambda folder: compare(Run(folder)),
    "slates": slates_and_scores,
    "score": scored,
    "report": lambda folder: Run(folder).report().read_bytes(),
    "export": lambda folder: [path.read_bytes() for path in Run(folder).export("json")],
}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(bytes(data))


def swap_digit(path: Path) -> None:
    """The same file with another number in it, where it is text."""
    data = path.read_bytes()
    place = next((i for i in range(len(data) - 1, 0, -1) if data[i : i + 1].isdigit()), 0)
    path.write_bytes(data[:place] + (b"7" if data[place : place + 1] != b"7" else b"3") + data[place + 1 :])


DAMAGES = (cut, empty, flip, swap_digit, Path.unlink)


def outcome(use: str, folder: Path) -> tuple[Any, str | None]:
    """What a use gives, or how it is refused."""
    try:
        return USES[use](folder), None
    except RunError as error:
        return None, str(error)


OFTEN = ("results.json", "timing.json")
#: What each use reads besides run.json and the digests: files, and folders of files.
READ = {
    "leaderboard": (*OFTEN, "replicates", "frame", "outcomes", "scored_impressions", "rankings"),
    "slices": (*OFTEN, "frame", "outcomes", "scored_impressions", "rankings"),
    "compare": (*OFTEN, "replicates", "frame", "outcomes", "requests", "slates"),
    "slates": (*OFTEN, "requests", "slates", "impressions", "scores"),
    "score": ("timing.json", "training.json", "slates", "scores"),
    "report": (*OFTEN, "replicates", "frame", "outcomes", "scored_impressions", "rankings"),
    "export": (*OFTEN, "requests", "slates", "impressions", "scores"),
}
LONG = ("slices", "report", "export", "slates")


@pytest.mark.parametrize("use", [pytest.param(use, marks=[pytest.mark.slow] * (use in LONG)) for use in USES])
def test_a_damaged_file_is_refused_in_words_wherever_it_would_change_anything(
    use: str, whole: Path, tmp_path: Path
) -> None:
    """Every file of a run, damaged in every way: `use` refuses it by name, or gives what it gave."""
    expected, refused = None, set()
    for name in [None, *sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())]:
        for damage in DAMAGES if name else (lambda path: None,):
            folder = tmp_path / "run"
            shutil.copytree(whole, folder)
            damage(folder / (name or ""))
            found, error = outcome(use, folder)
            expected = found if name is None else expected
            if error is None:
                assert found == expected, f"{name}, {damage.__name__}"
            else:
                assert name is not None
                assert name.name in error or "holds no run" in error or name.name == "SHA256SUMS"
                assert "run it again" in error or "start one with" in error
                refused.add(name.parts[0])
            shutil.rmtree(folder)
    assert refused == {"SHA256SUMS", "run.json", *READ[use]}


def test_the_digests_are_those_of_all_files_as_sha256sum_reads_them(whole: Path) -> None:
    lines = (whole / "SHA256SUMS").read_text().splitlines()
    expected = {
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(whole).as_posix()}"
        for path in whole.rglob("*")
        if path.is_file() and path.name != "SHA256SUMS"
    }
    assert set(lines) == expected
    assert len(lines) == len(expected)


# --- columns of another form ----------------------------------------------------------------------------


def columns_of_a_run(folder: Path) -> dict[Path, Callable[[Path], Any]]:
    """Files of columns, and what reads each."""
    publisher = with_impressions()
    of = select_scored(publisher, Scope())
    verdict = score(publisher, of, Answers(padded([[1], []], 1), np.array([1.0, 0.0])))
    pair, files = pair_files(folder, "A", "mine"), publisher_files(folder, "A")
    write_scored(folder, publisher, of)
    write_judgement(pair, verdict)
    return {
        files.frame: lambda path: (read_reads(path), read_requests(path)),
        files.scored_impressions: read_impressions,
        pair.outcomes: lambda path: (read_places(path), read_matches(path)),
        pair.rankings: read_rankings,
    }


@pytest.mark.parametrize("damage", ["cut", "empty", "other", "columns", "types", "nulls", "gone"])
def test_a_file_of_another_form_is_refused_by_name(damage: str, tmp_path: Path) -> None:
    for path, read in columns_of_a_run(tmp_path).items():
        read(path)
        data = path.read_bytes()
        with opened(path) as reader:
            table = reader.read_all()
        columns = dict(zip(table.column_names, table.columns, strict=True))
        last = table.column_names[-1]
        if damage == "gone":
            path.unlink()
        elif damage in ("cut", "empty", "other"):
            path.write_bytes({"cut": data[: len(data) // 2], "empty": b"", "other": b"ARROW1 no more\n" * 9}[damage])
        elif damage == "columns":
            del columns[last]
            write_columns(path, columns)
        else:
            other = pa.nulls(len(table), columns[last].type) if damage == "nulls" else pa.array(["x"] * len(table))
            write_columns(path, columns | {last: other})
            if damage == "nulls" and path.parent.name == "frame":
                continue  # the last column is the category: there may be none
        with pytest.raises(RunError, match=path.name):
            read(path)


@pytest.mark.parametrize("column", ["row", "time", "session", "cluster", "position", "reachable", "again", "age"])
def test_scored_reads_with_a_column_of_another_type_or_with_gaps_are_refused(column: str, tmp_path: Path) -> None:
    path = next(iter(columns_of_a_run(tmp_path)))
    with opened(path) as reader:
        table = reader.read_all()
    columns = dict(zip(table.column_names, table.columns, strict=True))
    for other in (pa.array([0.5] * len(table)), pa.nulls(len(table), table.column(column).type)):
        write_columns(path, columns | {column: other})
        with pytest.raises(RunError, match=column):
            read_reads(path)


# --- a disk that is full --------------------------------------------------------------------------------


FULL = """
import resource, sys
from pathlib import Path
import numpy as np
import newsreplay
from newsreplay.errors import RunError
from newsreplay.simulator.runs.files import write_columns
from newsreplay.simulator.runs.write import write_json, write_replicates
import pyarrow as pa

# Files may hold so many bytes and not one more: the last write that fits is cut short, as on a disk that is full.
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
writes = {
    "x.arrow": lambda path: write_columns(path, {"x": pa.array(np.random.default_rng(0).random(4000))}),
    "x.json": lambda path: write_json(path, list(range(4000))),
    "x.npy": lambda path: write_replicates(path, np.zeros((1, 1, 630))),  # the last 168 bytes do not fit
}
for name, write in writes.items():
    try:
        write(Path("full") / name)
    except RunError as error:
        print(error)
    print([path.name for path in Path("full").iterdir()])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit for files")
def test_a_full_disk_is_said_in_words_and_leaves_no_half_file(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert lines[1::2] == ["[]"] * 3
    for line, name in zip(lines[::2], ("x.arrow", "x.json", "x.npy"), strict=True):
        assert line.startswith(f"cannot write full/{name}: ")
        assert "File too large" in line
        assert line.endswith("; make room, or name another folder with --out")


def test_a_run_that_cannot_be_written_ends_and_blames_no_recommender(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of slates cannot be made, since a file has its name by then."""

    class Blocks(newsreplay.Recommender):
        def recommend(self, request: Any, k: int) -> Any:
            for path in tmp_path.rglob("unfinished"):
                (path.parent / "slates").touch()
            return []

    with pytest.raises(RunError, match=r"cannot write .*slates/A/Blocks.arrow: .*; make room, or name another folder"):
        newsreplay.run(story(("A",)), [Blocks()], k=2, out=tmp_path / "run")
    with pytest.raises(RunError, match=r"holds no run, but .*run.partial what was interrupted"):
        Run(tmp_path / "run")


def test_what_is_written_is_there_only_once_it_is_whole(tmp_path: Path) -> None:
    def broken(path: Path) -> None:
        with written(path) as work:
            work.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        broken(tmp_path / "a" / "x.json")
    assert list((tmp_path / "a").iterdir()) == []
    write_replicates(tmp_path / "x.npy", np.arange(6.0).reshape(1, 2, 3))
    assert np.load(tmp_path / "x.npy").tolist() == [[[0, 1, 2], [3, 4, 5]]]
    write_columns(tmp_path / "x.arrow", {"x": pa.array([1, 2])})
    assert read_columns(tmp_path / "x.arrow", {"x": "int64"}).to_pydict() == {"x": [1, 2]}
