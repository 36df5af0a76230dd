from __future__ import annotations

import pytest
import torch

from quickstudy import tree
from quickstudy.core import Examples, cross_entropy
from quickstudy.learners.gradient import Gradient
from quickstudy.nets.heads import Fresh
from quickstudy.outer import Reptile
from quickstudy.rules import adam, meta_sgd, sgd


@pytest.mark.parametrize("rule", [sgd(0.2), adam(0.01, betas=(0.0, 0.999))], ids=["sgd", "adam"])
def test_the_gradient_is_the_distance_to_the_adapted_weights(rule, make, items):
    learner = make(rule, batch=4, steps=5)
    loss, grads, _ = Reptile().step(learner, items, learner.objective(3), ())
    names = [name for name, _ in learner.named_parameters()]
    far, losses = dict.fromkeys(names, 0.0), []
    for task in (tree.index(items, i) for i in range(5)):
        both = Examples(*(torch.cat(parts) for parts in zip(task.support, task.query, strict=True)))
        with torch.no_grad():
            state = learner.adapt(learner.init(3), both)
            losses.append(cross_entropy(learner.predict(state, task.query.x), task.query.y))
            far = {name: far[name] + (w - state.weights[name]) / 5 for name, w in learner.named_parameters()}
    torch.testing.assert_close(loss, torch.stack(losses).mean(), rtol=1e-12, atol=0)
    for grad, name in zip(grads, names, strict=True):
        torch.testing.assert_close(grad, far[name].detach(), rtol=1e-9, atol=1e-14)


def test_a_step_of_rate_1_goes_to_the_mean_of_the_adapted_weights(make, items):
    learner = make()
    _, grads, _ = Reptile().step(learner, items, learner.objective(3), ())
    with torch.no_grad():
        both = tree.map(lambda a, b: torch.cat([a, b], 1), items.support, items.query)
        ends = learner.adapt_all(both, 3).weights
        for (name, weight), grad in zip(learner.named_parameters(), grads, strict=True):
            torch.testing.assert_close(weight - grad, ends[name].mean(0), rtol=1e-9, atol=1e-14)


def test_one_step_of_descent_is_joint_training(make, items):
    learner = make(sgd(0.3), steps=1)
    _, grads, _ = Reptile().step(learner, items, learner.objective(3), ())
    head = {"weight": learner.head.weight, "bias": learner.head.bias}
    x, y = (torch.cat(parts, 1) for parts in zip(items.support, items.query, strict=True))
    joint = torch.stack([cross_entropy(learner.head(learner.net(x[i]), head), y[i]) for i in range(5)]).mean()
    for grad, theirs in zip(grads, torch.autograd.grad(joint, list(learner.parameters())), strict=True):
        torch.testing.assert_close(grad, 0.3 * theirs, rtol=1e-9, atol=1e-14)


def test_what_does_not_adapt_stays(make, items):
    learner = make(meta_sgd(make().init(3).weights, 0.3), only=("net", "head"))
    grads = dict(zip([name for name, _ in learner.named_parameters()], _grads(learner, items), strict=True))
    assert all(bool(grad.any()) == (not name.startswith("rule")) for name, grad in grads.items())
    learner = make(only=("head",))
    assert [bool(grad.any()) for grad in _grads(learner, items)] == [False] * (len(grads) // 2 - 2) + [True, True]


def test_a_state_that_starts_without_slow_weights_is_refused(net, items):
    learner = Gradient(net, Fresh(4), sgd(0.3), steps=1, only=("head",)).double()
    with pytest.raises(ValueError, match="no weight of Gradient is in the state it starts from"):
        _grads(learner, items)
    with pytest.raises(ValueError, match="its loss on the query"):
        Reptile().step(learner, items, lambda module, task: torch.zeros(()), ())


def _grads(learner, items):
    return Reptile().step(learner, items, learner.objective(3), ())[1]
