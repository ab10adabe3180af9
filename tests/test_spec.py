"""Specs are read as typed, shown in the parenthesised form, and read back from it."""

from __future__ import annotations

import contextlib
import math
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from newsreplay.errors import SpecError
from newsreplay.spec import Spec, Value, check_names, parse_names, parse_spec, parse_specs, whole


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("trend", "trend"),
        (" trend ", "trend"),
        ("trend()", "trend"),
        ("trend(hours=12)", "trend(hours=12)"),
        ("trend( hours = 12 )", "trend(hours=12)"),
        ("circular:size=500", "circular(size=500)"),
        ("random:hours=6,seed=2", "random(hours=6, seed=2)"),
        ("mine.py:Mine", "mine.py:Mine"),
        ("mine.py:Mine(depth=3)", "mine.py:Mine(depth=3)"),
        ("mine.py:Mine:depth=3", "mine.py:Mine(depth=3)"),
        ("a(b=TRUE,c=none)", "a(b=True, c=None)"),
        ("a(b=fast)", "a(b=fast)"),
        ("a(b='fast')", "a(b=fast)"),
        ("a(b='two words')", "a(b='two words')"),
        ("a(b='12')", "a(b='12')"),
        ("a(b='true')", "a(b='true')"),
        ("a(b='inf')", "a(b='inf')"),
        ("a(b=http://host/x?y)", "a(b='http://host/x?y')"),
        ("a(b='C:\\new')", "a(b='C:\\new')"),
        ("a(b='it''s')", 'a(b="it\'s")'),
        ("nrms(update=every(hours=6))", "nrms(update=every(hours=6))"),
        ("nrms( update = every(hours=6, k=2) , seed=1)", "nrms(update=every(hours=6, k=2), seed=1)"),
        ("nrms:update=every(hours=6),seed=1", "nrms(update=every(hours=6), seed=1)"),
        ("a(b='every()')", "a(b=every())"),
        ("a(b='f(g(x))')", "a(b='f(g(x))')"),
        ("a(b='f(x) ')", "a(b='f(x) ')"),
        ("a(b='f(\"x\")')", "a(b='f(\"x\")')"),
        ("nrms(update=every( hours = 06 ))", "nrms(update=every( hours = 06 ))"),
        ("trend(hours=[1,2])", "trend(hours=[1, 2])"),
        ("trend:hours=[1,2]", "trend(hours=[1, 2])"),
        ("a(b=[ ])", "a(b=[])"),
        ("a(b=[1, 2, ])", "a(b=[1, 2])"),
        ("a(b=[[1],[],x,'y z',true])", "a(b=[[1], [], x, 'y z', True])"),
        ("a(b=[f(x=1, y=2),popular])", "a(b=[f(x=1, y=2), popular])"),
        ("a(b='[1]')", "a(b='[1]')"),
        ("a(b=x[1])", "a(b='x[1]')"),
        ("a(b=f(x=[1,2]))", "a(b='f(x=[1,2])')"),
        ("rerank(trend(hours=6), popular, top=50)", "rerank(trend(hours=6), popular, top=50)"),
        ("rerank( 'trend(hours=6)' ,3,[1,2] )", "rerank(trend(hours=6), 3, [1, 2])"),
        ("a(f(g(x)))", "a('f(g(x))')"),
        ("a('x=1')", "a('x=1')"),
        ("a('')", "a('')"),
        ("replayed(file.arrow)", "replayed(file.arrow)"),
        ("replayed(runs/a-b/file.arrow)", "replayed('runs/a-b/file.arrow')"),
        ('"trend"', "trend"),
        ('"http://host:8080/x?y=1"', "'http://host:8080/x?y=1'"),
        ('"http://host:8080/x?y=1"(timeout=5)', "'http://host:8080/x?y=1'(timeout=5)"),
        ('"http://host:8080/x?y=1":timeout=5,tries=2', "'http://host:8080/x?y=1'(timeout=5, tries=2)"),
        ("http://host:8080/x(timeout=5)", "http://host:8080/x(timeout=5)"),
        ('"stdin:node it\'s.js --k=3" (k=1)', '"stdin:node it\'s.js --k=3"(k=1)'),
        ("'my files, (all)/mine.py:Mine'", "'my files, (all)/mine.py:Mine'"),
        ("it's.py:Mine", "it's.py:Mine"),
    ],
)
def test_a_spec_is_shown_in_the_parenthesised_form(typed: str, shown: str) -> None:
    assert str(parse_spec(typed)) == shown


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-1", -1),
        ("0.5", 0.5),
        ("1e3", 1000.0),
        ("true", True),
        ("False", False),
        ("None", None),
        ("word", "word"),
        ("'12'", "12"),
        ("", ""),
        ("(1,2)", "(1,2)"),
        ("[]", ()),
        ("[1, 2.5, true, none, x, '1']", (1, 2.5, True, None, "x", "1")),
        ("[[1], ['[2]', [3]]]", ((1,), ("[2]", (3,)))),
        ("[trend(hours=6), 'a,b']", ("trend(hours=6)", "a,b")),
        ("x]", "x]"),
        ("runs[1]/x", "runs[1]/x"),
        ("every(hours=6)", "every(hours=6)"),
        ("'a,b'", "a,b"),
        ('"say ""yes"""', 'say "yes"'),
    ],
)
def test_a_value_has_the_type_it_looks_like(text: str, value: Value) -> None:
    ((_, read),) = parse_spec(f"a(b={text})").parameters
    assert (read, type(read)) == (value, type(value))
    assert repr(read) == repr(value)


