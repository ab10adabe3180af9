"""Runs over a log that has grown are what one run over all of it would have been."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import newsreplay
from newsreplay.datasets.grown import differences
from newsreplay.errors import RunError
from newsreplay.log.rows import LOG_DTYPES, READ, head
from newsreplay.simulator.replay.checkpoints import RECORD, opened_line
from newsreplay.simulator.rescore import rescore
from newsreplay.simulator.runs.paths import JOURNAL, STATES
from newsreplay.simulator.runs.place import partial_of
from newsreplay.simulator.verify import verify
from tests import strategies
from tests.naive.judge import publisher_of
from tests.test_kills import SUMS, files_of

MINE = """
from newsreplay import Recommender

class Counting(Recommender):
    def start(self, catalog):
        self.reads, self.newest = {}, []
        with open("started", "a") as file:
            print(type(self).__name__, file=file)
    def learn(self, event):
        if event.item >= 0:
            with_this = self.reads[event.item] = self.reads.get(event.item, 0) + 1
            self.newest = [event.item, *self.newest[:9]]
    def recommend(self, request, k):
        return [item for item in dict.fromkeys(self.newest) if self.reads[item] > 1][:k]
    def state_dict(self):
        return {"reads": self.reads, "newest": self.newest}
    def load_state_dict(self, state):
        self.reads, self.newest = state["reads"], state["newest"]

class Newest(Recommender):
    def start(self, catalog):
        self.catalog = catalog
    def recommend(self, request, k):
        return range(self.catalog.known - 1, self.catalog.known - 1 - k, -1)
