"""Names lead to recommenders, and wrong ones to a sentence that helps."""

from __future__ import annotations

import inspect
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest

from newsreplay.errors import SpecError
from newsreplay.log.rows import Event
from newsreplay.recommenders import registry
from newsreplay.recommenders.base import Compiled, Recommender
from newsreplay.recommenders.baselines.circular import Circular
from newsreplay.recommenders.baselines.trend import Trend
from newsreplay.recommenders.built_ins import ALIASES, BUILT_IN, PRESETS
from newsreplay.recommenders.mixtures import Mixture
from newsreplay.recommenders.records import NEEDS
from newsreplay.recommenders.registry import build_value, describe, find, start_list
from newsreplay.spec import Spec, parse_spec
from tests.commands.conftest import python

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


#: Those with a parameter that must be given.
MADE_WITH = {
    "blend": "blend(trend, popular)",
    "lifetime": "lifetime(trend)",
    "mmr": "mmr(trend)",
    "calibrated": "calibrated(trend)",
    "fallback": "fallback(trend, popular)",
    "replayed": "replayed(answers.csv)",
}


@pytest.mark.parametrize("name", [*BUILT_IN, *ALIASES])
def test_every_name_makes_a_recommender(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("answers.csv").write_text("row,rank,item\n")
    spec = MADE_WITH.get(name, name)
    (entry,) = start_list(spec)
    assert entry.label == spec
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


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_record_says_what_the_class_is(name: str) -> None:
    record, factory = BUILT_IN[name], find(name)
    assert set(record.needs.split()) <= set(NEEDS)
    is_neural = issubclass(factory, registry.find("nrms").__mro__[1])
    assert is_neural == ("neural" in record.needs.split())
    assert record.family in ("neural", "sessions") if is_neural else record.family != "neural"
    assert is_neural == ("seed" in inspect.signature(factory).parameters)
    assert issubclass(factory, Mixture) == (record.family == "mixtures") == ("parts" in record.needs.split())
    assert not is_neural or record.cost == "dear"
    assert not issubclass(factory, Compiled) or record.family not in ("neural", "mixtures")
    told = inspect.getsource(sys.modules[factory.model_class.__module__ if is_neural else factory.__module__])
    assert all(word in told for word in re.findall(r"[A-Z]\w+|\d{4}", record.paper))


def test_records_are_read_without_importing_what_they_are_of() -> None:
    code = "import sys; from newsreplay.recommenders.built_ins import BUILT_IN; print(*sys.modules)"
    modules = set(python("-c", code).stdout.split())
    assert not modules & {"torch", "numba", "numpy", "newsreplay.recommenders.baselines"}


def test_the_preset_field_has_everything_that_ranks_by_itself() -> None:
    others = {"river", "sklearn", "editorial"}  # of an estimator, of impressions as they were shown
    wanted = {name for name, record in BUILT_IN.items() if record.family not in ("mixtures", "references")} - others
    assert {parse_spec(text).name for text in PRESETS["field"]} == wanted | {"random"}
    assert len({*PRESETS["field"]}) == len(PRESETS["field"])


@pytest.mark.parametrize("name", PRESETS)
def test_every_recommender_of_a_preset_is_built_in(name: str) -> None:
    assert all(registry.built_in(parse_spec(text)) for text in PRESETS[name])


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
from newsreplay.recommenders.registry import build_value

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

class Rerank(Recommender):
    def __init__(self, inner, *others, top=50, hours=()):
        self.inner = build_value(inner)
        self.others = [build_value(other) for other in others]
        self.top, self.hours = top, hours
    def recommend(self, request, k):
        return []

class Two(Fine):
    def __init__(self, first, second=2, *, third=3):
        self.given = (first, second, third)

class Any(Fine):
    def __init__(self, **given):
        self.given = given

class Sealed(Fine):
    def __init__(self, first, /, **given):
        self.given = (first, given)

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
        (
            "'ftp://host:8080/x?y=1'(timeout=5)",
            "no recommender is registered for 'ftp' (ftp://host:8080/x?y=1);",
        ),
        (
            "'stdout:node mine.js'",
            "no recommender is registered for 'stdout' (stdout:node mine.js); name your own as",
        ),
        ("replayed(runs/a-b/file.arrow)", "replayed('runs/a-b/file.arrow'): there is no file runs/a-b/file.arrow"),
        (
            "mine_of_test:Two",
            "lacks 'first', which mine_of_test:Two must be given. It takes first, second, third.",
        ),
        ("mine_of_test:Two(second=1)", "lacks 'first'"),
        (
            "mine_of_test:Two(1, 2, 3)",
            "takes at most 2 values without a name, not 3. It takes first, second, third.",
        ),
        ("mine_of_test:Two(1, first=2)", "gives 'first' twice, without its name and with it; give it once"),
        ("mine_of_test:Two(1, thurd=2)", "has no parameter 'thurd'. Did you mean 'third'?"),
        ("mine_of_test:Two(1, zzz=2)", "has no parameter 'zzz'. It takes first, second, third."),
        ("mine_of_test:Any(1)", "mine_of_test:Any takes no values without a name, not 1. It takes **given."),
        ("mine_of_test:Sealed(third=3)", "lacks 'first'"),
        (
            "mine_of_test:Rerank(top=1)",
            "lacks 'inner', which mine_of_test:Rerank must be given. It takes inner, *others,",
        ),
        ("trend(6, 7)", "trend takes at most 1 value without a name, not 2. It takes hours."),
        ("recency(6)", "recency takes no values without a name, not 1. It takes none."),
        ("mine_of_test:Rerank(trend(hours=1))", "Rerank(trend(hours=1)): trend(hours=1): hours must be a whole number"),
        ("mine_of_test:Rerank(6)", "Rerank(6): 6 is no nested spec; write one by its name, trend(hours=6)"),
        ("mine_of_test:Rerank(trend, tredn)", "no recommender is called 'tredn'. Did you mean 'trend'?"),
        ("mine_of_test:Rerank(os.path.join)", "os.path.join: classes have dotted names in river and sklearn only"),
    ],
)
def test_what_cannot_be_found_or_made_is_said_in_one_line(files: Path, typed: str, message: str) -> None:
    assert message in error_of(typed)