def test_values_without_a_name_come_first_and_may_be_any_number() -> None:
    spec = parse_spec("rerank(trend(hours=6), popular, [1, 2], top=50)")
    assert spec == Spec("rerank", (("top", 50),), ("trend(hours=6)", "popular", (1, 2)))
    assert hash(spec) == hash(parse_spec(str(spec)))
    assert parse_spec("replayed(runs/a-b/file.arrow)").positional == ("runs/a-b/file.arrow",)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ('"http://host:8080/x?y=1"(timeout=5)', "http://host:8080/x?y=1"),
        ("'stdin:java -jar \"a b.jar\"'", 'stdin:java -jar "a b.jar"'),
        ("'it''s (mine).py:Mine'", "it's (mine).py:Mine"),
        ("' a'", " a"),
    ],
)
def test_a_name_in_quotes_may_hold_anything(typed: str, name: str) -> None:
    assert parse_spec(typed).name == name


@pytest.mark.parametrize(
    ("typed", "specs"),
    [
        ("trend,recency", ["trend", "recency"]),
        (" trend , recency ,", ["trend", "recency"]),
        ("trend(hours=2),circular:size=500", ["trend(hours=2)", "circular(size=500)"]),
        ("circular:size=500,trend", ["circular(size=500)", "trend"]),
        ("random:hours=6,seed=2,trend:hours=2", ["random(hours=6, seed=2)", "trend(hours=2)"]),
        ("a(b='x,y',c=1),d", ["a(b='x,y', c=1)", "d"]),
        ("mine.py:Mine,other:Class(n=1)", ["mine.py:Mine", "other:Class(n=1)"]),
        ("nrms:size=tiny,update=every(hours=6),trend", ["nrms(size=tiny, update=every(hours=6))", "trend"]),
        ("nrms(update=every(hours=6, k=1)),naml:k=f(1)", ["nrms(update=every(hours=6, k=1))", "naml(k=f(1))"]),
        ("trend:hours=[1,2],recency", ["trend(hours=[1, 2])", "recency"]),
        ("rerank(trend, popular),a([[1,2],3])", ["rerank(trend, popular)", "a([[1, 2], 3])"]),
        ('"http://host/x?y=1,2"(k=1),trend', ["'http://host/x?y=1,2'(k=1)", "trend"]),
    ],
)
def test_commas_part_specs_unless_they_part_parameters(typed: str, specs: list[str]) -> None:
    assert [str(spec) for spec in parse_specs(typed)] == specs


@pytest.mark.parametrize("typed", ["", " ", ",", ", ,"])
def test_an_empty_list_says_where_the_names_are(typed: str) -> None:
    with pytest.raises(SpecError, match="no recommender named; 'newsreplay recommenders' lists them"):
        parse_specs(typed)


