"""Specs are read as typed, shown in the parenthesised form, and read back from it."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from newsreplay.errors import SpecError
from newsreplay.spec import Spec, Value, parse_spec, parse_specs, whole


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
        ("every(hours=6)", "every(hours=6)"),
        ("'a,b'", "a,b"),
        ('"say ""yes"""', 'say "yes"'),
    ],
)
def test_a_value_has_the_type_it_looks_like(text: str, value: Value) -> None:
    ((_, read),) = parse_spec(f"a(b={text})").parameters
    assert (read, type(read)) == (value, type(value))


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
    ],
)
def test_commas_part_specs_unless_they_part_parameters(typed: str, specs: list[str]) -> None:
    assert [str(spec) for spec in parse_specs(typed)] == specs


@pytest.mark.parametrize("typed", ["", " ", ",", ", ,"])
def test_an_empty_list_says_where_the_names_are(typed: str) -> None:
    with pytest.raises(SpecError, match="no recommender named; 'newsreplay recommenders' lists them"):
        parse_specs(typed)


@pytest.mark.parametrize("typed", ["", "(a=1)", "a)", "a(b=1)c", "a=b", ")("])
def test_what_is_no_spec_is_refused(typed: str) -> None:
    with pytest.raises(SpecError, match="cannot read the recommender"):
        parse_spec(typed)


@pytest.mark.parametrize("typed", ["a:b=1,6", "a(b=1, 6)"])
def test_a_parameter_without_a_name_is_refused(typed: str) -> None:
    with pytest.raises(SpecError, match="is not parameter=value"):
        parse_spec(typed)


def test_a_parameter_given_twice_is_refused() -> None:
    with pytest.raises(SpecError, match=r"gives 'hours' twice"):
        parse_spec("trend(hours=2, hours=6)")


@pytest.mark.parametrize("value", [0, 2.0, True, "5", None])
def test_whole_refuses_what_is_no_whole_number_that_large(value: object) -> None:
    with pytest.raises(SpecError, match=f"size must be a whole number of at least 1, not {value!r}"):
        whole("size", value, 1)


NAMES = st.from_regex(r"[A-Za-z_][\w./-]{0,9}(:[A-Za-z_]\w{0,5})?", fullmatch=True)
PARAMETERS = st.from_regex(r"[A-Za-z_]\w{0,5}", fullmatch=True)
VALUES = st.one_of(
    st.integers(),
    st.floats(allow_nan=False),
    st.booleans(),
    st.none(),
    st.text(max_size=8),
    st.text("'\",()=:\\ \n", max_size=6),
    st.builds(
        "{}({}){}".format, st.text("ab.-1", max_size=2), st.text("a(=,:. )'-", max_size=5), st.text(" )", max_size=1)
    ),
    st.sampled_from(["true", "None", "inf", "Infinity", "nan", "-1", "1_000", "1e5", " x "]),
)
SPECS = st.builds(
    Spec, NAMES, st.lists(st.tuples(PARAMETERS, VALUES), max_size=3, unique_by=lambda pair: pair[0]).map(tuple)
)


@given(spec=SPECS)
def test_a_shown_spec_is_read_back_as_the_same(spec: Spec) -> None:
    assert repr(parse_spec(str(spec))) == repr(spec)
    assert str(parse_spec(str(spec))) == str(spec)


@given(specs=st.lists(SPECS, min_size=1, max_size=4))
def test_shown_specs_joined_by_commas_are_read_back_as_the_same(specs: list[Spec]) -> None:
    assert repr(parse_specs(",".join(map(str, specs)))) == repr(specs)


@given(typed=st.text("ab:(=),'\" 1\\", max_size=12))
@example("a(b=nan)")
def test_whatever_is_typed_is_refused_or_shown_so_that_it_reads_back(typed: str) -> None:
    try:
        spec = parse_spec(typed)
    except SpecError:
        return
    assert str(parse_spec(str(spec))) == str(spec)


def test_not_a_number_reads_back() -> None:
    ((_, value),) = parse_spec(str(Spec("a", (("b", math.nan),)))).parameters
    assert isinstance(value, float)
    assert math.isnan(value)
