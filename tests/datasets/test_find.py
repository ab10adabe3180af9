"""Data are found by name, by KIND:PATH and by file, and prepared once."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from newsreplay.datasets import find, find_data, kinds, prepare_data, prepared
from newsreplay.datasets.sources.synthetic import newsroom as synthetic
from newsreplay.datasets.store import Dataset
from newsreplay.errors import DataError

ROWS = "time,user,item\n2020-01-01T00:00:00Z,ann,a\n2020-01-01T00:01:00Z,ann,b\n"
OTHER = "ts,reader_no,doc\n2020-01-01T00:00:00Z,ann,a\n"
COLUMNS = {"time": "ts", "user": "reader_no", "item": "doc"}

pytestmark = pytest.mark.usefixtures("empty_home")


class Said(list[str]):
    """Keeps what is said."""

    def __call__(self, text: str) -> None:
        self.append(text)


@pytest.fixture
def clicks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    path = tmp_path / "work" / "clicks.csv"
    path.write_text(ROWS)
    return path


@pytest.fixture
def tiny_demo(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A demo of two reads; the list has the folders it was generated in."""
    folders = []

    def synthesize(folder: Path, *args: Any, **options: Any) -> None:
        folders.append(folder)
        (folder / "reads.csv").write_text("publisher," + ROWS.replace("\n2", "\nA,2"))

    monkeypatch.setattr(synthetic, "synthesize", synthesize)
    return folders


