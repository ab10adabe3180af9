"""Names lead to recommenders, and wrong ones to a sentence that helps."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from newsreplay.errors import SpecError
from newsreplay.log.rows import Event
from newsreplay.recommenders import registry
from newsreplay.recommenders.base import Recommender
from newsreplay.recommenders.baselines.circular import Circular
from newsreplay.recommenders.baselines.trend import Trend
from newsreplay.recommenders.registry import ALIASES, BUILT_IN, PRESETS, describe, find, start_list
from newsreplay.spec import Spec

# Table 2 of Kille & Lommatzsch (2019), row by row.
TABLE_2 = [
    *["random", "random(hours=6)", "random(hours=12)", "random(hours=24)", "random(hours=48)"],
    *["popular", "popular(hours=6)", "popular(hours=12)", "popular(hours=24)", "popular(hours=48)"],
    "recency",
    *["circular(size=100)", "circular(size=200)", "circular(size=500)", "circular(size=1000)"],
    *["sequences", "content", "minhash"],
    *["trend(hours=2)", "trend(hours=6)", "trend(hours=12)", "trend(hours=24)"],
]


class Mine(Recommender):
    def __init__(self, depth: int = 3, motto: str = "new", helper: object = None):
        self.depth = depth
        self.motto = motto
        self.helper = helper

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return []


class NoRecommender:
    pass


def shown(recommenders: Any) -> list[str]:
    return [entry.label for entry in start_list(recommenders)]


def error_of(recommenders: Any) -> str:
    with pytest.raises(SpecError) as caught:
        start_list(recommenders)
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- built-ins, aliases, presets --------------------------------------------------------------------------


def test_the_preset_baselines_is_table_2_row_by_row() -> None:
    assert len(TABLE_2) == 22
    assert list(PRESETS["baselines"]) == TABLE_2
    assert shown("baselines") == TABLE_2


def test_a_preset_unfolds_at_its_place() -> None:
    assert shown("circular(size=7),baselines,trend") == ["circular(size=7)", *TABLE_2, "trend"]


@pytest.mark.parametrize("name", [*BUILT_IN, *ALIASES])
def test_every_name_makes_a_recommender(name: str) -> None:
    (entry,) = start_list(name)
    assert entry.label == name
    assert callable(entry.make().recommend)


@pytest.mark.parametrize(
    ("alias", "name"),
    [("popularity", "popular"), ("circular_buffer", "circular"), ("collaborative", "minhash"), ("trends", "trend")],
)
def test_an_alias_is_shown_as_typed(alias: str, name: str) -> None:
    assert find(alias) is find(name)
    assert shown(alias) == [alias]


def test_parameters_reach_the_recommender_and_defaults_are_not_shown() -> None:
    first, second = start_list("circular:size=500,circular")
    assert (first.label, first.make().size) == ("circular(size=500)", 500)
    assert (second.label, second.make().size) == ("circular", 100)


def test_every_use_gets_a_fresh_recommender() -> None:
    (entry,) = start_list("circular")
    assert entry.make() is not entry.make()


@pytest.mark.parametrize("typed", ["trend,trend", "baselines,recency", "circular(size=5),circular:size=5"])
def test_a_recommender_named_twice_is_refused(typed: str) -> None:
    assert re.search(r"stands on the list twice; name it once", error_of(typed))


def test_the_list_of_recommenders_has_parameters_with_their_defaults_and_a_line_each() -> None:
    rows = {name: (parameters, text) for name, parameters, text in describe()}
    assert list(rows) == list(BUILT_IN)
    assert "100" in rows["circular"][0]
    assert all(text for _, text in rows.values())


# --- wrong names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("tred", "Did you mean 'trend'?"),
        ("populer", "Did you mean 'popular'?"),
        ("baseline", "Did you mean 'baselines'?"),
        ("circular_bufer(size=3)", "Did you mean 'circular_buffer'?"),
        ("zzz", "There are random, popular,"),
        ("BASELINES(a=1)", "no recommender is called 'BASELINES'"),
    ],
)
def test_an_unknown_name_gets_a_suggestion(typed: str, hint: str) -> None:
    assert hint in error_of(typed)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("trend(hour=6)", "trend has no parameter 'hour'. Did you mean 'hours'?"),
        ("circular:sise=6", "circular has no parameter 'sise'. Did you mean 'size'?"),
        ("trend(x=6)", "trend has no parameter 'x'. It takes hours."),
        ("recency(x=6)", "recency has no parameter 'x'. It takes none."),
        ("circular(size=0)", "circular(size=0): size must be a whole number of at least 1, not 0"),
        ("circular(size=big)", "circular(size=big): size must be a whole number of at least 1, not 'big'"),
        ("trend(hours=2.5)", "trend(hours=2.5): hours must be a whole number of at least"),
    ],
)
def test_a_wrong_parameter_is_named_with_the_way_out(typed: str, message: str) -> None:
    assert message in error_of(typed)


@pytest.mark.parametrize("nobody", [[], ()])
def test_an_empty_start_list_is_refused(nobody: Any) -> None:
    assert error_of(nobody) == "no recommender named; 'newsreplay recommenders' lists them"


# --- module:Class and file.py:Class -----------------------------------------------------------------------

FILE = """
from __future__ import annotations
from dataclasses import dataclass
from typing import ClassVar

