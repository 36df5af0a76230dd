from __future__ import annotations

import torch
from torch import nn
from torch.func import functional_call

from quickstudy import tree
from quickstudy.core import cross_entropy
from quickstudy.outer import FirstOrder, Unroll
from quickstudy.rules import adam, meta_sgd, sgd


def close(grads, theirs):
    for a, b in zip(grads, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-14)


def plain(learner) -> nn.Module:
    """The learner's net and head as PyTorch has them."""
    last = nn.Linear(4, 3).double()
    last.load_state_dict(learner.head.state_dict())
    return nn.Sequential(learner.net, last)


def written_out(module, task, rate, steps):
    """The definition: descend, then take the query's gradient where that has led."""
    weights = {name: w.detach().clone().requires_grad_() for name, w in module.named_parameters()}
    for _ in range(steps):
        loss = cross_entropy(functional_call(module, weights, (task.support.x,)), task.support.y)
        grads = torch.autograd.grad(loss, list(weights.values()))
        moved = zip(weights.items(), grads, strict=True)
        weights = {name: (w - rate * grad).detach().requires_grad_() for (name, w), grad in moved}
    loss = cross_entropy(functional_call(module, weights, (task.query.x,)), task.query.y)
    return loss.detach(), torch.autograd.grad(loss, list(weights.values()))


def test_with_gradient_descent_it_is_the_querys_gradient_at_the_adapted_weights(make, items):
    learner = make(sgd(0.3))
    module = plain(learner)
    each = [written_out(module, tree.index(items, i), 0.3, 3) for i in range(5)]
    loss, grads, carry = FirstOrder().step(learner, items, learner.objective(3), ())
    assert carry == ()
    torch.testing.assert_close(loss, torch.stack([value for value, _ in each]).mean(), rtol=1e-12, atol=0)
    close(grads, [torch.stack(parts).mean(0) for parts in zip(*(theirs for _, theirs in each), strict=True)])


def test_learned_rates_learn(make, items):
    """One step: d loss / d rate = -(gradient inside) ∘ (query's gradient at the adapted weights)."""
    first = make()
    learner = make(meta_sgd(first.init(3).weights, 0.3), steps=1)
    learner.head.load_state_dict(first.head.state_dict())
    module = plain(learner)
    names = [name for name, _ in learner.named_parameters()]
    found = dict(zip(names, FirstOrder().step(learner, items, learner.objective(3), ())[1], strict=True))
    sums = [torch.zeros_like(w) for w in module.parameters()]
    for task in (tree.index(items, i) for i in range(5)):
        inside = torch.autograd.grad(cross_entropy(module(task.support.x), task.support.y), list(module.parameters()))
        _, above = written_out(module, task, 0.3, 1)
        sums = [total - a * b / 5 for total, a, b in zip(sums, inside, above, strict=True)]
    rates = [found[f"rule.rate/{name.replace('.', '/')}"] for name in learner.init(3).weights]
    close(rates, sums)


def test_a_net_that_stays_learns_from_the_query_alone(make, items):
    learner = make(only=("head",), steps=1)
    _, grads, _ = FirstOrder().step(learner, items, learner.objective(3), ())
    total = torch.zeros(())
    for task in (tree.index(items, i) for i in range(5)):
        with torch.no_grad():
            held = {name: w.clone() for name, w in learner.adapt(learner.init(3), task.support).weights.items()}
        said = learner.head(learner.net(task.query.x), {"weight": held["head.weight"], "bias": held["head.bias"]})
        total = total + cross_entropy(said, task.query.y) / 5
    close(grads[:-2], torch.autograd.grad(total, list(learner.net.parameters())))


def test_it_is_the_first_order_and_no_other(make, items):
    for rule in (sgd(0.3), adam(0.05)):
        learner = make(rule)
        ours, exact = (e.step(learner, items, learner.objective(3), ()) for e in (FirstOrder(), Unroll()))
        torch.testing.assert_close(ours[0], exact[0], rtol=1e-12, atol=0)
        assert max(float((a - b).abs().max()) for a, b in zip(ours[1], exact[1], strict=True)) > 1e-3
