"""A recommender learns the first stretch of a log, is fitted once, and is saved."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from newsreplay.cli import main
from newsreplay.errors import NewsreplayError
from newsreplay.log.rows import IMPRESSION, OUTCOME, PUBLISH, READ, cut, make_log
from newsreplay.simulator.train import Callbacks, train

HOUR = 3_600_000

# An article a minute, each read by ann; bob's only read is the last one of the third hour.
CLICKS = "time,publisher,user,item\n" + "".join(
    f"2020-01-01T{m // 60:02}:{m % 60:02}:00Z,A,{'bob' if m == 179 else 'ann'},a{m}\n" for m in range(300)
)

TRAINEE = """
from pathlib import Path
from newsreplay import Recommender
from newsreplay.recommenders.base import SelfReport

class Trainee(Recommender):
    def __init__(self, size="tiny"):
        self.size, self.rows, self.fitted = size, [], 0
    def learn(self, event):
        assert not self.fitted
        self.rows.append(event.time)
    def recommend(self, request, k):
        return []
    def fit(self):
        self.fitted += 1
        self.setting.report("epoch 1 of 2, loss 1.5000, AUC 0.5000")
    def self_report(self):
        rounds = ({"epoch": 1, "loss": 1.5, "auc": None}, {"epoch": 2, "loss": 1.25, "auc": 0.625})
        return SelfReport(notes=("no titles",), training=3.0, parameters=1234, rounds=rounds)
    def save_weights(self, path):
        s = self.setting
        Path(path).write_text(f"{len(self.rows)} {self.rows[-1]} {self.fitted} {s.seed} {s.warmup}")

class Hasty(Trainee):
    save_weights = None
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "clicks.csv").write_text(CLICKS)
    (tmp_path / "two.csv").write_text(CLICKS + "2020-01-01T00:00:30Z,B,eve,b\n2020-01-01T09:00:00Z,B,eve,c\n")
    (tmp_path / "mine.py").write_text(TRAINEE)
    return tmp_path


def newsreplay(*words: str) -> Any:
    return CliRunner().invoke(main, ["train", *words], catch_exceptions=False)


def test_a_cut_log_holds_the_rows_before_the_end_and_no_click_that_is_told_later() -> None:
    log = make_log(
        time=[1, 2, 2, 3, 4, 5],
        kind=[PUBLISH, IMPRESSION, OUTCOME, READ, IMPRESSION, OUTCOME],
        session=[-1, 0, 0, 0, 0, 0],
        user=[-1, 0, 0, 0, 0, 0],
        item=[0, -1, -1, 0, -1, -1],
        category=[-1] * 6,
        impression=[-1, 0, 0, -1, 1, 1],
        pools={"at": [0, 2, 3], "item": [0, 0, 0], "clicked": [True, False, True]},
    )
    shorter = cut(log, 5)
    assert shorter.time.tolist() == [1, 2, 2, 3, 4]
    assert shorter.impression.tolist() == [-1, 0, 0, -1, 1]
    assert shorter.pools.at.tolist() == [0, 2, 3]
    assert shorter.pools.clicked.tolist() == [True, False, False]
    assert cut(log, 4).pools.at.tolist() == [0, 2]
    assert cut(log, 4).pools.item.tolist() == [0, 0]
    assert [column.tolist() for column in cut(log, 6).pools] == [column.tolist() for column in log.pools]
    assert len(cut(log, 1).time) == 0
    assert cut(log, 1).pools.at.tolist() == [0]


def test_it_learns_what_lies_before_the_end_and_is_fitted_once(folder: Path) -> None:
    lines: list[str] = []
    done: list[tuple[str, int, int]] = []
    trained = train(
        "clicks.csv",
        "mine.py:Trainee",
        out=folder / "x",
        warmup=3 * HOUR,
        seed=7,
        callbacks=Callbacks(report=lines.append, progress=lambda *seen: done.append(seen)),
    )
    begin = 1_577_836_800_000
    rows, last, fitted, seed, warmup = map(int, (folder / "x").read_text().split())
    assert (rows, last) == (trained.rows, begin + 179 * 60_000)
    assert (fitted, seed, warmup) == (1, 7, 3 * HOUR)
    assert (trained.begin, trained.until) == (begin, begin + 3 * HOUR)
    assert (trained.reads, trained.impressions) == (180, 0)
    assert lines == ["epoch 1 of 2, loss 1.5000, AUC 0.5000"]
    assert done[-1] == ("replaying", rows, rows)