@pytest.mark.parametrize(
    "typed",
    ["", "(a=1)", "a)", "a(b=1)c", "a=b", ")(", "a(", "''", "'a", "'a'b", "'a'(b", "'a':6", "http://host/x?y=1"],
)
def test_what_is_no_spec_is_refused(typed: str) -> None:
    with pytest.raises(SpecError, match="cannot read the recommender"):
        parse_spec(typed)


@pytest.mark.parametrize("typed", ["a:b=1,6", "a(b=1, 6)", "a(1, b=1, c)"])
def test_a_value_without_a_name_behind_a_named_one_is_refused(typed: str) -> None:
    with pytest.raises(SpecError, match="is not parameter=value; values without a name come first"):
        parse_spec(typed)


@pytest.mark.parametrize("typed", ["a(=6)", "a(2b=6)", "a(http://h/x?y=1)", "a(b)c)", "a(b)c(d)", "a('b)", "a([b=1])"])
def test_a_value_that_could_be_mistaken_is_refused(typed: str) -> None:
    with pytest.raises(SpecError, match="write parameter=value, and text that holds = or brackets in quotes"):
        parse_spec(typed)


@pytest.mark.parametrize(
    "text", ["[", "[1", "[1]2", "[1][2]", "[1]]", "[,]", "[1,,2]", "[,1]", "[(]", "['a]", "[" * 9999]
)
def test_a_list_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match=r"cannot read the list .*; write \[1, 2\]"):
        parse_spec(f"a(b={text})")


def test_lists_are_no_deeper_than_can_be_read() -> None:
    deep = f"a(b={'[' * 20}{']' * 20})"
    assert str(parse_spec(deep)) == deep
    with pytest.raises(SpecError, match="cannot read the list"):
        parse_spec(f"a(b={'[' * 2000}{']' * 2000})")


def test_a_parameter_given_twice_is_refused() -> None:
    with pytest.raises(SpecError, match=r"gives 'hours' twice"):
        parse_spec("trend(hours=2, hours=6)")


@pytest.mark.parametrize("value", [0, 2.0, True, "5", None])
def test_whole_refuses_what_is_no_whole_number_that_large(value: object) -> None:
    with pytest.raises(SpecError, match=f"size must be a whole number of at least 1, not {value!r}"):
        whole("size", value, 1)


NAMES = st.from_regex(r"[A-Za-z_][\w./-]{0,9}(:[A-Za-z_]\w{0,5})?", fullmatch=True)
QUOTED_NAMES = st.one_of(
    st.text(min_size=1, max_size=8),
    st.text("'\",()=:[]\\ \n", min_size=1, max_size=6),
    st.sampled_from(["http://host:8080/x?y=1,2", "stdin:node 'a b.js' --k=(3)", " a", "é:日本"]),
)
PARAMETERS = st.from_regex(r"[A-Za-z_]\w{0,5}", fullmatch=True)
NESTED = st.builds("{}({}={}, [{}])".format, NAMES, PARAMETERS, st.integers(), st.text("a'(,", max_size=3))
ATOMS = st.one_of(
    st.integers(),
    st.floats(allow_nan=False),
    st.booleans(),
    st.none(),
    st.text(max_size=8),
    st.text("'\",()=:[]\\ \n", max_size=6),
    st.builds(
        "{}({}){}".format, st.text("ab.-1", max_size=2), st.text("a(=,:. )'-", max_size=5), st.text(" )", max_size=1)
    ),
    NESTED,
    st.sampled_from(["true", "None", "inf", "Infinity", "nan", "-1", "1_000", "1e5", " x ", "[]", "[1, 2]"]),
)
VALUES = st.recursive(ATOMS, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=5)


def specs_named(names: st.SearchStrategy[str]) -> st.SearchStrategy[Spec]:
    parameters = st.lists(st.tuples(PARAMETERS, VALUES), max_size=3, unique_by=lambda pair: pair[0])
    return st.builds(Spec, names, parameters.map(tuple), st.lists(VALUES, max_size=2).map(tuple))