def test_values_without_a_name_reach_the_factory_in_their_order(files: Path) -> None:
    (entry,) = start_list("mine_of_test:Two(1, [2, [x]], third=none)")
    assert entry.label == "mine_of_test:Two(1, [2, [x]], third=None)"
    assert entry.make().given == (1, (2, ("x",)), None)
    assert start_list("circular(7)")[0].make().size == 7


def test_a_factory_that_takes_any_parameter_is_given_any(files: Path) -> None:
    (entry,) = start_list("mine_of_test.py:Any(depth=5, hours=[1,2], inner=trend(hours=6))")
    assert entry.make().given == {"depth": 5, "hours": (1, 2), "inner": "trend(hours=6)"}
    (entry,) = start_list("mine_of_test.py:Sealed(5, first=6)")
    assert entry.make().given == (5, {"first": 6})


# --- nested specs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed",
    [
        "mine_of_test:Rerank(trend(hours=12), popular, mine_of_test.py:Fine(depth=5), top=9)",
        "mine_of_test:Rerank('trend(hours=12)', 'popular', 'mine_of_test.py:Fine(depth=5)', top=9)",
    ],
)
def test_a_factory_makes_the_recommenders_that_nested_specs_name(files: Path, typed: str) -> None:
    (entry,) = start_list(typed)
    assert entry.label == "mine_of_test:Rerank(trend(hours=12), popular, 'mine_of_test.py:Fine(depth=5)', top=9)"
    made = entry.make()
    assert isinstance(made.inner, Trend)
    assert made.inner.hours == 12
    assert [type(other).__name__ for other in made.others] == ["Popular", "Fine"]
    assert (made.others[1].depth, made.top) == (5, 9)
    assert entry.make().inner is not made.inner


def test_a_spec_inside_a_spec_inside_a_spec_is_made(files: Path) -> None:
    (entry,) = start_list("mine_of_test:Rerank(mine_of_test:Rerank('trend(hours=3)', top=2), hours=[1, 2])")
    made = entry.make()
    assert (made.inner.inner.hours, made.inner.top, made.hours) == (3, 2, (1, 2))


def test_classes_of_scikit_learn_are_made_by_their_dotted_names() -> None:
    made = build_value("sklearn.linear_model.SGDClassifier(alpha=0.01, loss=log_loss)")
    assert type(made).__name__ == "SGDClassifier"
    assert (made.alpha, made.loss) == (0.01, "log_loss")
    assert build_value(Spec("sklearn.linear_model.SGDClassifier")) is not made
    pipeline = build_value(
        "sklearn.pipeline.Pipeline([[scale, sklearn.preprocessing.StandardScaler(with_mean=false)], "
        "[model, sklearn.linear_model.SGDClassifier], [last, 'sklearn is text']])"
    )
    (_, scale), (_, model), last = pipeline.steps
    assert scale.with_mean is False
    assert type(model) is type(made)
    assert last == ("last", "sklearn is text")


