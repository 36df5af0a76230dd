from __future__ import annotations

import torch
import torch.nn.functional as F

from quickstudy import batching, learners, tasks, tree
from quickstudy.checks.tools import cast


def test_it_equals_a_loop_over_the_head_alone_in_value_and_meta_gradient(pool):
    learner = learners.anil(pool.shape, way=3, width=4, steps=3, rate=0.2, normalization="batch").double().train()
    items = cast(tasks.episodes(pool, 3, 2, 3).batch(range(2)))
    slow, losses = batching.trainable(learner), []
    for i in range(2):
        support, query = tree.index(items, i)
        z, w, b = learner.net(support.x), learner.head.weight, learner.head.bias
        for _ in range(3):
            loss = F.cross_entropy(F.linear(z, w, b), support.y)
            by_w, by_b = torch.autograd.grad(loss, (w, b), create_graph=True)
            w, b = w - 0.2 * by_w, b - 0.2 * by_b
        losses.append(F.cross_entropy(F.linear(learner.net(query.x), w, b), query.y))
    expected = torch.autograd.grad(sum(losses) / 2, slow)
    loss, grads = batching.gradients(learner, learner.objective(3), items, chunk=2)
    torch.testing.assert_close(loss, (sum(losses) / 2).detach(), rtol=1e-10, atol=1e-12)
    for a, b in zip(grads, expected, strict=True):
        assert float((a - b).abs().max()) < 1e-9 * max(float(g.abs().max()) for g in expected)