SPECS = specs_named(NAMES)


@given(spec=specs_named(NAMES | QUOTED_NAMES))
def test_a_shown_spec_is_read_back_as_the_same(spec: Spec) -> None:
    assert repr(parse_spec(str(spec))) == repr(spec)
    assert parse_spec(str(spec)) == spec
    assert str(parse_spec(str(spec))) == str(spec)


@given(specs=st.lists(SPECS, min_size=1, max_size=4))
def test_shown_specs_joined_by_commas_are_read_back_as_the_same(specs: list[Spec]) -> None:
    assert repr(parse_specs(",".join(map(str, specs)))) == repr(specs)


@given(spec=SPECS)
def test_a_shown_spec_is_read_back_from_a_value_of_another(spec: Spec) -> None:
    outer = Spec("outer", (("inner", str(spec)),), (str(spec), (str(spec),)))
    read = parse_spec(str(outer))
    assert [parse_spec(text) for text in (read.positional[0], read.positional[1][0], read.parameters[0][1])] == [
        spec
    ] * 3


@given(typed=st.text("ab:(=),'\" 1\\[]", max_size=12) | st.text(max_size=12).map("a({})".format))
@example("a(b=nan)")
def test_whatever_is_typed_is_refused_or_shown_so_that_it_reads_back(typed: str) -> None:
    try:
        spec = parse_spec(typed)
    except SpecError:
        return
    assert str(parse_spec(str(spec))) == str(spec)


@given(typed=st.text("ab:(=),'\" 1\\[]", max_size=12) | st.text(max_size=12))
def test_whatever_is_typed_as_a_list_or_as_names_is_read_or_refused(typed: str) -> None:
    for parse in (parse_specs, parse_names):
        with contextlib.suppress(SpecError):
            assert all(parse(typed))


def test_not_a_number_reads_back() -> None:
    ((_, value),) = parse_spec(str(Spec("a", (("b", math.nan),)))).parameters
    assert isinstance(value, float)
    assert math.isnan(value)


# --- display names ----------------------------------------------------------------------------------------


def test_display_names_belong_to_specs_however_these_are_typed() -> None:
    typed = "trend( hours=6 )=Trend, circular:size=500 = 'Buffer, large',popular=Most read (all),\"http://h/?a=1\"=Web"
    assert parse_names(typed) == {
        "trend(hours=6)": "Trend",
        "circular(size=500)": "Buffer, large",
        "popular": "Most read (all)",
        "'http://h/?a=1'": "Web",
    }
    assert parse_names("") == {}


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("trend", "'trend' is not SPEC=NAME; write \"trend(hours=6)=Trend,popular='Most read'\""),
        ("trend(hours=6)", "'trend(hours=6)' is not SPEC=NAME"),
        ("trend=", "'trend=' is not SPEC=NAME"),
        ("trend=''", "is not SPEC=NAME"),
        ("=Trend", "'=Trend' is not SPEC=NAME"),
        ("trend=T,popular", "'popular' is not SPEC=NAME"),
        ("trend=A=B", "cannot read the recommender 'trend=A'"),
        ("circular:size=5=A,circular(size=5)=B", "circular(size=5) is given two names, 'A' and 'B'; give it one"),
        ("trend=A,popular=A", "two recommenders are named 'A'; give each a name of its own"),
    ],
)
def test_display_names_that_cannot_be_read_are_refused(typed: str, message: str) -> None:
    with pytest.raises(SpecError, match=re.escape(message)):
        parse_names(typed)


def test_display_names_are_of_recommenders_that_are_there_and_of_one_each() -> None:
    there = ["trend", "popular", "trend"]
    check_names({}, there)
    check_names({"trend": "Trend"}, there)
    check_names({"trend": "popular", "popular": "trend"}, there)
    with pytest.raises(SpecError, match=r"no recommender 'tren' to name 'Trend'; there are trend, popular$"):
        check_names({"tren": "Trend"}, there)
    with pytest.raises(SpecError, match="trend cannot be named 'popular', another recommender is called so"):
        check_names({"trend": "popular"}, there)
