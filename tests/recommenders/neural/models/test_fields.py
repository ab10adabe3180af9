"""The columns in which models are told things: by name, and what happens where a name is none."""

from __future__ import annotations

import pickle
from copy import deepcopy
from dataclasses import FrozenInstanceError

import pytest
import torch

from newsreplay.recommenders.neural.models.fields import (
    ABSTRACT,
    CATEGORY,
    ENTITIES,
    ID,
    Columns,
    Contents,
    NameVectors,
    Number,
    Vector,
    fact_of,
)

CONTENTS = Contents({"title": torch.tensor([[0, 0], [3, 4], [5, 0]]), "category": torch.tensor([0, 7, 8])})
SIGNALS = Columns(("clicks", "age"), torch.tensor([[[7.0, 2.0], [0.0, 1.0]]]))


def test_contents_are_attributes_by_field() -> None:
    assert len(CONTENTS) == 3
    assert CONTENTS.title is CONTENTS.columns["title"]
    assert CONTENTS.category.tolist() == [0, 7, 8]


def test_a_field_that_a_model_does_not_declare_is_named() -> None:
    with pytest.raises(AttributeError, match="contents have no 'abstract'; the model's `fields` must name it"):
        _ = CONTENTS.abstract
    assert not hasattr(CONTENTS, "abstract")


def test_contents_are_changed_into_others_only() -> None:
    other = CONTENTS.replaced(category=torch.tensor([0, 1, 1]))
    assert (other.category.tolist(), CONTENTS.category.tolist()) == ([0, 1, 1], [0, 7, 8])
    assert other.title is CONTENTS.title
    doubled = CONTENTS.each(lambda column: 2 * column)
    assert doubled.title.tolist() == [[0, 0], [6, 8], [10, 0]]
    assert doubled.category.tolist() == [0, 14, 16]
    with pytest.raises(FrozenInstanceError):
        CONTENTS.columns = {}  # type: ignore[misc]


def test_columns_are_the_numbers_of_one_name() -> None:
    assert SIGNALS.clicks.tolist() == [[7, 0]]
    assert SIGNALS.age.tolist() == [[2, 1]]
    assert SIGNALS.each(lambda values: values + 1).age.tolist() == [[3, 2]]


def test_a_column_that_a_model_does_not_declare_is_named() -> None:
    for columns in (SIGNALS, Columns((), torch.zeros(2, 0))):
        with pytest.raises(AttributeError, match="no column is called 'exposure'; the model must declare it"):
            _ = columns.exposure


def test_both_can_be_copied_and_pickled() -> None:
    for kept in (deepcopy(CONTENTS), pickle.loads(pickle.dumps(CONTENTS))):
        assert torch.equal(kept.title, CONTENTS.title)
    for signals in (deepcopy(SIGNALS), pickle.loads(pickle.dumps(SIGNALS))):
        assert signals.names == SIGNALS.names
        assert torch.equal(signals.values, SIGNALS.values)


def test_a_field_is_made_of_the_fact_of_its_name_or_the_one_that_it_names() -> None:
    fields = (ABSTRACT, CATEGORY, ENTITIES, ID, Number("length"), NameVectors("transe", "entities"), Vector("image"))
    facts = ["abstract", "category", "entities", "id", "length", "entities", None]
    assert [fact_of(field) for field in fields] == facts
