from __future__ import annotations

import pytest

from quickstudy import rules
from quickstudy.rules.rule import per_weight

NAMES = ["embed.blocks.0.weight", "embed.blocks.01.weight", "embed.blocks", "head.weight", "header.weight"]


def test_one_rate_is_that_of_all():
    assert per_weight(0.1, NAMES) == dict.fromkeys(NAMES, 0.1)


def test_the_longest_prefix_on_dot_boundaries_wins():
    rates = {"": 1.0, "embed": 2.0, "embed.blocks.0": 3.0, "head": 4.0, "embed.blocks.0.weig": 5.0}
    assert list(per_weight(rates, NAMES).values()) == [3.0, 2.0, 2.0, 4.0, 1.0]


def test_a_whole_name_is_a_prefix():
    assert per_weight({"head.weight": 2.0, "head": 1.0}, ["head.weight", "head.bias"]) == {
        "head.weight": 2.0,
        "head.bias": 1.0,
    }


def test_a_weight_without_a_rate_is_named():
    with pytest.raises(ValueError, match=r"no rate for the weight 'header\.weight'.*'embed', 'head'"):
        per_weight({"embed": 1.0, "head": 2.0}, NAMES)


@pytest.mark.parametrize("make", [rules.sgd, rules.adam, lambda rate: rules.meta_sgd({}, rate)])
@pytest.mark.parametrize(
    ("rate", "says"),
    [
        (-0.1, "at least 0, got -0.1"),
        (float("nan"), "at least 0"),
        ({"head": -1.0}, "got -1.0 for 'head'"),
        ({"head.": 1.0}, "'head', got 'head.'"),
    ],
)
def test_a_wrong_rate_is_named(make, rate, says):
    with pytest.raises(ValueError, match=says):
        make(rate)
