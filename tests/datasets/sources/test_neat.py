"""Neat records found at full speed are those that are found line by line."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from newsreplay.datasets.base import gather
from newsreplay.datasets.reading.lines import Lines, count_lines, is_blank, records
from newsreplay.datasets.reading.sizes import ReadSizes
from newsreplay.datasets.sources.table.neat import neat_records
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
def test_neat_records_are_the_first_ones_that_the_slow_way_finds(text: str, width: int) -> None:
    neat = neat_records(text.encode(), ",", width)
    slow = list(records(Lines(text.splitlines(keepends=True)), ",", width))
    size = 0
    for record, begin, blank in zip(slow, neat.begin.tolist(), neat.blank.tolist(), strict=False):
        assert record.line == begin
        assert blank == is_blank(record.text)
        assert blank or len(record.fields or []) == width
        size += len(record.text)
    assert neat.size == size
    assert len(neat.begin) <= len(slow)
    if neat.size == len(text):
        assert len(neat.begin) == len(slow)
    elif not neat.is_open and len(neat.begin) < len(slow):  # the next one is misshapen, or holds a quote in its midst
        following = slow[len(neat.begin)]
        assert is_blank(following.text) or '"' in following.text or len(following.fields or []) != width


def test_a_record_has_as_many_lines_as_the_slow_way_allows() -> None:
    for extra in (2, 3, 4):
        text = 'a,"b' + "\n" * extra + '"\n'
        slow = next(records(Lines(text.splitlines(keepends=True)), ",", 2, longest=3))
        assert (neat_records(text.encode(), ",", 2, longest=3).size == len(text)) == (slow.fields is not None)


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
