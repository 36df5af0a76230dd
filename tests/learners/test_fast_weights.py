"""By the sum rule the answers are linear attention over the labels; by the delta rule the last label stands."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from quickstudy.core import Examples, one_hot
from quickstudy.learners.fast_weights import FastWeights


def made(rule, **options):
    return FastWeights(nn.Identity(), 6, keys=5, rule=rule, feature_map="dpfp-1", **options).double()


def test_the_sum_rule_is_linear_attention_over_the_labels(make_task):
    task = make_task(way=3, shot=2, query=3, shape=(6,))
    learner = made("sum", scale=7.0)
    keys, queries = (learner.map(learner.keys(part.x)) for part in task)
    expected = 7.0 * (queries @ keys.T) @ one_hot(task.support.y, 3).double()
    torch.testing.assert_close(learner(task.support, task.query.x, 3), expected, rtol=1e-6, atol=1e-6)
    assert not learner.ordered


def test_an_example_that_writes_in_full_has_the_last_word():
    learner, x = made("delta", scale=1.0), torch.randn(1, 6).double()
    with torch.no_grad():
        learner.strength.weight.zero_()
        learner.strength.bias.fill_(50.0)
    support = Examples(torch.cat([x, x]), torch.tensor([0, 1]))
    said = learner(support, x, 2)
    torch.testing.assert_close(said, torch.tensor([[0.0, 1.0]]).double(), rtol=1e-6, atol=1e-6)
    assert learner.ordered


def test_padding_writes_nothing(make_task):
    task = make_task(way=3, shot=2, query=3, shape=(6,))
    empty = Examples(torch.cat([task.query.x, task.support.x]), torch.cat([task.query.y * 0 - 1, task.support.y]))
    for rule in ("sum", "delta"):
        learner = made(rule)
        torch.testing.assert_close(learner(empty, task.query.x, 3), learner(task.support, task.query.x, 3))


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="no rule is called 'hebb'; choose sum or delta"):
        made("hebb")
