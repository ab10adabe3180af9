"""What installed packages offer: found by name, not in the place of newsreplay's own, broken at their own cost."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from newsreplay.datasets import find_data
from newsreplay.errors import DataError
from tests.commands.conftest import Cli, complaint

ACME = '''
import pyarrow as pa
from newsreplay.datasets.base import Block, Part, Plan

class Mine:
    """Nothing but the first article."""
    def recommend(self, request, k):
        return [0]

class Acme(Mine):
    """Acme's own."""

NUMBER = 3

def clicks_of(judged):
    return judged.per_session(judged.sessions.length)

def plan_acme(path, fails=False):
    if fails == "planning":
        return 1 / 0
    if fails == "no plan":
        return []
    def read(part):
        rows = [line.split() for line in part.path.read_text().splitlines()]
        if fails == "reading":
            rows[0][9]
        columns = zip(*rows)
        time, user, item = map(list, columns)
        table = pa.table({"time": pa.array(map(int, time), pa.int64()), "user": user, "item": item})
        yield Block(part.name, table, lines=len(rows), records=len(rows), kept=len(rows))
    return Plan([Part(path, path.name)], read, publisher="acme")
'''


def install(folder: Path, package: str, module: str, text: str, **offers: dict[str, str]) -> None:
    """A package as pip leaves it: a module, and what its metadata offer by group."""
    info = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / f"{module}.py").write_text(text)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [
        line
        for group, entries in offers.items()
        for line in (f"[newsreplay.{group}]", *(f"{name} = {value}" for name, value in entries.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that packages are installed in, with one of each sort and one that is broken."""
    site = tmp_path / "site"
    install(
        site,
        "acme-news",
        "acme_of_test",
        ACME,
        recommenders={"acme": "acme_of_test:Acme", "both": "acme_of_test:Mine", "trend": "acme_of_test:Mine"},
        datasets={"acme": "acme_of_test:plan_acme", "mind_": "acme_of_test:plan_acme", "gone": "acme_of_test:gone"},
        metrics={"clicks_of": "acme_of_test:clicks_of", "auc": "acme_of_test:clicks_of"},
    )
    install(
        site,
        "other",
        "other_of_test",
        "import sys\nfrom acme_of_test import Mine\nclass Leaves(Mine):\n    ...\n",
        recommenders={"both": "other_of_test:Mine", "number": "acme_of_test:NUMBER", "odd": "no colon"},
    )
    install(site, "broken", "broken_of_test", "1 / 0", recommenders={"broken": "broken_of_test:Mine"})
    install(site, "ended", "ended_of_test", "import os; os._exit(3)", recommenders={"ended": "ended_of_test:Mine"})
    monkeypatch.syspath_prepend(site)
    for module in ("acme_of_test", "other_of_test", "broken_of_test", "ended_of_test"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    return site


@pytest.mark.usefixtures("site")
def test_recommenders_of_packages_are_listed_with_their_package_and_what_is_wrong_with_them(cli: Cli) -> None:
    done = cli("recommenders")
    assert done.exit_code == 0
    lines = {line.split()[0]: line for line in done.stdout.split("of installed packages")[1].splitlines() if line}
    assert "acme-news" in lines["acme"]
    assert "Acme's own." in lines["acme"]
    assert "BROKEN: 2 packages offer a recommender 'both': acme-news (acme_of_test:Mine) and other" in lines["both"]
    assert "BROKEN: it is no class, but 3" in lines["number"]
    assert "'no colon' is no module:Class" in lines["odd"]
    assert "importing broken_of_test failed: ZeroDivisionError" in lines["broken"]
    assert "BROKEN: its process ended" in lines["ended"]
    told = "acme-news offers a recommender 'trend', which is a name of newsreplay's own: it is ignored"
    assert done.stdout.count(told) == 1
    assert "of the package acme-news" in cli("recommenders", "acme").stdout
    assert "offer a recommender 'both'" in complaint(cli("recommenders", "both"))
    assert "3 is not a callable object" in cli("recommenders", "number").stdout


@pytest.mark.usefixtures("site")
def test_a_run_takes_what_packages_offer_and_says_once_what_it_does_not(cli: Cli) -> None:
    words = ("run", "--data", "clicks.csv", "--recommenders", "acme,trend", "--out", "o", "--format", "json")
    done = cli(*words, "--metrics", "E@1,clicks_of")
    assert done.exit_code == 0, done.output
    assert done.stderr.count("which is a name of newsreplay's own: it is ignored") == 3
    values = {row["recommender"]: row["value"] for row in json.loads(done.stdout) if row["metric"] == "clicks_of"}
    assert values.keys() == {"acme", "trend"}
    assert values["acme"] >= 2
    assert "clicks_of" in cli("compare", "o", "acme", "trend", "--metrics", "clicks_of").stdout
    refused = complaint(cli("run", "--data", "clicks.csv", "--recommenders", "both", "--out", "p"))
    assert "acme-news (acme_of_test:Mine) and other (other_of_test:Mine); uninstall all but one" in refused


@pytest.mark.usefixtures("folder", "cli")
def test_a_kind_of_data_of_a_package_is_read_and_prepared_again_when_its_code_changes(site: Path) -> None:
    Path("acme.log").write_text("1577836800000 ann a\n1577836860000 ann b\n1577836920000 bob a\n")
    first = find_data("acme:acme.log")
    assert first.publishers == ["acme"]
    assert first.card["reads"] == 3
    assert find_data("acme:acme.log").folder == first.folder
    module = site / "acme_of_test.py"
    module.write_text(module.read_text() + "\n# another version\n")
    assert find_data("acme:acme.log").folder != first.folder


@pytest.mark.usefixtures("site", "folder", "cli")
@pytest.mark.parametrize(
    ("kind", "fails", "message"),
    [
        ("acme", "planning", r"package acme-news: planning failed: ZeroDivisionError: .* \(acme_of_test.py:20\)"),
        ("acme", "reading", r"package acme-news: reading acme.log failed: IndexError: .* \(acme_of_test.py:26\)"),
        ("acme", "no plan", "acme of the package acme-news planned a list, not a Plan"),
        ("gone", None, "gone of the package acme-news cannot be read: acme_of_test:gone: AttributeError"),
        ("mind_", None, "Expected a folder with behaviors.tsv"),
    ],
)
def test_what_is_wrong_with_the_kind_of_a_package_is_said_with_its_name(
    kind: str, fails: str | None, message: str
) -> None:
    Path("acme.log").write_text("1577836800000 ann a\n")
    with pytest.raises(DataError, match=message):
        find_data(f"{kind}:acme.log", preparing={"fails": fails} if fails else None)


@pytest.mark.usefixtures("site")
def test_kinds_of_packages_are_listed_and_nothing_of_them_is_imported_for_it(cli: Cli) -> None:
    text = cli("data", "list").stdout
    assert "or acme, of the package acme-news" in text
    assert "acme-news offers a kind of data 'mind_', which is a name of newsreplay's own: it is ignored" in text
    assert "acme_of_test" not in sys.modules
    assert cli("--help").exit_code == 0
