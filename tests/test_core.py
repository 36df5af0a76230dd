from __future__ import annotations

import functools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from quickstudy import core, tree
from quickstudy.core import Examples, Learner
from quickstudy.learners.neighbours import Neighbours
from quickstudy.learners.prototypes import Prototypes


@given(st.lists(st.integers(0, 6), max_size=9))
def test_one_hot_equals_that_of_torch(labels):
    y = torch.tensor(labels, dtype=torch.int64)
    assert torch.equal(core.one_hot(y, 7, torch.int64), F.one_hot(y, 7))


def test_one_hot_of_padding_is_zeros_and_can_be_mapped():
    y = torch.tensor([[0, -1, 2], [1, 1, -1]])
    mapped = torch.func.vmap(lambda row: core.one_hot(row, 3))(y)
    assert mapped.tolist() == [[[1, 0, 0], [0, 0, 0], [0, 0, 1]], [[0, 1, 0], [0, 1, 0], [0, 0, 0]]]
    assert core.one_hot(y, 3, torch.float64).dtype == torch.float64
    assert core.one_hot(y, 3).dtype == torch.get_default_dtype()


def test_check_labels():
    core.check_labels(torch.tensor([0, 2, -1]), 3)
    core.check_labels(torch.tensor([], dtype=torch.int64), 3)
    for labels in ([0, 3], [-2, 1]):
        with pytest.raises(ValueError, match=r"labels run from .* 3 classes need 0..2 \(-1 for padding\)"):
            core.check_labels(torch.tensor(labels), 3)


def test_mask_unseen():
    logits = torch.tensor([[1.0, 2.0, 3.0]])
    assert core.mask_unseen(logits, torch.tensor([1.0, 0, 2])).tolist() == [[1, -torch.inf, 3]]
    assert core.mask_unseen(torch.full((1, 3), torch.nan), torch.zeros(3)).tolist() == [[0, 0, 0]]


def test_mask_unseen_sends_no_nan_backwards():
    logits = torch.tensor([[1.0, torch.nan, 3.0]], requires_grad=True)
    loss = core.cross_entropy(core.mask_unseen(logits, torch.tensor([1.0, 0, 2])), torch.tensor([2]))
    assert bool(torch.autograd.grad(loss, logits)[0].isfinite().all())


def test_cross_entropy_skips_padding():
    logits = torch.randn(4, 3)
    expected = -(logits[0].log_softmax(0)[2] + logits[3].log_softmax(0)[1]) / 2
    torch.testing.assert_close(core.cross_entropy(logits, torch.tensor([2, -1, -1, 1])), expected)


@pytest.mark.parametrize("learner", [Prototypes(nn.Flatten(), 4), Neighbours(nn.Flatten(), 4)])
def test_a_widened_state_keeps_what_it_knows_and_learns_the_new_class(learner, make_task):
    task = make_task(way=3, shape=(4,))
    state = core.widen(learner, learner.adapt(learner.init(3), task.support), 3, 4)
    fourth = Examples(10 + torch.rand(2, 4).double(), torch.tensor([3, 3]))
    said = learner.predict(learner.adapt(state, fourth), torch.cat([task.query.x, fourth.x]))
    whole = learner(tree.cat([task.support, fourth]), torch.cat([task.query.x, fourth.x]), 4)
    assert torch.equal(said, whole)
    assert said[-2:].argmax(1).tolist() == [3, 3]


def test_widening_by_nothing_changes_nothing_and_narrowing_is_refused(make_task):
    learner = Prototypes(nn.Flatten(), 4)
    state = learner.adapt(learner.init(3), make_task(way=3, shape=(4,)).support)
    assert all(map(torch.equal, core.widen(learner, state, 3, 3), state))
    with pytest.raises(ValueError, match=r"a state of 3 classes cannot be narrowed to 2; start from init\(2\)"):
        core.widen(learner, state, 3, 2)


def test_widening_fills_with_what_init_holds():
    class Halves(Prototypes):
        def init(self, way):
            return super().init(way)._replace(number=torch.full((way,), 0.5))

    learner = Halves(nn.Flatten(), 4)
    assert core.widen(learner, learner.init(2), 2, 4).number.tolist() == [0.5] * 4


def test_a_life_of_tasks_is_a_fold(make_task):
    learner = Prototypes(nn.Flatten(), 4)
    stream = [make_task(way=3, shape=(4,), seed=seed).support for seed in range(3)]
    state = functools.reduce(learner.adapt, stream, learner.init(3))
    torch.testing.assert_close(state, learner.adapt(learner.init(3), tree.cat(stream)))


def test_trace_says_what_it_thinks_before_the_label_comes(make_task):
    learner, support = Neighbours(nn.Flatten(), 4), make_task(way=3, shape=(4,)).support
    said = learner.trace(support, 3)
    for i in range(len(support.x)):
        before = tree.map(lambda leaf, i=i: leaf[:i], support)
        torch.testing.assert_close(said[i : i + 1], learner(before, support.x[i : i + 1], 3))


def test_the_objective_is_the_loss_on_the_query(make_task):
    learner, task = Prototypes(nn.Flatten(), 4), make_task(way=3, shape=(4,))
    expected = F.cross_entropy(learner(task.support, task.query.x, 3), task.query.y)
    torch.testing.assert_close(learner.objective(3)(learner, task), expected)
    squares = core.QueryLoss(3, lambda said, y: (said**2).sum() + y.sum())
    assert squares(learner, task) == (learner(task.support, task.query.x, 3) ** 2).sum() + task.query.y.sum()


def test_a_learner_must_say_how_it_learns():
    with pytest.raises(TypeError, match="abstract"):
        Learner()
