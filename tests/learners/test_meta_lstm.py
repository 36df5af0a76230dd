from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from quickstudy import batching, learners, tasks, tree
from quickstudy.checks.tools import cast


def test_its_meta_gradient_takes_gradients_and_losses_as_constants(pool):
    """A plain loop around the rule, with everything that enters it detached."""
    learner = learners.meta_lstm(pool.shape, way=3, width=4, steps=3, hidden=4, rate=0.1).double().train()
    items = cast(tasks.episodes(pool, 3, 2, 3).batch(range(2)))
    slow, total = batching.trainable(learner), 0
    start = dict(nn.ModuleDict({"net": learner.net, "head": learner.head}).named_parameters())

    def loss(weights, examples):
        net = {name[4:]: w for name, w in weights.items() if name.startswith("net.")}
        z = torch.func.functional_call(learner.net, net, (examples.x,))
        return F.cross_entropy(F.linear(z, weights["head.weight"], weights["head.bias"]), examples.y)

    for i in range(2):
        support, query = tree.index(items, i)
        weights, memory = start, learner.rule.init(start)
        for _ in range(3):
            here = {name: w.detach().requires_grad_() for name, w in weights.items()}
            value = loss(here, support)
            grads = dict(zip(here, torch.autograd.grad(value, list(here.values())), strict=True))
            weights, memory = learner.rule.update(grads, memory, weights, value.detach())
        total = total + loss(weights, query) / 2
    expected = torch.autograd.grad(total, slow)
    for chunk in (1, 2):
        value, grads = batching.gradients(learner, learner.objective(3), items, chunk=chunk)
        torch.testing.assert_close(value, total.detach(), rtol=1e-10, atol=1e-12)
        for a, b in zip(grads, expected, strict=True):
            assert float((a - b).abs().max()) < 1e-9 * max(float(g.abs().max()) for g in expected)