from newsreplay import Recommender

class Fine(Recommender):
    def __init__(self, depth=3, *, wide=False):
        self.depth = depth
    def recommend(self, request, k):
        return []

@dataclass
class Data(Recommender):
    depth: int = 3
    shared: ClassVar[int] = 0
    def recommend(self, request, k):
        return []

class Broken(Recommender):
    def __init__(self):
        raise ValueError("no licence")

class NoRecommender:
    pass

number = 5
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine_of_test.py").write_text(FILE)
    (tmp_path / "random.py").write_text(FILE)
    (tmp_path / "broken_of_test.py").write_text("1 / 0\n")
    (tmp_path / "syntax_of_test.py").write_text("def\n")
    (tmp_path / "needy_of_test.py").write_text("import no_such_module_at_all\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize("where", ["mine_of_test", "mine_of_test.py", "./mine_of_test.py", "random.py"])
def test_a_class_is_found_in_a_module_or_file(files: Path, where: str) -> None:
    (entry,) = start_list(f"{where}:Fine(depth=5, wide=true)")
    assert entry.label == f"{where}:Fine(depth=5, wide=True)"
    assert entry.make().depth == 5


def test_a_data_class_is_found_in_a_file(files: Path) -> None:
    (entry,) = start_list("mine_of_test.py:Data(depth=5)")
    assert entry.make().depth == 5


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("mine_of_test:Fime", "mine_of_test has no 'Fime'. Did you mean 'Fine'?"),
        ("mine_of_test.py:Zzz", "mine_of_test.py has no 'Zzz'."),
        ("mine_of_test.py:Fine(dept=5)", "has no parameter 'dept'. Did you mean 'depth'?"),
        ("mine_of_test.py:Broken", "mine_of_test.py:Broken cannot be made: ValueError: no licence"),
        ("mine_of_test:NoRecommender", "is not a recommender: it has no recommend(request, k)"),
        ("mine_of_test:number", "mine_of_test:number is not a class of recommenders"),
        ("builtins:dict", "builtins:dict is not a"),
        ("nowhere_of_test:Mine", "there is no module 'nowhere_of_test' to import; is it installed"),
        ("mine_of_test.deep:Mine", "there is no module 'mine_of_test.deep' to import"),
        ("nowhere.py:Mine", "there is no file nowhere.py (looked in "),
        ("broken_of_test:Mine", "importing broken_of_test failed: ZeroDivisionError: division by zero"),
        ("broken_of_test.py:Mine", "broken_of_test.py cannot be loaded: ZeroDivisionError: division by zero"),
        ("syntax_of_test.py:Mine", "syntax_of_test.py cannot be loaded: SyntaxError"),
        ("syntax_of_test:Mine", "importing syntax_of_test failed: SyntaxError"),
        ("needy_of_test:Mine", "importing needy_of_test failed: No module named 'no_such_module_at_all'"),
        (":Mine", "importing  failed: ValueError"),
        (".mine:Mine", "importing .mine failed: TypeError"),
    ],
)
def test_what_cannot_be_found_or_made_is_said_in_one_line(files: Path, typed: str, message: str) -> None:
    assert message in error_of(typed)


