"""Further columns that are kept: from the file to recommenders, slices and the blindness check."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import newsreplay
from newsreplay.datasets import find_data
from newsreplay.datasets.store import Dataset
from newsreplay.errors import DataError, NewsreplayError
from newsreplay.log.rows import READ, Event, ExtraColumn
from newsreplay.recommenders.base import Recommender, Setting
from newsreplay.recommenders.registry import start_list
from newsreplay.report.tables.by_slice import by_slice
from newsreplay.simulator.checks import check_entry
from newsreplay.simulator.overwritten import made_up_log, overwritten
from newsreplay.simulator.replay.replay import replay

START = 1_577_836_800_000


def prepared(path: Path | pd.DataFrame | pa.Table, *keep: str) -> Dataset:
    return find_data(path, preparing={"keep": list(keep)})


def texts(column: ExtraColumn) -> list[str | None]:
    return [column.values[code] if code >= 0 else None for code in column.code.tolist()]


def frame(rows: Sequence[tuple[int, str, str, str | None]]) -> pd.DataFrame:
    names = ["time", "user", "item", "device"]
    return pd.DataFrame([(START + 1000 * time, *rest) for time, *rest in rows], columns=names)


devices = st.sampled_from([None, "phone", "desktop", "tv", "écran"])


@settings(max_examples=15, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 10_000), devices), min_size=1, max_size=30, unique_by=lambda row: row[0]))
def test_every_row_of_the_log_has_the_text_of_its_row_of_the_source_coded_by_first_appearance(
    rows: list[tuple[int, str | None]],
) -> None:
    table = frame([(time, f"u{time % 3}", f"a{time % 7}", device) for time, device in rows])
    publisher = prepared(table, "device").publisher("frame")
    (column,) = publisher.extra
    in_order = [device for _, device in sorted(rows)]
    assert column.name == "device"
    assert texts(column) == in_order
    assert list(column.values) == list(dict.fromkeys(device for device in in_order if device is not None))
    told = f"kept: device, {len(column.values)} different values; rows without one: {in_order.count(None)}"
    assert told in prepared(table, "device").card["notes"]


def test_a_file_of_any_form_keeps_the_same(tmp_path: Path) -> None:
    table = frame([(n, f"u{n % 4}", f"a{n % 9}", [None, "phone", "tv"][n % 3]) for n in range(40)])
    table["subscriber"] = table.index % 2 == 0
    table["score"] = table.index / 4
    (tmp_path / "json").mkdir()
    (tmp_path / "csv").mkdir()
    (tmp_path / "parquet").mkdir()
    with (tmp_path / "json" / "clicks.jsonl").open("w") as file:
        file.writelines(json.dumps(record) + "\n" for record in table.replace({np.nan: None}).to_dict("records"))
    as_text = table.assign(subscriber=table.subscriber.map({True: "true", False: "false"}))
    as_text.to_csv(tmp_path / "csv" / "clicks.csv", index=False)
    pq.write_table(pa.Table.from_pandas(table), tmp_path / "parquet" / "clicks.parquet")
    keep = ["device", "subscriber", "score"]
    sources = [*(next((tmp_path / form).iterdir()) for form in ("json", "csv", "parquet")), table]
    kept = [prepared(source, *keep) for source in sources]
    columns = [{one.name: texts(one) for one in data.publisher(data.publishers[0]).extra} for data in kept]
    assert columns[0]["device"] == table.device.replace({np.nan: None}).tolist()
    assert columns[0]["subscriber"][:2] == ["true", "false"]
    assert [float(text or "") for text in columns[0]["score"]] == table.score.tolist()
    for other in columns[1:]:
        assert {**other, "score": [float(text or "") for text in other["score"]]} == {
            **columns[0],
            "score": table.score.tolist(),
        }


def test_what_the_folders_of_a_partitioned_table_say_can_be_kept(tmp_path: Path) -> None:
    for number, day in enumerate(("2020-01-01", "2020-01-02")):
        folder = tmp_path / "reads" / f"day={day}"
        folder.mkdir(parents=True)
        part = frame([(number * 90_000 + n, "u", f"a{n}", None) for n in range(3)]).drop(columns="device")
        part.to_csv(folder / "part-0.csv", index=False)
    data = prepared(tmp_path / "reads", "day")
    (column,) = data.publisher(data.publishers[0]).extra
    assert texts(column) == ["2020-01-01"] * 3 + ["2020-01-02"] * 3


def test_a_column_that_is_not_there_is_refused_with_the_one_that_may_be_meant(tmp_path: Path) -> None:
    path = tmp_path / "clicks.csv"
    frame([(1, "u", "a", "phone")]).to_csv(path, index=False, sep=";")
    with pytest.raises(DataError, match=r"no column 'devise' to keep; .*Did you mean 'device'\?"):
        prepared(path, "devise")
    with pytest.raises(DataError, match="twice: device, device"):
        prepared(path, "device", "device")


@pytest.mark.parametrize("columns", [None, {"dwell": "stay"}])
def test_how_long_an_article_will_be_read_cannot_be_kept_beside_its_read(columns: dict[str, str] | None) -> None:
    name = "read_time" if columns is None else "stay"
    table = frame([(1, "u", "a", "phone")]).assign(**{name: 30.0})
    with pytest.raises(DataError, match=f"'{name}' is known after its row only"):
        find_data(table, columns=columns, preparing={"keep": ["device", name]})


def test_of_a_kind_without_further_columns_nothing_can_be_kept(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="of mind no further columns are kept"):
        find_data(f"mind:{tmp_path}", preparing={"keep": ["x"]})


class LatestOnDevice(Recommender):
    """Recommends what was read last on the device of the request."""

    def __init__(self) -> None:
        self.latest: dict[str | None, int] = {}

    def learn(self, event: Event) -> None:
        if event.kind == READ:
            self.latest[event.extra["device"]] = event.item

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return [item for device, item in self.latest.items() if device != request.extra["device"]][:k]


def test_recommenders_have_what_was_kept_with_every_event_and_request() -> None:
    rows = [(n, "u", f"a{n}", device) for n, device in enumerate(["phone", "tv", "phone", None])]
    publisher = prepared(frame(rows), "device").publisher("frame")
    slates = replay(publisher.whole_log, LatestOnDevice(), Setting(k=2)).slates
    assert slates.tolist() == [[-1, -1], [0, -1], [1, -1], [2, 1]]


def test_without_a_kept_column_an_event_has_nothing_further() -> None:
    assert dict(Event(0, 0, READ, 0, 0, 0, -1).extra) == {}


def test_the_blindness_check_overwrites_what_was_kept_from_the_cut_on() -> None:
    log, articles = made_up_log(300)
    rng = np.random.default_rng(0)
    _, code = np.unique(rng.integers(0, 3, 300), return_inverse=True)
    log = log._replace(extra=(ExtraColumn("device", code.astype(np.int32), ("phone", "tv", "tablet")),))

    entry = start_list([LatestOnDevice()])[0]
    assert check_entry(entry, log=log, articles=articles, cuts=6, apart=False).passed
    other, _ = overwritten(log, articles, 150, 0)
    (before,), (after,) = log.extra, other.extra
    assert after.code[:150].tolist() == before.code[:150].tolist()
    assert after.code[150:].tolist() != before.code[150:].tolist()
    assert after.values[: int(before.code[:150].max()) + 1] == before.values[: int(before.code[:150].max()) + 1]


def test_slices_by_a_kept_column_are_means_over_the_sessions_that_begin_with_its_text(tmp_path: Path) -> None:
    rows = [(40 * n, f"u{n // 4 % 90}", f"a{n % 3}", ["phone", "tv", None][n // 4 % 3]) for n in range(1200)]
    run = newsreplay.run(frame(rows), "circular(size=3)", k=2, out=tmp_path / "run", preparing={"keep": ["device"]})
    records = json.loads(by_slice(run, "device", style="json"))
    found = {record["slice"]: record for record in records if record["metric"] == "event_success@1"}
    assert set(found) == {"phone", "tv", "no value"}
    whole = next(result for result in run.results if result.metric == "event_success@1")
    assert sum(record["n"] for record in found.values()) == whole.n
    mean = sum(record["n"] * record["value"] for record in found.values()) / whole.n
    assert mean == pytest.approx(whole.value)
    with pytest.raises(NewsreplayError, match=r"no slices by 'devise'\. Did you mean 'device'\?"):
        by_slice(run, "devise")
