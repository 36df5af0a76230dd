from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from quickstudy import learners, tasks
from quickstudy.checks.tools import cast


def test_it_is_one_step_with_a_rate_for_every_element(pool):
    learner = learners.meta_sgd(pool.shape, way=3, width=4, rate=0.07, normalization="group").double()
    for rate in learner.rule.parameters():
        torch.testing.assert_close(rate, torch.full_like(rate, 0.07), rtol=1e-6, atol=0)
        nn.init.normal_(rate, std=0.1)
    support = cast(tasks.episodes(pool, 3, 2, 3)[0]).support
    weights = dict(nn.ModuleDict({"net": learner.net, "head": learner.head}).named_parameters())
    logits = F.linear(learner.net(support.x), learner.head.weight, learner.head.bias)
    grads = torch.autograd.grad(F.cross_entropy(logits, support.y), list(weights.values()))
    state = learner.adapt(learner.init(3), support)
    assert state.weights.keys() == weights.keys()
    for (name, w), grad in zip(weights.items(), grads, strict=True):
        rate = dict(learner.rule.named_parameters())["rate/" + name.replace(".", "/")]
        torch.testing.assert_close(state.weights[name], w - rate * grad)