def test_a_day_is_learned_by_default_and_never_more_than_there_is(folder: Path) -> None:
    trained = train("clicks.csv", "mine.py:Trainee", out=folder / "x")
    assert trained.reads == 300
    assert trained.until == trained.begin + 299 * 60_000 + 1


def test_the_warm_up_may_be_typed_as_on_the_command_line(folder: Path) -> None:
    learned = {
        train("clicks.csv", "mine.py:Trainee", out=folder / "x", warmup=warmup).reads
        for warmup in ("3h", timedelta(hours=3), 3 * HOUR)
    }
    assert learned == {180}


def test_a_moment_may_be_named_and_its_own_rows_come_after(folder: Path) -> None:
    done = newsreplay(
        "--data", "clicks.csv", "--recommender", "mine.py:Trainee", "--until", "2020-01-01T03:00", "--out", "x"
    )
    assert done.exit_code == 0, done.output
    assert "180 reads" in done.output


def test_the_summary_says_what_was_learned_and_how_to_replay_it(folder: Path) -> None:
    command = ("--data", "two.csv", "--publisher", "A", "--recommender", "mine.py:Trainee(size=small)")
    done = newsreplay(*command, "--warmup", "3h", "--out", "my weights")
    assert done.exit_code == 0, done.output
    assert "loss" not in done.stderr  # in a pipe
    first, *rest = done.stdout.splitlines()
    assert first == (
        "mine.py:Trainee(size=small) learned from A, 2020-01-01 00:00 to 2020-01-01 03:00 UTC: "
        "0 impressions, 180 reads, 180 rows"
    )
    assert [line.split() for line in rest[1:5]] == [
        ["epoch", "loss", "auc"],
        ["-------", "------", "------"],
        ["1", "1.5000", "–"],
        ["2", "1.2500", "0.6250"],
    ]
    assert rest[6] == "no titles"
    assert rest[7].startswith("1,234 parameters, fitted in 3 s of ")
    assert rest[8] == "wrote my weights, 0 kB; replay it with"
    assert rest[9] == (
        "  newsreplay run --data two.csv --publishers A --warmup 3h "
        """--recommenders 'mine.py:Trainee(weights='"'"'my weights'"'"')'"""
    )


def test_what_cannot_be_trained_is_refused_before_the_data_are_read(folder: Path) -> None:
    for spec, said in (
        ("trend", "trend cannot be trained and saved, it has no fit(); neural recommenders can be: nrms"),
        ("mine.py:Hasty", "mine.py:Hasty cannot be trained and saved, it has no save_weights()"),
        ("trend,recency", "one recommender is trained at a time, not 2; name one"),
        ("trent", "no recommender is called 'trent'. Did you mean 'trend'?"),
    ):
        with pytest.raises(NewsreplayError) as refused:
            train("nowhere.csv", spec, out=folder / "x")
        assert said in str(refused.value)


def test_stretches_that_make_no_sense_are_refused(folder: Path) -> None:
    def refused(data: str = "clicks.csv", **options: Any) -> str:
        with pytest.raises(NewsreplayError) as found:
            train(data, "mine.py:Trainee", out=folder / "x", **options)
        assert not (folder / "x").exists()
        return str(found.value)

    assert "give --warmup or --until, not both" in refused(warmup=HOUR, until=1_577_900_000_000)
    assert "nothing is read at A in the stretch to be learned from; let it end later" in refused(warmup=0)
    assert "let it end later" in refused(until=1_500_000_000_000)
    assert "let it end later" in refused(until=datetime(2017, 7, 14, tzinfo=UTC))
    assert "'soon' is no duration" in refused(warmup="soon")
    assert "has 2 publishers, A, B; choose one with --publisher" in refused("two.csv")
    assert "has no publisher 'C'; it has A, B" in refused("two.csv", publisher="C")


def test_the_command_line_says_one_line_and_leaves_with_1(folder: Path) -> None:
    done = newsreplay("--data", "clicks.csv", "--recommender", "trend", "--out", "x")
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert "Error: trend cannot be trained" in done.stderr
    assert newsreplay("--data", "clicks.csv", "--recommender", "trend", "--out", "x", "--until", "soon").exit_code == 2


def test_asking_for_help_needs_neither_torch_nor_numba() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from newsreplay.cli import main; "
        "assert CliRunner().invoke(main, ['train', '--help']).exit_code == 0; "
        "assert not {'torch', 'numba', 'pyarrow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_training_itself_imports_no_torch() -> None:
    code = (
        "import sys, newsreplay.simulator.train, newsreplay.report.tables.training; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
