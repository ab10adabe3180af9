"""benchmarks/same_answers.py: a changed answer is found, an unchanged one is not."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from tests.scripts import script

same_answers = script("same_answers")


def run_folder(folder: Path, slates: list[list[str]], results: str = "[]", compression: str | None = "lz4") -> Path:
    (folder / "slates" / "a").mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    (folder / "results.json").write_text(results)
    table, options = pa.table({"slate": slates}), pa.ipc.IpcWriteOptions(compression=compression)
    with (
        pa.OSFile(str(folder / "slates" / "a" / "trend.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, table.schema, options=options) as writer,
    ):
        writer.write_table(table)
    return folder


def test_the_same_contents_in_other_bytes_are_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_folder(tmp_path / "before" / "demo", [["x"], ["y"]])
    run_folder(tmp_path / "after" / "demo", [["x"], ["y"]], compression=None)
    assert same_answers.main(tmp_path / "before", tmp_path / "after") == 0
    assert capsys.readouterr().out == "demo: results.json and 1 files of answers are the same\n"


@pytest.mark.parametrize(
    ("slates", "results", "told"),
    [
        ([["x"], ["z"]], "[]", "slates/a/trend.arrow differs"),
        ([["x"], ["y"]], "[1]", "results.json differs"),
    ],
)
def test_a_changed_answer_or_result_is_found(
    slates: list[list[str]], results: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_folder(tmp_path / "before" / "demo", [["x"], ["y"]])
    run_folder(tmp_path / "after" / "demo", slates, results)
    assert same_answers.main(tmp_path / "before", tmp_path / "after") == 1
    assert capsys.readouterr().out == f"demo: {told}\n"


def test_a_run_that_is_missing_fails_and_so_does_nothing_to_compare(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert same_answers.main(tmp_path / "empty", tmp_path / "empty") == 1
    run_folder(tmp_path / "before" / "demo", [["x"]])
    assert same_answers.main(tmp_path / "before", tmp_path / "empty") == 1
