"""Records and values found at full speed are those that are found line by line."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from newsreplay.datasets.base import gather
from newsreplay.datasets.reading.fields import scan_fields, texts_of, words_of
from newsreplay.datasets.reading.lines import Lines, Record, count_lines, is_blank, records
from newsreplay.datasets.reading.sizes import ReadSizes
from newsreplay.datasets.sources.table.plan import plan_table
from tests.reading import rows_of

fields = st.sampled_from(
    ["a", "", "b c", '"a"', '"a,b"', '"a\nb"', '"\r\n"', '"a""\n\n""b"', 'a"b', '"a"b', '"a', "\n", " "]
)
ends = st.sampled_from(["\n", "\r\n", "\r", "\n\n"])
texts = st.lists(st.tuples(st.lists(fields, min_size=1, max_size=4), ends), max_size=8).map(
    lambda rows: "".join(",".join(row) + end for row, end in rows)
)


@settings(max_examples=300, deadline=None)
@given(text=texts, width=st.integers(2, 3))
@example(text='a,"b\n', width=2)
@example(text='a,"b"\n"c\n', width=2)
def test_records_are_the_first_ones_that_the_slow_way_finds(text: str, width: int) -> None:
    places = range(width - 1, -1, -1)
    found = scan_fields(text.encode(), ",", width, places)
    slow = list(records(Lines(text.splitlines(keepends=True)), ",", width))
    taken: list[Record] = []
    blank = 0
    for record in slow:
        if is_blank(record.text) and blank < found.blank:
            blank += 1
        elif len(taken) < found.line.size:
            taken.append(record)
        else:
            break
    assert found.size == sum(len(record.text) for record in slow[: len(taken) + blank])
    assert found.line.tolist() == [record.line for record in taken]
    assert found.after.tolist() == [record.line + count_lines(record.text.encode()) for record in taken]
    assert found.lines == count_lines(text.encode()[: found.size])
    for field, place in enumerate(places):
        expected = [(record.fields or [])[place] for record in taken]
        assert texts_of(found, field).to_pylist() == words_of(found, field).to_pylist() == expected
    for following in slow[len(taken) + blank : len(taken) + blank + 1]:  # is misshapen, or may be when more follows
        assert found.is_open or len(following.fields or []) != width


def test_a_field_may_be_wanted_twice() -> None:
    found = scan_fields(b"a,b,c\nd,e,f\n", ",", 3, [2, 0, 2])
    assert [words_of(found, field).to_pylist() for field in range(3)] == [["c", "f"], ["a", "d"], ["c", "f"]]


def test_a_record_has_as_many_lines_as_the_slow_way_allows() -> None:
    for extra in (2, 3, 4):
        text = 'a,"b' + "\n" * extra + '"\n'
        slow = next(records(Lines(text.splitlines(keepends=True)), ",", 2, longest=3))
        assert (scan_fields(text.encode(), ",", 2, [1], longest=3).size == len(text)) == (slow.fields is not None)


@settings(max_examples=60, deadline=None)
@given(text=texts, chunk=st.sampled_from([7, 40, 1 << 20]))
def test_a_file_with_records_over_lines_is_read_alike_in_chunks_of_any_size(text: str, chunk: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clicks.csv"
        path.write_bytes(f'time,user,item\n1577836800,u,"x\ny"\n{text}'.encode())
        whole = gather(plan_table(path))
        cut = gather(plan_table(path, sizes=ReadSizes(chunk=chunk, piece=5)))
        assert rows_of(cut) == rows_of(whole)
        assert [reject[:3] for reject in cut.rejects] == [reject[:3] for reject in whole.rejects]
        assert cut.rows_in == whole.rows_in
        assert count_lines(path.read_bytes()) >= whole.rows_in
