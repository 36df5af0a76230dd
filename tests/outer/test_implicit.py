from __future__ import annotations

import pytest
import torch
from torch import nn

from quickstudy import batching, tree
from quickstudy.core import Examples, Task, cross_entropy
from quickstudy.learners.gradient import Gradient
from quickstudy.nets.heads import Fresh, Learned
from quickstudy.nets.norm import norm
from quickstudy.outer import Implicit, Unroll
from quickstudy.outer.implicit import conjugate_gradients
from quickstudy.rules import sgd

FAR = {"steps": 80, "proximal": 2.0}  # to the minimum, to rounding


def ridge(theta, x, y, strength):
    """The minimum of |x w - y|² / (n k) + strength/2 |w - theta|²; theta: (d, k)."""
    n, k = y.shape
    hessian = 2 / (n * k) * x.T @ x + strength * torch.eye(x.shape[1]).double()
    return torch.linalg.solve(hessian, 2 / (n * k) * x.T @ y + strength * theta)


@pytest.mark.parametrize("strength", [0.5, 2.0])
def test_linear_regression_has_a_closed_form(strength):
    head = Learned(3, 2)
    options = {"steps": 150, "values": True, "proximal": strength}
    learner = Gradient(nn.Identity(), head, sgd(0.2), **options).double()
    support, query = (Examples(torch.randn(4, n, 3).double(), torch.randn(4, n, 2).double()) for n in (5, 7))
    theta = torch.cat([head.weight.detach().T, head.bias.detach()[None]]).requires_grad_()
    losses = []
    for i in range(4):
        seen, asked = (torch.cat([part.x[i], torch.ones(len(part.x[i]), 1)], 1) for part in (support, query))
        losses.append((asked @ ridge(theta, seen, support.y[i], strength) - query.y[i]).square().mean())
    expected = torch.stack(losses).mean()
    (theirs,) = torch.autograd.grad(expected, theta)
    loss, grads, carry = Implicit(iterations=8).step(learner, Task(support, query), learner.objective(2), ())
    assert carry == ()
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-9, atol=0)
    torch.testing.assert_close(grads[0], theirs[:-1].T, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(grads[1], theirs[-1], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("only", [("net", "head"), ("head",), ("net",)], ids="+".join)
def test_at_the_minimum_it_is_the_exact_gradient(only, make, items):
    learner = make(sgd(0.2), only=only, **FAR)
    _same(*_both(learner, items))


def test_it_is_the_slope_of_the_converged_problem(make, items):
    learner = make(sgd(0.2), **FAR)
    objective = learner.objective(3)
    _, grads, _ = Implicit(iterations=60).step(learner, items, objective, ())
    for weight, grad in zip(batching.trainable(learner), grads, strict=True):
        line = torch.randn_like(weight)
        values = []
        for by in (1e-5, -1e-5):
            with torch.no_grad():
                kept = weight.clone()
                weight += by * line
                values.append(objective.score(learner, objective.adapt(learner, items), items).mean())
                weight.copy_(kept)
        slope = float(values[0] - values[1]) / 2e-5
        assert slope == pytest.approx(float((grad * line).sum()), rel=1e-6, abs=1e-9)


def test_a_fresh_head_is_pulled_to_zero_and_the_net_still_learns(net, items):
    learner = Gradient(net, Fresh(4), sgd(0.2), only=("head",), **FAR).double()
    _same(*_both(learner, items))


def test_normalization_by_the_support_counts(items):
    net = nn.Sequential(nn.Linear(3, 4), norm("support", 4), nn.Tanh())
    learner = Gradient(net, Learned(4, 3), sgd(0.05), steps=120, proximal=10.0).double()
    assert learner.init(3).statistics
    _same(*_both(learner, items))


def test_few_iterations_come_near(make, items):
    learner = make(sgd(0.2), **FAR)
    exact = _both(learner, items)[1]
    far = [
        sum(float((a - b).square().sum()) for a, b in zip(_implicit(learner, items, n), exact, strict=True))
        for n in (1, 3, 9)
    ]
    assert far[0] > 5 * far[1] > 25 * far[2]


def test_each_task_has_its_own_equations():
    a = torch.randn(3, 6, 6).double()
    a = torch.eye(6).double() + a @ a.mT / 6
    b = torch.randn(3, 6).double()
    b[1] = 0
    solved = conjugate_gradients(lambda p: (a @ p[..., None])[..., 0], b, 20)
    torch.testing.assert_close(solved, torch.linalg.solve(a, b), rtol=1e-9, atol=1e-12)


def test_a_direction_that_curves_downwards_is_not_taken():
    a = torch.tensor([[2.0, -1.0], [-1.0, -1.0], [2.0, 3.0]]).double()  # diagonals
    b = torch.tensor([[1.0, 0.1], [1.0, 2.0], [1.0, 1.0]]).double()
    solved = conjugate_gradients(lambda p: a * p, b, 9)
    assert torch.equal(solved[1], b[1])
    assert bool(solved[0].isfinite().all())
    assert float((solved[0] * b[0]).sum()) > 0
    torch.testing.assert_close(solved[2], b[2] / a[2])


def test_the_pull_is_to_the_slow_weights_wherever_adapting_begins(make, items):
    learner = make(sgd(0.2), **FAR)
    task = tree.index(items, 0)
    once = learner.adapt(learner.init(3), task.support)
    again = learner.adapt(once, task.support)
    for name, weight in once.weights.items():
        torch.testing.assert_close(again.weights[name], weight, rtol=1e-6, atol=1e-8)
    free = make(sgd(0.2), steps=80).adapt(learner.init(3), task.support)
    start = learner.init(3).weights
    assert _far(once.weights, start) < 0.5 * _far(free.weights, start)


def test_the_inner_loss_is_that_of_the_support_and_the_pull(make, items):
    learner = make(proximal=3.0, steps=1)
    start, states = learner.init(3), learner.adapt_all(items.support, 3)
    values = learner.support_losses(states, items.support)(states.weights)
    for i in range(5):
        state, task = tree.index(states, i), tree.index(items, i)
        said = learner.predict(state, task.support.x)
        pull = sum((state.weights[name] - w).square().sum() for name, w in start.weights.items())
        expected = cross_entropy(said, task.support.y) + 1.5 * pull
        torch.testing.assert_close(values[i], expected, rtol=1e-12, atol=0)
        torch.testing.assert_close(learner.support_loss(state, task.support)(state.weights), expected)


def test_what_has_no_minimum_is_refused(make, items):
    learner = make()
    with pytest.raises(ValueError, match=r"give the learner proximal=1\.0"):
        Implicit().step(learner, items, learner.objective(3), ())
    with pytest.raises(ValueError, match="at least one iteration"):
        Implicit(iterations=0)
    with pytest.raises(ValueError, match="proximal is at least 0"):
        make(proximal=-1.0)


def _implicit(learner, items, iterations):
    return Implicit(iterations=iterations).step(learner, items, learner.objective(3), ())[1]


def _both(learner, items):
    """Without knowledge of the path, and along all of it."""
    return _implicit(learner, items, 60), Unroll().step(learner, items, learner.objective(3), ())[1]


def _same(grads, theirs):
    for a, b in zip(grads, theirs, strict=True):
        assert bool(b.any())
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)


def _far(a, b):
    return sum(float((a[name] - w).detach().square().sum()) for name, w in b.items())
