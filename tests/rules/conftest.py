from __future__ import annotations

import pytest
import torch


@pytest.fixture
def weights():
    shapes = {"embed.0.weight": (3, 2), "embed.0.bias": (3,), "head.weight": (2, 3), "scale": ()}
    return {name: torch.randn(shape, dtype=torch.float64) for name, shape in shapes.items()}


@pytest.fixture
def follow():
    """Ten updates by a rule and by an optimizer, on a loss whose gradients change in size and sign."""

    def loss(weights):
        return sum((w.sin() * (i + 1)).sum() + w.square().sum() for i, w in enumerate(weights.values()))

    def run(rule, optimizer, weights):
        ours, memory = weights, rule.init(weights)
        theirs = {name: w.clone().requires_grad_() for name, w in weights.items()}
        torch_s = optimizer(theirs)
        for _ in range(10):
            grads, value = torch.func.grad_and_value(loss)(ours)
            ours, memory = rule.update(grads, memory, ours, value)
            torch_s.zero_grad()
            loss(theirs).backward()
            torch_s.step()
            for name, w in ours.items():
                torch.testing.assert_close(w, theirs[name].detach(), rtol=1e-12, atol=1e-12)

    return run