def error_of(*args: Any, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        find_data(*args, **options)
    return str(caught.value)


def articles(dataset: Dataset) -> list[str]:
    ids: list[str] = dataset.publisher(dataset.publishers[0]).articles.id.to_pylist()
    return ids


# --- the demo ---------------------------------------------------------------------------------------------


def test_the_demo_is_generated_once(tiny_demo: list[Path]) -> None:
    said = Said()
    first = find_data("demo", report=said)
    assert said == ["generating the demo: three synthetic publishers (once)"]
    assert find_data("demo", report=said).folder == first.folder
    assert len(said) == len(tiny_demo) == 1
    assert not tiny_demo[0].exists()
    assert first.name == "demo"
    assert "Everything" in first.card["made_up"][0]


def test_the_demo_is_generated_anew_by_other_code(tiny_demo: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    first = find_data("demo")
    monkeypatch.setattr(find, "_sources", lambda: "other code")
    assert find_data("demo").folder != first.folder
    assert len(tiny_demo) == 2


def test_an_interrupted_demo_is_generated_again(tiny_demo: list[Path]) -> None:
    first = find_data("demo")
    (first.folder / "card.json").unlink()
    assert articles(find_data("demo")) == ["a", "b"]
    assert len(tiny_demo) == 2


# --- files ------------------------------------------------------------------------------------------------


def test_a_data_set_is_itself(clicks: Path) -> None:
    dataset = find_data(clicks)
    assert find_data(dataset) is dataset


def test_another_gap_between_sessions_makes_other_data(clicks: Path) -> None:
    clicks.write_text("time,user,session,item\n" + "".join(f"2020-01-01T00:{n:02}:00Z,u,s,a\n" for n in (0, 20, 50)))
    plain = find_data(clicks)
    folders = [
        find_data(clicks, preparing={"session_gap": gap}).folder for gap in ("20m", 1_200_000, timedelta(hours=1))
    ]
    assert folders[0] == folders[1]
    assert len({plain.folder, *folders}) == 3
    names = [Dataset(folder).publisher("clicks").sessions.id.to_pylist() for folder in (plain.folder, *folders[1:])]
    assert names == [["s"], ["s.1", "s.2"], ["s.1"]]
    digests = {dataset.card["digest"] for dataset in (plain, *map(Dataset, folders))}
    assert len(digests) == 3
    frame = pd.read_csv(clicks)
    split = find_data(frame, preparing={"session_gap": "20m"})
    assert split.publisher("frame").sessions.id.to_pylist() == ["s.1", "s.2"]


@pytest.mark.parametrize(
    ("gap", "reason"), [("soon", "'soon' is no duration"), (-1, "give 0 or more"), (1.5, "1.5 is no")]
)
def test_a_gap_that_is_none_is_refused(clicks: Path, gap: object, reason: str) -> None:
    assert reason in error_of(clicks, preparing={"session_gap": gap})


def test_what_is_prepared_already_has_its_gap(clicks: Path, tiny_demo: list[Path]) -> None:
    assert "demo is prepared already; --session-gap goes with" in error_of("demo", preparing={"session_gap": "1h"})


def test_a_file_is_prepared_once_however_it_is_named(clicks: Path) -> None:
    said = Said()
    folders = {
        find_data(name, report=said).folder for name in (clicks, "clicks.csv", "./clicks.csv", "table:clicks.csv")
    }
    assert len(folders) == 1
    assert said[0].startswith("preparing ")
    assert sum(text.startswith("preparing ") for text in said) == 1
    assert find_data("clicks.csv").name == "clicks"


def test_a_changed_file_is_prepared_again(clicks: Path) -> None:
    find_data("clicks.csv")
    clicks.write_text(ROWS.replace("ann,b", "ann,c"))
    os.utime(clicks, ns=(1, 1))
    assert articles(find_data("clicks.csv")) == ["a", "c"]


def test_a_folder_in_which_a_file_changed_is_prepared_again(tmp_path: Path) -> None:
    folder = tmp_path / "gazette"
    folder.mkdir()
    (folder / "reads.csv").write_text(ROWS)
    assert find_data(folder).publishers == ["gazette"]
    (folder / "articles.csv").write_text("item,published\nnew,2020-01-01T00:00:30Z\n")
    assert articles(find_data(folder)) == ["a", "new", "b"]


def test_columns_are_part_of_how_a_file_is_found_again(clicks: Path) -> None:
    clicks.write_text(OTHER + "2020-01-01T00:00:01Z,bob,b\n")
    columns = COLUMNS
    assert articles(find_data("clicks.csv", columns=columns)) == ["a", "b"]
    swapped = COLUMNS | {"user": "doc", "item": "reader_no"}
    assert articles(find_data("clicks.csv", columns=swapped)) == ["ann", "bob"]
    assert articles(find_data("clicks.csv", columns=columns)) == ["a", "b"]


def test_rows_that_cannot_be_used_are_told_with_the_first(clicks: Path) -> None:
    clicks.write_text(ROWS + "noon,ann,c\n\n")
    said = Said()
    dataset = find_data("clicks.csv", report=said)
    (line,) = [text for text in said if "could not be used" in text]
    assert line.startswith(f"1 of 4 rows could not be used and lie in {dataset.folder / 'rejects.csv'}")
    assert "clicks.csv line 4" in line
    assert "1 rows left out: blank line" in said


def test_a_frame_is_a_table_and_is_found_again_by_its_contents(clicks: Path) -> None:
    frame = pd.read_csv(clicks)
    said = Said()
    first = find_data(frame, report=said)
    assert articles(first) == ["a", "b"]
    assert find_data(frame.copy(), report=said).folder == first.folder
    assert sum(text.startswith("preparing ") for text in said) == 1
    assert articles(find_data(frame.head(1))) == ["a"]


def test_what_is_neither_a_name_nor_a_table_is_refused() -> None:
    with pytest.raises(DataError, match="data is a int; give a name, a path, a Dataset or a pandas frame"):
        find_data(5)  # type: ignore[arg-type]


# --- prepared names ---------------------------------------------------------------------------------------


def test_a_prepared_name_is_found_from_anywhere(clicks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare_data("table", clicks, name="tuesday")
    monkeypatch.chdir(tmp_path)
    clicks.unlink()
    assert articles(find_data("tuesday")) == ["a", "b"]
    assert [dataset.name for dataset in prepared()] == ["tuesday"]


def test_a_table_is_called_like_its_file_and_another_kind_like_itself(clicks: Path) -> None:
    assert prepare_data("table", clicks).name == "clicks"
    assert prepared()[0].folder.name == "clicks"


def test_preparing_a_name_again_replaces_it(clicks: Path) -> None:
    prepare_data("table", clicks, name="tuesday")
    clicks.write_text(ROWS.replace("ann,b", "ann,c"))
    prepare_data("table", clicks, name="tuesday")
    assert articles(find_data("tuesday")) == ["a", "c"]
    assert len(prepared()) == 1


def test_a_failed_preparation_leaves_the_name_as_it_was(clicks: Path) -> None:
    prepare_data("table", clicks, name="tuesday")
    clicks.write_text("")
    with pytest.raises(DataError):
        prepare_data("table", clicks, name="tuesday")
    assert articles(find_data("tuesday")) == ["a", "b"]


def test_half_written_folders_are_not_listed(clicks: Path, empty_home: Path) -> None:
    folder = prepare_data("table", clicks, name="tuesday").folder
    folder.rename(folder.with_name(".tuesday-k3j4h5"))
    (empty_home / "data" / "wednesday").mkdir()
    assert prepared() == []
    assert "wednesday is no prepared data set" in _error_of_opening("wednesday")


def _error_of_opening(name: str) -> str:
    with pytest.raises(DataError) as caught:
        _ = find_data(name).publishers
    return str(caught.value)


@pytest.mark.parametrize("name", ["demo", "../up", ".hidden", "a/b", "a b", "-rf"])
def test_a_name_that_could_be_mistaken_is_refused(clicks: Path, name: str) -> None:
    with pytest.raises(DataError, match="a data set cannot be called"):
        prepare_data("table", clicks, name=name)
    assert prepared() == []


def test_strict_refuses_the_first_row_that_cannot_be_used(clicks: Path) -> None:
    clicks.write_text(ROWS + "noon,ann,c\n")
    with pytest.raises(DataError, match=r"clicks\.csv line 4"):
        prepare_data("table", clicks, strict=True)
    assert prepared() == []


# --- what is not there ------------------------------------------------------------------------------------


def test_a_known_source_that_is_not_prepared_says_how_to_get_and_prepare_it() -> None:
    message = error_of("globo")
    assert message.startswith("'globo' is not prepared yet. 'newsreplay data fetch' gets it or says how to get it")
    assert "newsreplay data prepare globo PATH" in message


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("tusday", "Did you mean 'tuesday'?"),
        ("dem", "Did you mean 'demo'?"),
        ("glob", "Did you mean 'globo'?"),
        ("nowhere.csv", "there is no data set and no file 'nowhere.csv'"),
        ("zzzzz", "Prepared: demo, tuesday. Prepare one with 'newsreplay data prepare KIND PATH --name NAME'"),
        (
            "adresa:x",
            "there is no kind of data called 'adresa'; there are adressa, deskdrop",
        ),
        ("table:nowhere.csv", "nowhere.csv"),
        ("globo:nowhere", "nowhere"),
        ("", "there is no data set and no file ''"),
        ("../../etc", "there is no data set and no file"),
    ],
)
def test_what_is_not_there_is_named_with_a_hint(clicks: Path, name: str, hint: str) -> None:
    prepare_data("table", clicks, name="tuesday")
    assert hint in error_of(name)


def test_an_unknown_kind_is_refused_with_a_suggestion(clicks: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"no kind of data called 'tabel'; there are .*, table\. Did you mean 'table'",
    ):
        prepare_data("tabel", clicks)
    assert {"adressa", "globo", "mind", "table"} <= set(kinds())


def test_columns_go_with_tables_only(clicks: Path) -> None:
    for name in ("globo:clicks.csv", "globo"):
        with pytest.raises(DataError, match="globo has columns of its own; --columns goes with tables"):
            prepare_data("globo", clicks, columns=COLUMNS) if name == "globo" else find_data(name, columns=COLUMNS)


def test_columns_are_refused_where_they_would_be_ignored(clicks: Path, tiny_demo: list[Path]) -> None:
    prepare_data("table", clicks, name="tuesday")
    for name in ("demo", "tuesday"):
        assert error_of(name, columns=COLUMNS) == (
            f"{name} is prepared already; --columns goes with KIND:PATH or 'newsreplay data prepare'"
        )