"""
SPECS = "recency,minhash,sequences,trend(hours=2),mine.py:Counting"
OPTIONS: dict[str, Any] = {"k": 2, "seed": 5, "states": True}
ENDS = (17_000, 25_000, 34_000)  #: rows; states are kept behind each 16,384th


def reads(rows: int, **changed: Any) -> pd.DataFrame:
    """Reads of which later ones are of articles and readers that earlier ones have not had; sessions go on for ever."""
    random = np.random.default_rng(3)
    number = np.arange(max(ENDS))
    columns = {
        "time": 1_577_836_800_000 + 60_000 * number,
        "user": random.integers(0, 20 + number // 300),
        "item": np.maximum(0, number // 100 - random.geometric(0.1, len(number))),
        "session_id": random.integers(0, 40 + number // 40),
    }
    table = pd.DataFrame(columns | {"user": columns["session_id"] % 97})
    return table.assign(**changed)[:rows]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(MINE)
    return tmp_path


def told(folder: str) -> dict[str, bytes]:
    """The contents of a run folder but for states, which hold how long things took, and room for what is to come."""
    files = {name: content for name, content in files_of(Path(folder)).items() if not name.startswith(f"{STATES}/")}
    files[SUMS] = b"".join(line for line in files[SUMS].splitlines(True) if f"  {STATES}/".encode() not in line)
    return files


def assert_same(extended: str, whole: str) -> None:
    assert told(extended) == told(whole)


def test_a_run_extended_twice_is_one_run_over_all() -> None:
    first, second, all_of_it = map(reads, ENDS)
    newsreplay.run(all_of_it, SPECS, out="whole", **OPTIONS)
    newsreplay.run(first, SPECS, out="run", **OPTIONS)
    said: list[str] = []
    newsreplay.extend("run", second, out="longer", report=said.append)
    newsreplay.extend("longer", all_of_it, report=said.append)
    assert said == ["5 of 5 pairs go on from their states"] * 2
    assert_same("longer", "whole")
    for record in Path("longer", STATES).glob(f"*/*/{RECORD}"):
        assert opened_line(record.read_bytes())["reached"][0] == 2 * 16_384
    newsreplay.extend("run", all_of_it, jobs=2)  # over two stretches at once, in processes
    assert_same("run", "whole")


def test_without_states_all_is_replayed_from_the_start_and_the_result_is_the_same() -> None:
    said: list[str] = []
    newsreplay.run(reads(ENDS[1]), "recency,mine.py:Newest", out="whole", **OPTIONS)
    newsreplay.run(reads(ENDS[0]), "recency,mine.py:Newest", out="run", **OPTIONS)
    newsreplay.extend("run", reads(ENDS[1]), out="longer", report=said.append)
    assert said == ["1 of 2 pairs go on from their states; replayed from the start: mine.py:Newest on frame"]
    assert_same("longer", "whole")
    shutil.rmtree(Path("run", STATES))
    newsreplay.extend("run", reads(ENDS[1]), report=said.append)
    assert said[1] == "no pair has a state to go on from, so all pairs are replayed from the start"
    assert_same("run", "whole")
    newsreplay.run(reads(ENDS[0])[:90], "recency", out="small")
    newsreplay.extend("small", reads(ENDS[0])[:99], report=said.append)
    assert said[2].startswith("no state is kept (newsreplay run --keep-states), so all pairs are replayed")


def test_who_was_told_of_the_future_begins_anew() -> None:
    said: list[str] = []
    newsreplay.run(reads(ENDS[1]), "oracle,recency", out="whole", **OPTIONS)
    newsreplay.run(reads(ENDS[0]), "oracle,recency", out="run", **OPTIONS)
    newsreplay.extend("run", reads(ENDS[1]), report=said.append)
    assert said == ["1 of 2 pairs go on from their states; replayed from the start: oracle on frame"]
    assert_same("run", "whole")


def test_states_go_with_what_is_added_and_an_extension_can_be_interrupted() -> None:
    newsreplay.run(reads(ENDS[2]), SPECS, out="whole", **OPTIONS)
    newsreplay.run(reads(ENDS[0]), "recency,minhash,sequences", out="run", **OPTIONS)
    newsreplay.add("run", "trend(hours=2),mine.py:Counting")

    def progress(what: str, done: int, total: int) -> None:
        journal = partial_of(Path("run")) / JOURNAL
        if journal.exists() and len(journal.read_bytes().splitlines()) > 2:
            raise KeyboardInterrupt

    Path("started").unlink()
    with pytest.raises(KeyboardInterrupt):
        newsreplay.extend("run", reads(ENDS[2]), jobs=1, progress=progress)
    newsreplay.resume("run")
    assert_same("run", "whole")


def _late(table: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([table, table[5:8].assign(item=[1, 2, 3])])


REFUSED: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "late": (_late, "frame: rows at or before the last moment of the run's log that are not in it (3)"),
    "gone": (lambda table: table.drop(table.index[7:9]), "frame: rows of the run's log that are missing (2)"),
    "item": (
        lambda table: table.assign(item=table["item"].where(table.index != 9_000, 0)),
        "frame: rows with another item (1)",
    ),
    "session": (
        lambda table: table.assign(user=table["user"].where(table.index != 20_000, 4_711)),
        "frame: sessions with another id (1)",
    ),
}


@pytest.mark.parametrize("what", list(REFUSED))
def test_a_log_that_does_not_begin_with_the_runs_is_refused_with_counts(what: str) -> None:
    newsreplay.run(reads(ENDS[0]), "recency", out="run", **OPTIONS)
    before = files_of(Path("run"))
    change, said = REFUSED[what]
    with pytest.raises(RunError, match=r"^run cannot be extended with") as refusal:
        newsreplay.extend("run", change(reads(ENDS[1])))
    assert said in str(refusal.value)
    assert files_of(Path("run")) == before


def test_what_cannot_be_extended_is_refused_in_words() -> None:
    newsreplay.run(reads(200).assign(publisher="A"), "recency", out="run", **OPTIONS)
    with pytest.raises(RunError, match=r"it has no publisher 'A'; --data is to be all of the log"):
        newsreplay.extend("run", reads(300).assign(publisher="B"))
    said: list[str] = []
    newsreplay.extend("run", reads(200).assign(publisher="A"), report=said.append)
    assert said == ["run has all of this; nothing is replayed"]
    record = json.loads(Path("run/run.json").read_text())
    shutil.rmtree(record["data"]["folder"])
    with pytest.raises(RunError, match="are not there"):
        newsreplay.extend("run", reads(300).assign(publisher="A"))


def test_a_kept_column_is_compared_as_well() -> None:
    devices = np.array(["phone", "desk"])[np.arange(max(ENDS)) % 2]
    kept: dict[str, Any] = {"preparing": {"keep": ["device"]}}
    newsreplay.run(reads(200, device=devices), "recency", out="run", **kept, **OPTIONS)
    for row, other in ((7, "phone"), (0, "watch"), (9, None)):
        changed = devices.astype(object)
        changed[row] = other
        with pytest.raises(RunError, match=r"frame: rows with another device \(1\); --data is to be"):
            newsreplay.extend("run", reads(300, device=changed))
    newsreplay.run(reads(300, device=devices), "recency", out="whole", **kept, **OPTIONS)
    newsreplay.extend("run", reads(300, device=devices))
    assert_same("run", "whole")


def test_a_run_that_is_scored_or_verified_keeps_its_states() -> None:
    newsreplay.run(reads(ENDS[0]), "recency,mine.py:Counting", out="run", **OPTIONS)
    assert verify("run") == []
    rescore("run")
    said: list[str] = []
    newsreplay.extend("run", reads(ENDS[1]), report=said.append)
    assert said == ["2 of 2 pairs go on from their states"]


def test_an_executor_of_ones_own_gets_states_as_well() -> None:
    newsreplay.run(reads(ENDS[1]), "recency", out="whole", **OPTIONS)
    with ThreadPoolExecutor(2) as executor:
        newsreplay.run(reads(ENDS[0]), "recency", out="run", executor=executor, **OPTIONS)
    said: list[str] = []
    newsreplay.extend("run", reads(ENDS[1]), report=said.append)
    assert said == ["1 of 1 pairs go on from their states"]
    assert_same("run", "whole")


@given(log=strategies.logs_with_impressions(), data=st.data())
def test_any_log_begins_with_its_first_rows_and_with_no_others(log: Any, data: st.DataObject) -> None:
    times = np.unique(log.time)
    cut = int(np.searchsorted(log.time, data.draw(st.sampled_from(times.tolist())), side="right"))
    assume(bool((log.kind[:cut] == READ).any()))
    early, late = publisher_of(head(log, cut)), publisher_of(log)
    assert differences(early, late) == []
    name = data.draw(st.sampled_from([name for name in LOG_DTYPES if name not in ("time", "kind")]))
    row = data.draw(st.integers(0, cut - 1))
    changed = getattr(log, name).copy()
    changed[row] += 1
    later = late._replace(log=log._replace(**{name: changed}))
    assert f"rows with another {name} (1)" in differences(early, later)


def mind(folder: str, lines: int) -> Path:
    """Impressions of readers who had read an article each that is shown much later, and one that never is."""
    Path(folder).mkdir()
    shown = (f"N{n // 40 + 1}-{n % 2} N{n // 40}-{1 - n % 2}" for n in range(lines))
    behaviors = (
        f"{n}\tU{n}\t11/11/2019 9:{n // 60:02}:{n % 60:02} AM\tN{n // 40 + 60} X{10_000 - n}\t{candidates}\n"
        for n, candidates in enumerate(shown)
    )
    Path(folder, "behaviors.tsv").write_text("".join(behaviors))
    Path(folder, "news.tsv").write_text("".join(f"N{n}\tnews\tnewsworld\tA title\t\t\t[]\t[]\n" for n in range(999)))
    return Path(folder).absolute()


def test_articles_of_histories_may_become_known_and_ones_own_recommenders_begin_anew_there() -> None:
    early, late = (
        newsreplay.find_data(f"mind:{mind(name, lines)}") for name, lines in (("few", 1_200), ("many", 3_000))
    )
    then, now = (one.publisher(one.publishers[0]) for one in (early, late))
    items = [one.articles.profiles.item[: 2 * 1_200] for one in (then, now) if one.articles.profiles is not None]
    assert ((items[0] < 0) & (items[1] >= 0)).any()  # known by now
    assert ((items[0] < 0) & (items[1] < 0) & (items[0] != items[1])).any()  # another handle
    assert differences(then, now) == []
    assert then.articles.profiles is not None
    other = then.articles.profiles.item.copy()
    other[np.argmax(items[0] >= 0)] += 1
    changed = then.articles._replace(profiles=then.articles.profiles._replace(item=other))
    [said] = differences(then._replace(articles=changed), now)
    assert said == "other reads from before the log (1)"

    newsreplay.run(early, "recency,mine.py:Counting", out="run", **OPTIONS)
    for name in ("recency", "mine.py%3ACounting"):
        kept = Path("run", STATES, "mind", name)
        kept.mkdir(parents=True)
        (kept / RECORD).touch()  # as of a longer log
    told: list[str] = []
    newsreplay.extend("run", late, report=told.append)
    assert told[0] == "1 of 2 pairs go on from their states; replayed from the start: mine.py:Counting on mind"


def test_how_long_the_last_reads_took_may_be_told_later() -> None:
    later = reads(300).assign(dwell=2.0)
    earlier = later[:200].assign(dwell=later["dwell"].where(later.index != 199))
    newsreplay.run(later, "recency,trend", out="whole", reward="dwell", **OPTIONS)
    newsreplay.run(earlier, "recency,trend", out="run", reward="dwell", **OPTIONS)
    newsreplay.extend("run", later)
    assert_same("run", "whole")
