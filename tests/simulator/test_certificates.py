"""Certificates of runs: made after a replay, compared with others', and shown without being obeyed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import newsreplay
from newsreplay.errors import NewsreplayError
from newsreplay.report.page.certificates import certificates_page
from newsreplay.report.page.page import source_hash
from newsreplay.simulator.certificates import certify, columns_digest, digest_of_json, read_certificates
from newsreplay.simulator.runs.files import write_batches
from newsreplay.simulator.runs.origin import code_digest
from newsreplay.simulator.there import fingerprint

Forge = Callable[..., Path]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The certificate of a run, which this machine has replayed."""
    folder = tmp_path_factory.mktemp("certified")
    rows = "".join(f"reader{n // 5},news{n * n % 7},{1_600_000_000 + n}\n" for n in range(300))
    (folder / "log.csv").write_text("user,item,time\n" + rows)
    run = newsreplay.run(folder / "log.csv", "recency", out=folder / "run")
    path = certify(run.folder, "Ann", lambda what, done, of: None)
    certificate: dict[str, Any] = json.loads(path.read_text())
    return certificate


@pytest.fixture
def elsewhere(original: dict[str, Any], empty_home: Path) -> Path:
    """The home of another machine, which has replayed nothing."""
    return empty_home


@pytest.fixture
def forge(tmp_path: Path, original: dict[str, Any]) -> Forge:
    """Writes the certificate, changed, into a folder; `sealed`: with digests that add up again."""
    (tmp_path / "many").mkdir()

    def write(name: str, change: Callable[[dict[str, Any]], object] = lambda one: None, sealed: bool = True) -> Path:
        certificate = json.loads(json.dumps(original))
        change(certificate)
        if sealed:
            for pair in certificate["pairs"]:
                pair["digest"] = digest_of_json(pair["results"])
            del certificate["digest"]
            certificate["digest"] = digest_of_json(certificate)
        (tmp_path / "many" / name).write_text(json.dumps(certificate))
        return tmp_path / "many"

    return write


def refused(folder: Path) -> dict[str, str]:
    return dict(read_certificates(folder).refused)


def test_a_certificate_says_what_was_replayed_and_checked(original: dict[str, Any]) -> None:
    assert original["by"] == "Ann"
    assert original["checks"]["recency"]["passed"] is True
    (pair,) = original["pairs"]
    assert {*pair["answers"]} == {"slates", "outcomes"}
    assert pair["results"]["event_success@1"][3] > 0


def test_code_has_one_digest_in_certificates_run_folders_and_among_workers(original: dict[str, Any]) -> None:
    assert original["code"] == code_digest() == fingerprint()["code"]  # as run.json has it


def test_digests_of_columns_do_not_depend_on_pieces(tmp_path: Path) -> None:
    column = pa.array([["a", "b"], [], ["b"], None], pa.list_(pa.dictionary(pa.int16(), pa.string())))
    table = pa.table({"slate": column, "bits": pa.array([b"x", None, b"yz", b""]), "n": pa.array([1, None, 3, 4])})
    write_batches(tmp_path / "one", table.schema, table.to_batches())
    write_batches(tmp_path / "two", table.schema, table.to_batches(max_chunksize=1))
    assert columns_digest(tmp_path / "one") == columns_digest(tmp_path / "two")
    for other in ([["a"], ["b"], ["b"], None], [["a", "b"], [], ["a"], None]):
        changed = table.set_column(0, "slate", pa.array(other, column.type))
        write_batches(tmp_path / "other", changed.schema, changed.to_batches())
        assert columns_digest(tmp_path / "other") != columns_digest(tmp_path / "one")


def test_equal_answers_of_others_are_kept_and_marked_where_they_were_replayed(forge: Forge) -> None:
    forge("ann.json")
    folder = forge("bob.json", lambda one: one.update(by="Bob"))
    read = read_certificates(folder)
    assert (len(read.kept), read.refused) == (2, [])
    assert read.replayed == {("ann.json", 0), ("bob.json", 0)}
    page = certificates_page(read).decode()
    assert page.count('class="badge certain"') == 2
    assert "Bob" in page
    assert "only replaying a run proves" in page
    style = page.split("<style>")[1].split("</style>")[0]
    assert source_hash(style) in page


def test_another_machine_marks_nothing(elsewhere: Path, forge: Forge) -> None:
    assert read_certificates(forge("ann.json")).replayed == set()


@pytest.mark.parametrize(
    ("change", "sealed", "why"),
    [
        (
            lambda one: one["pairs"][0]["results"]["event_success@1"].__setitem__(0, 0.99),
            False,
            "recency does not add up",
        ),
        (lambda one: one["options"].update(k=3), False, "its digest does not add up"),
        (lambda one: one.pop("checks"), True, "'checks' is missing"),
        (lambda one: one["pairs"][0].update(answers=[]), True, "'answers' is []"),
        (lambda one: one["pairs"][0]["results"].update(auc=["<b>", 0, 0, 1]), True, "results of recency are"),
        (lambda one: one.update(format=99), True, "it is not of format 1"),
    ],
)
def test_what_is_malformed_or_tampered_with_is_refused(
    forge: Forge, change: Callable[[dict[str, Any]], object], sealed: bool, why: str
) -> None:
    assert why in refused(forge("x.json", change, sealed))["x.json"]


def test_what_is_no_json_is_refused_and_an_empty_folder_is_an_error(tmp_path: Path, forge: Forge) -> None:
    folder = forge("ann.json")
    (folder / "junk.json").write_text("[" * 100_000)
    assert "it is no certificate" in refused(folder)["junk.json"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(NewsreplayError, match="holds no certificates"):
        read_certificates(tmp_path / "empty")


def other_answers(one: dict[str, Any]) -> None:
    one["pairs"][0]["answers"]["slates"] = "0" * 64


def test_of_two_that_contradict_each_other_the_one_replayed_here_stands(forge: Forge) -> None:
    forge("ann.json")
    folder = forge("eve.json", other_answers)
    assert refused(folder) == {
        "eve.json": "recency on log: other answers or results than in ann.json, which was replayed here"
    }


def test_elsewhere_both_are_refused_but_not_where_options_differ(elsewhere: Path, forge: Forge) -> None:
    def of_other_options(one: dict[str, Any]) -> None:
        other_answers(one)
        one["options"]["k"] = 3

    forge("ann.json")
    assert {*refused(forge("eve.json", other_answers))} == {"ann.json", "eve.json"}
    assert refused(forge("eve.json", of_other_options)) == {}


def test_nothing_that_strangers_write_is_obeyed(forge: Forge) -> None:
    def evil(one: dict[str, Any]) -> None:
        script = "<script>alert(1)</script>\"'>\x1b[31m\u202e\ud800"
        one["by"] = one["data"]["name"] = one["pairs"][0]["recommender"] = one["pairs"][0]["publisher"] = script
        one["checks"] = {script: {"passed": True, "verdict": script}}
        one["options"][script] = script

    page = certificates_page(read_certificates(forge("<b>.json", evil))).decode()
    assert "<script" not in page
    assert "&lt;b&gt;.json" in page
    assert "<b>" not in page
    assert "\x1b" not in page
    assert "\\u202e" in page
    assert "default-src 'none'" in page
