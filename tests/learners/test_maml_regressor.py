"""MAML for regression is gradient descent on squared error, and its meta-gradient goes through it."""

import pytest
import torch
import torch.nn.functional as F

from quickstudy import batching, checks, tree
from quickstudy.learners import maml_regressor
from quickstudy.tasks import sines


@pytest.fixture
def learner():
    return maml_regressor(widths=(6, 5), steps=2, test_steps=3, rate=0.05).double()


@pytest.fixture
def items():
    return tree.map(torch.Tensor.double, sines(5, 7).batch(range(4)))


def test_battery():
    checks.check_learner(maml_regressor(widths=(8, 8), steps=2, test_steps=2), sines(5, 6))


def test_defaults_are_those_of_the_authors():
    learner = maml_regressor()
    assert [tuple(w.shape) for w in learner.net.parameters()] == [(40, 1), (40,), (40, 40), (40,)]
    assert (learner.steps, learner.rule.rate) == (1, 0.001)


def by_hand(learner, task, steps):
    """The loss on the query, with nothing of the library: weights are leaves that are stepped in a loop."""
    names = ["blocks.1.0.weight", "blocks.1.0.bias", "blocks.2.0.weight", "blocks.2.0.bias"]
    weights = [dict(learner.net.named_parameters())[name] for name in names]
    weights += [learner.head.weight, learner.head.bias]

    def said(x, w):
        z = F.relu(F.linear(x, w[0], w[1]))
        return F.linear(F.relu(F.linear(z, w[2], w[3])), w[4], w[5])

    for _ in range(steps):
        loss = F.mse_loss(said(task.support.x, weights), task.support.y)
        slopes = torch.autograd.grad(loss, weights, create_graph=True)
        weights = [w - 0.05 * slope for w, slope in zip(weights, slopes, strict=True)]
    return F.mse_loss(said(task.query.x, weights), task.query.y)


@pytest.mark.parametrize("stacked", [True, False])
def test_loss_and_meta_gradient_are_those_of_the_definition(learner, items, stacked):
    learner.stacked = stacked
    loss, grads = batching.gradients(learner, learner.objective(1), items)
    expected = torch.stack([by_hand(learner, tree.index(items, i), 2) for i in range(4)]).mean()
    torch.testing.assert_close(loss, expected.detach())
    for grad, own in zip(grads, torch.autograd.grad(expected, list(learner.parameters())), strict=True):
        torch.testing.assert_close(grad, own)


def test_stacked_tasks_are_the_tasks_one_by_one(learner, items):
    assert learner.stacked
    for mode in (True, False):
        learner.train(mode)
        together = learner.adapt_all(items.support, 1)
        alone = tree.stack([learner.adapt(learner.init(1), tree.index(items.support, i)) for i in range(4)])
        for (name, a), (_, b) in zip(tree.items(together), tree.items(alone), strict=True):
            torch.testing.assert_close(a, b, msg=name)
        torch.testing.assert_close(
            learner.predict_all(together, items.query.x),
            torch.stack([learner.predict(tree.index(alone, i), items.query.x[i]) for i in range(4)]),
        )


def test_several_columns_of_y():
    learner = maml_regressor((3,), way=2)
    x, y = torch.randn(4, 3), torch.randn(4, 2)
    state = learner.adapt(learner.init(2), type(sines(1, 1)[0].support)(x, y))
    assert learner.predict(state, x).shape == (4, 2)
    before = F.mse_loss(learner.predict(learner.init(2), x), y)
    assert F.mse_loss(learner.predict(state, x), y) < before