@pytest.fixture
def river(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package of river's name and form."""
    (tmp_path / "river").mkdir()
    (tmp_path / "river" / "__init__.py").write_text("")
    (tmp_path / "river" / "optim.py").write_text("class SGD:\n    def __init__(self, lr=0.01):\n        self.lr = lr\n")
    (tmp_path / "river" / "linear_model.py").write_text(
        "from pathlib import Path\n"
        "class LogisticRegression:\n"
        "    def __init__(self, optimizer=None, l2=0.0):\n"
        "        self.optimizer, self.l2 = optimizer, l2\n"
        "class _Hidden: pass\n"
        "def function(): pass\n"
    )
    for module in [name for name in sys.modules if name.split(".")[0] == "river"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for module in [name for name in sys.modules if name.split(".")[0] == "river"]:
        del sys.modules[module]


@pytest.mark.usefixtures("river")
def test_classes_of_river_are_made_with_those_that_their_values_name() -> None:
    made = build_value("river.linear_model.LogisticRegression(river.optim.SGD(0.5), l2=0.1)")
    assert (type(made).__name__, made.l2, made.optimizer.lr) == ("LogisticRegression", 0.1, 0.5)
    assert build_value("river.linear_model.LogisticRegression(optimizer='river.optim.SGD(lr=2)')").optimizer.lr == 2


@pytest.mark.usefixtures("river")
@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (
            "os.path.join(a)",
            "os.path.join: classes have dotted names in river and sklearn only; name a",
        ),
        ("subprocess.Popen(ls)", "own as module:Class, subprocess:Popen"),
        ("riverside.Model", "riverside.Model: classes have dotted names in river and sklearn only"),
        (
            "river.linear_model._Hidden",
            "_Hidden is not public; name a class without leading underscores",
        ),
        ("river._private.Model", "is not public"),
        ("river.linear_model.function", "river.linear_model has no class 'function'."),
        ("river.linear_model.Path", "river.linear_model has no class 'Path'."),
        ("river.linear_model.LogisticRegression.mro", "there is no module 'river.linear_model.LogisticRegression' to"),
        (
            "river.linear_model.LogisticRegresion",
            "'LogisticRegresion'. Did you mean 'LogisticRegression'?",
        ),
        ("river.lineal_model.LogisticRegression", "there is no module 'river.lineal_model' to import"),
        (
            "river.linear_model.LogisticRegression(optimiser=1)",
            "has no parameter 'optimiser'. Did you mean 'optimizer'?",
        ),
        (
            "river.linear_model.LogisticRegression(1, 2, 3)",
            "takes at most 2 values without a name, not 3.",
        ),
        (
            "river.linear_model.LogisticRegression(river.optim.SDG())",
            "has no class 'SDG'. Did you mean 'SGD'?",
        ),
        ("tredn", "no recommender is called 'tredn'. Did you mean 'trend'?"),
        ("river.optim.SGD(", "cannot read the recommender 'river.optim.SGD('"),
    ],
)
def test_what_a_nested_spec_cannot_name_is_said_with_the_way_out(typed: str, message: str) -> None:
    with pytest.raises(SpecError, match=re.escape(message)):
        build_value(typed)


@pytest.mark.parametrize(
    ("package", "typed", "way_out"),
    [
        (
            "river",
            "river.linear_model.LogisticRegression",
            'needs river, which is not installed: pip install "newsreplay[river]"',
        ),
        ("sklearn", "sklearn.svm.SVC", 'needs sklearn, which is not installed: pip install "newsreplay[sklearn]"'),
    ],
)
def test_without_river_or_scikit_learn_the_way_out_is_said(
    monkeypatch: pytest.MonkeyPatch, package: str, typed: str, way_out: str
) -> None:
    for module in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)

    class NotInstalled:
        @staticmethod
        def find_spec(name: str, *_: object) -> None:
            if name == package:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(sys, "meta_path", [NotInstalled, *sys.meta_path])
    with pytest.raises(SpecError, match=f"^{re.escape(typed)} {re.escape(way_out)}$"):
        build_value(typed)


# --- entry points -----------------------------------------------------------------------------------------


@pytest.fixture
def plug_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "mine": "tests.recommenders.test_registry:Mine",
        "gone": "nowhere_of_test:Mine",
        "trend": "tests.recommenders.test_registry:Mine",
    }

    def entry_points() -> EntryPoints:
        return EntryPoints(EntryPoint(name, value, "newsreplay.recommenders") for name, value in values.items())

    monkeypatch.setattr("newsreplay.plug_ins.entry_points", entry_points)


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
    rows = {name: text for name, _, text in describe(["mine", "gone"])}
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
    some = BUILT_IN["nrms"]._replace(target="neural.models.nrms:NRMS")
    monkeypatch.setitem(BUILT_IN, "some_nrms", some)
    way_out = 'some_nrms needs torch, which is not installed: pip install "newsreplay[neural]"'
    assert ("some_nrms", "", way_out) in describe()
    with pytest.raises(SpecError, match=re.escape(way_out)):
        find("some_nrms")
