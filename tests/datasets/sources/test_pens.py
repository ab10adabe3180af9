"""PENS: what is read, what is left out, and that the reader agrees with a slow one."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.datasets import find_data
from newsreplay.datasets.base import Raw
from newsreplay.datasets.reading.sizes import SIZES, ReadSizes
from newsreplay.datasets.sources.pens import plan_pens
from newsreplay.errors import DataError
from newsreplay.log.rows import HISTORY, IMPRESSION
from tests.naive.pens import naive_pens
from tests.reading import Row, articles_of, read, rows_of
from tests.small_logs import pens

HEADER = "UserID\tClicknewsID\tdwelltime\texposure_time\tpos\tneg\tstart\tend\tdwelltime_pos"
START, END = "7/3/2019 6:43:49 AM", "7/3/2019 7:06:06 AM"
END_MS = 1_562_137_566_000


def line(
    user: str = "U1",
    history: str = "N5",
    times: str = "6/19/2019 5:10:01 AM",
    pos: str = "N8",
    neg: str = "N7 N9",
    end: str = END,
    dwell: str = "34",
) -> str:
    return "\t".join([user, history, "116", times, pos, neg, START, end, dwell])


def folder_of(folder: Path, train: list[str], **others: list[str]) -> Path:
    for name, lines in {"train": [HEADER, *train], **others}.items():
        (folder / f"{name}.tsv").write_text("".join(f"{text}\n" for text in lines), encoding="utf-8")
    return folder


def read_pens(folder: Path, *train: str, **others: list[str]) -> Raw:
    return read(plan_pens(folder_of(folder, [*train], **others)))


def test_a_visit_is_an_impression_at_its_end_and_a_history_reads_before_it(tmp_path: Path) -> None:
    raw = read_pens(tmp_path, line(pos="N8 N6", dwell="34 5"))
    assert rows_of(raw) == [
        Row(
            IMPRESSION,
            END_MS,
            None,
            "U1",
            pool=("N6", "N7", "N8", "N9"),
            clicked=(True, False, True, False),
            dwell=(5, 34),
        ),
        Row(HISTORY, 1_560_921_001_000, "N5", "U1"),
    ]


def test_the_order_of_candidates_does_not_tell_which_were_clicked(tmp_path: Path) -> None:
    pools = [row.pool for row in rows_of(read_pens(tmp_path, line(pos="N9", neg="N7 N8"), line(pos="N7", neg="N9 N8")))]
    assert pools[0] == pools[2] == ("N7", "N8", "N9")


def test_an_article_listed_twice_is_one_candidate(tmp_path: Path) -> None:
    raw = read_pens(tmp_path, line(pos="N8 N8", neg="N8 N7 N7", dwell="3 4"))
    (row, _) = rows_of(raw)
    assert (row.pool, row.clicked, row.dwell) == (("N7", "N8"), (False, True), (3,))
    assert any(note.startswith("articles listed twice in a visit") and note.endswith(": 3") for note in raw.notes)


def test_only_the_earliest_visit_of_a_reader_brings_their_history(tmp_path: Path) -> None:
    later = line(history="N5 N8", times="6/19/2019 5:10:01 AM#TAB#7/3/2019 7:00:00 AM", end="7/4/2019 7:06:06 AM")
    raw = read_pens(tmp_path, later, line("U2"), valid=[HEADER, line()])
    assert [(row.user, row.item) for row in rows_of(raw) if row.kind == HISTORY] == [("U2", "N5"), ("U1", "N5")]
    assert any(
        note.startswith("clicks of histories of a reader's later visits") and note.endswith(": 2") for note in raw.notes
    )


@pytest.mark.parametrize("times", ["", "6/19/2019 5:10:01 AM#TAB#6/19/2019 5:10:02 AM", "yesterday"])
def test_a_history_that_does_not_fit_is_left_out_and_its_visit_kept(tmp_path: Path, times: str) -> None:
    raw = read_pens(tmp_path, line(times=times))
    assert [row.kind for row in rows_of(raw)] == [IMPRESSION]
    assert any(note.startswith("histories whose articles and times differ") for note in raw.notes)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (line() + "\t1", "9 cells are expected, the line has 10"),
        (line(user=""), "UserID is missing"),
        (line(end="7/3/2019"), "is not of the form"),
        (line(neg="N\0"), "NUL byte"),
    ],
)
def test_a_line_that_cannot_be_used_is_a_reject(tmp_path: Path, broken: str, reason: str) -> None:
    raw = read_pens(tmp_path, line("U2"), broken, line("U3"))
    assert [(reject.file, reject.line) for reject in raw.rejects] == [("train.tsv", 3)]
    assert reason in raw.rejects[0].reason
    assert raw.kept == 2


def test_the_hand_written_headlines_are_left_out_by_a_rule(tmp_path: Path) -> None:
    raw = read_pens(
        tmp_path, line(), personalized_test=["userid\tclicknewsID\tposnewID\trewrite_titles", "NT1\tN1\tN2\tA"]
    )
    assert raw.dropped == {"personalized_test.tsv: headlines written by hand, without event times": 1}


def test_another_layout_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"found an empty folder. Expected .*train\.tsv.*pens_data"):
        plan_pens(tmp_path)
    (tmp_path / "train.tsv").write_text("a\tb\n")
    with pytest.raises(DataError, match=r"train\.tsv line 1: the lines have 2 cells.*UserID ClicknewsID.*pens_data"):
        plan_pens(tmp_path)


def agree(folder: Path, sizes: ReadSizes = SIZES) -> None:
    raw, naive = read(plan_pens(folder, sizes=sizes)), naive_pens(folder)
    assert rows_of(raw) == naive.rows
    assert articles_of(raw) == naive.articles
    assert [(reject.file, reject.line) for reject in raw.rejects] == sorted_as_parts(naive.rejects)
    assert raw.dropped == naive.dropped
    assert raw.rows_in == naive.lines


def sorted_as_parts(rejects: list[tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(rejects, key=lambda reject: (["train.tsv", "valid.tsv", "news.tsv"].index(reject[0]), reject[1]))


CELLS = {
    "user": st.sampled_from(["U1", "U2", ""]),
    "history": st.sampled_from(["N5", "N5 N6", "", "N5  N5"]),
    "times": st.sampled_from(
        [
            *("6/19/2019 5:10:01 AM", "6/19/2019 5:10:01 AM#TAB#6/20/2019 12:00:00 PM", "", "x", "2019-06-19 05:10:01"),
            *("06/19/2019 12:59:59 AM", "6/31/2019 1:00:00 AM", "6/19/2019 0:10:01 AM", "6/19/1989 5:10:01 PM"),
        ]
    ),
    "pos": st.sampled_from(["N8", "N8 N9", "N9 N8 N8", ""]),
    "neg": st.sampled_from(["N7", "N8 N7", ""]),
    "end": st.sampled_from([END, "7/2/2019 11:00:00 PM", "7/2/2019", ""]),
    "dwell": st.sampled_from(["34", "3 4", "1 2 3", "x", "-1", "9" * 17, ""]),
}
LINES = st.one_of(
    st.builds(line, **CELLS), st.builds(line, **CELLS), st.text(alphabet='N5\t "\0\r\x85', max_size=20)
).filter(lambda text: "\n" not in text)
NEWS = st.lists(st.sampled_from(["N1", "", "a", '"', '"a"', '"a ""b"""', '"a" b', '""']), min_size=6, max_size=8)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(LINES, max_size=8),
    st.lists(LINES, max_size=5),
    st.lists(NEWS.map("\t".join), max_size=5),
    st.sampled_from([1, 7, 100, 10_000]),
)
def test_any_files_are_read_as_the_slow_reader_reads_them(
    train: list[str], valid: list[str], news: list[str], size: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = folder_of(Path(name), train, valid=[HEADER, *valid], news=["News ID\tb\tc\td\te\tf\tg", *news])
        agree(folder, ReadSizes(chunk=size))


def test_the_small_log_is_prepared_with_dwell_times(tmp_path: Path) -> None:
    for name, data in pens().items():
        (tmp_path / name).write_bytes(data)
    agree(tmp_path)
    publisher = find_data(f"pens:{tmp_path}").publisher("pens")
    assert publisher.requests.active is not None
    assert publisher.requests.active.min() >= 1
