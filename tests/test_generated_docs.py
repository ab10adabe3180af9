"""Documents that are generated from the code are up to date, and a stale one is noticed."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

from tests.scripts import script

make_docs = script("make_docs", "scripts")
GENERATORS: list[ModuleType] = make_docs.generators()


@pytest.mark.parametrize("generator", GENERATORS, ids=lambda generator: generator.__name__)
def test_a_generated_document_is_up_to_date(generator: ModuleType) -> None:
    for module in make_docs.missing(generator):
        pytest.skip(f"{module} is not installed")
    documents = generator.documents()
    assert documents
    written = {path: (make_docs.ROOT / path).read_text("utf-8").splitlines() for path in documents}
    assert {path: text.splitlines() for path, text in documents.items()} == written, "run python scripts/make_docs.py"
    assert make_docs.stale(documents) == []


def test_the_generators_are_found() -> None:
    assert {"commands_doc", "recommenders_doc"} <= {generator.__name__ for generator in GENERATORS}


def test_what_a_generator_lacks_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    module = ModuleType("picky")
    vars(module).update(NEEDS=("sys", "no_such_module"), documents=dict)
    monkeypatch.setattr(make_docs, "generators", lambda: [module])
    assert make_docs.main(["--check"]) == 1
    assert capsys.readouterr().err == "picky needs no_such_module\n"


def test_a_document_is_stale_when_it_is_absent_or_has_another_text(tmp_path: Path) -> None:
    documents = {Path("docs/a.md"): "naïve\n", Path("docs/b.svg"): "<svg/>"}
    assert make_docs.stale(documents, tmp_path) == [*documents]
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("naïve\n", "utf-8")
    (tmp_path / "docs" / "b.svg").write_text("<svg />", "utf-8")
    assert make_docs.stale(documents, tmp_path) == [Path("docs/b.svg")]


def test_a_wrong_word_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert make_docs.main(["--chekc"]) == 2
    assert "usage" in capsys.readouterr().err


def test_the_width_of_the_commands_does_not_depend_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    (commands_doc,) = (generator for generator in GENERATORS if generator.__name__ == "commands_doc")
    usual = commands_doc.documents()
    monkeypatch.setenv("COLUMNS", "40")
    assert commands_doc.documents() == usual
    (text,) = usual.values()
    for fence in re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        assert max(map(len, fence.splitlines())) <= commands_doc.WIDTH