# --- entry points -----------------------------------------------------------------------------------------


@pytest.fixture
def plug_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "mine": "tests.recommenders.test_registry:Mine",
        "gone": "nowhere_of_test:Mine",
        "trend": "tests.recommenders.test_registry:Mine",
    }

    def entry_points(*, group: str) -> list[EntryPoint]:
        assert group == "newsreplay.recommenders"
        return [EntryPoint(name, value, group) for name, value in values.items()]

    monkeypatch.setattr(registry, "entry_points", entry_points)


@pytest.mark.usefixtures("plug_ins")
def test_an_installed_package_offers_recommenders_under_short_names() -> None:
    (entry,) = start_list("mine(depth=9)")
    assert entry.label == "mine(depth=9)"
    assert entry.make().depth == 9
    assert "Did you mean 'mine'?" in error_of("mime")


@pytest.mark.usefixtures("plug_ins")
def test_a_package_cannot_take_the_name_of_a_built_in() -> None:
    assert find("trend") is Trend


@pytest.mark.usefixtures("plug_ins")
def test_a_broken_package_costs_neither_the_list_nor_the_others() -> None:
    rows = {name: text for name, _, text in describe()}
    assert "there is no module 'nowhere_of_test'" in rows["gone"]
    assert "there is no module 'nowhere_of_test'" in error_of("gone")
    assert shown("mine") == ["mine"]


# --- somebody's own objects -------------------------------------------------------------------------------


def test_an_object_is_shown_with_the_parameters_it_kept() -> None:
    assert shown([Mine(), Mine(depth=5, motto="it's new", helper=object()), Circular(size=5)]) == [
        "Mine(depth=3, motto=new, helper=None)",
        'Mine(depth=5, motto="it\'s new")',
        "Circular(size=5)",
    ]


def test_specs_objects_and_presets_mix() -> None:
    assert shown(["trend,recency", Spec("circular", (("size", 5),)), Mine()])[:3] == [
        "trend",
        "recency",
        "circular(size=5)",
    ]


def test_a_single_spec_or_object_needs_no_list() -> None:
    assert shown(Spec("trend")) == ["trend"]
    assert shown(Mine(depth=1)) == ["Mine(depth=1, motto=new, helper=None)"]


def test_an_object_is_copied_before_every_use() -> None:
    mine = Mine(helper=[])
    (entry,) = start_list([mine])
    entry.make().helper.append(1)
    assert mine.helper == entry.make().helper == []


def test_two_equal_objects_are_refused() -> None:
    assert "stands on the list twice" in error_of([Mine(), Mine()])


def test_a_class_in_place_of_an_object_is_refused_with_the_way_out() -> None:
    assert error_of([Mine]) == "Mine is a class; pass an instance: Mine()"
    assert error_of(Mine) == "Mine is a class; pass an instance: Mine()"


def test_an_object_that_cannot_recommend_is_refused() -> None:
    assert "is not a recommender: it has no recommend(request, k)" in error_of([NoRecommender()])


def test_an_object_that_cannot_be_copied_is_refused_with_the_way_out() -> None:
    message = error_of([Mine(helper=threading.Lock())])
    assert message.startswith("Mine(depth=3, motto=new) cannot be copied")
    assert "in start()" in message


def test_without_torch_neural_recommenders_are_listed_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.startswith("newsreplay.recommenders.neural")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    monkeypatch.setitem(BUILT_IN, "some_nrms", "newsreplay.recommenders.neural.models.nrms:NRMS")
    way_out = 'some_nrms needs torch, which is not installed: pip install "newsreplay[neural]"'
    assert ("some_nrms", "", way_out) in describe()
    with pytest.raises(SpecError, match=re.escape(way_out)):
        find("some_nrms")
