import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_type_hints

import numpy as np
import pytest
from torch import nn

from quickstudy import learners, optimizers
from quickstudy.estimator.recipe import READERS, reader
from quickstudy.experiment import Experiment
from quickstudy.kinds import check_fields, check_options, fits, worded
from quickstudy.lives import Lifelong

TAKING_OPTIONS = [
    *(getattr(learners, name) for name in [*learners.__all__, *learners.AROUND]),
    *optimizers.LEARNED.values(),
    *READERS.values(),
]


@pytest.mark.parametrize(
    ("kind", "allowed", "refused"),
    [
        (int, [0, -3, np.int64(2)], [2.5, True, "2", None, [1]]),
        (float, [0, -3, 2.5, np.float32(1)], [True, "2", None]),
        (bool, [True], [1, "true"]),
        (str, ["", "a"], [1, None, ["a"]]),
        (int | None, [1, None], ["a", 0.5]),
        (Literal["a", "b"], ["a"], ["c", 1]),
        (tuple[int, ...], [(1, 2), [1], ()], [1, "12", [1.5], [None]]),
        (Sequence[str], [["a"], ()], ["a", [1]]),
        (Mapping[str, float], [{"a": 1}, {}], [1, {"a": "b"}, ["a"]]),
        (float | Mapping[str, float], [1, {"a": 0.5}], ["a"]),
        (Any, [1, "a", None], []),
    ],
    ids=str,
)
def test_what_an_annotation_allows(kind, allowed, refused):
    assert all(fits(value, kind) for value in allowed)
    assert not any(fits(value, kind) for value in refused)


def test_kinds_in_words():
    assert worded(int | None) == "a whole number or null"
    assert worded(tuple[float, ...]) == "a list, each a number"
    assert worded(Mapping[str, float]) == "an object, each a number"
    assert worded(Literal["a", "b"]) == "'a' or 'b'"
    assert worded(Experiment) == "Experiment"


@pytest.mark.parametrize("make", TAKING_OPTIONS, ids=lambda make: make.__name__)
def test_every_default_is_what_its_annotation_allows(make):
    defaults = {name: one.default for name, one in inspect.signature(make).parameters.items()}
    options = {name: value for name, value in defaults.items() if value is not inspect.Parameter.empty}
    check_options(make, options)
    assert {*options} <= {*get_type_hints(make.__init__ if inspect.isclass(make) else make)}


def test_an_option_of_a_reader_of_another_kind_is_named():
    with pytest.raises(ValueError, match=r"^bandwidth is a number, got 'x'$"):
        reader("density", nn.Identity(), 3, {"bandwidth": "x"})


def test_an_option_of_another_kind_is_named():
    with pytest.raises(ValueError, match=r"^steps is a whole number, got 2\.5$"):
        check_options(learners.maml, {"steps": 2.5})
    check_options(learners.maml, {"no such option": 1})


@pytest.mark.parametrize("make", [Experiment, Lifelong, optimizers.Training])
def test_defaults_of_what_is_asked_fit(make):
    check_fields(make())


def test_a_field_of_another_kind_is_named():
    @dataclass
    class Asked:
        widths: tuple[int, ...]

    with pytest.raises(TypeError, match=r"^widths is a list, each a whole number, got \('x',\)$"):
        check_fields(Asked(("x",)))
