"""Implicit MAML (Rajeswaran, Finn, Kakade & Levine, 2019): the gradient of where adapting ends, not of its path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from quickstudy import batching, tree
from quickstudy.core import Objective, QueryLoss, Task
from quickstudy.learners.gradient import Gradient
from quickstudy.outer.base import Estimator
from quickstudy.rules.rule import Weights


class Implicit(Estimator):
    """Takes the adapted weights φ for the minimum of the proximal inner loss, L(φ) + λ/2 |φ - θ|², whichever steps
    led there. By the implicit function theorem the gradient of θ is (I + H/λ)⁻¹ dQ/dφ, with H the Hessian of the
    support's loss L and Q the query's loss, solved by ``iterations`` of conjugate gradients. Slow weights that do not
    adapt, as of a net below an adapting head, get theirs by the same theorem, which is more than the paper has; those
    of a rule get none. As far as φ is no minimum, the gradient is not that of what was done: take more ``steps``, or a
    larger ``proximal``.
    """

    def __init__(self, *, iterations: int = 5, chunk: int | None = None) -> None:
        super().__init__(chunk=chunk)
        if iterations < 1:
            raise ValueError(f"conjugate gradients take at least one iteration, got {iterations}")
        self.iterations = iterations

    def check(self, module: nn.Module, objective: Objective) -> None:
        if not (isinstance(module, Gradient) and isinstance(objective, QueryLoss)):
            raise ValueError(
                f"implicit gradients are of a minimum that gradient descent finds, which {type(module).__name__} does "
                "not seek; use the estimator unroll"
            )
        if not module.proximal:
            raise ValueError(
                "implicit gradients need an inner loss with a proximal term: give the learner proximal=1.0"
            )

    def step(self, module: nn.Module, items: Any, objective: Objective, carry: Any) -> tuple[Tensor, list[Tensor], Any]:
        self.check(module, objective)
        loss, grads = batching.mean(
            module,
            lambda shell, group: through_the_minimum(shell, objective, group, self.iterations),
            items,
            chunk=self.chunk,
        )
        return loss, grads, carry


def through_the_minimum(module: Any, objective: Any, group: Task, iterations: int) -> batching.Part:
    """The sums of the query losses and of their gradients: those of the adapted weights are divided by the inner
    loss's Hessian and pulled back through its slopes to the slow weights."""
    with torch.no_grad():
        states = objective.adapt(module, group)
    weights = {name: w.detach().requires_grad_() for name, w in states.weights.items()}
    loss, above, sums = _scored(module, objective, module.settled(states, weights, group.support), weights, group)
    inner = module.support_losses(states, group.support)(weights).sum() / module.proximal  # L/λ + |φ - θ|²/2
    fast = list(weights.values())
    slopes = torch.autograd.grad(inner, fast, create_graph=True)

    def product(a: Tensor) -> Tensor:
        return _flat(torch.autograd.grad(slopes, fast, _shaped(a, fast), retain_graph=True))

    solved = _shaped(-conjugate_gradients(product, _flat(above), iterations), fast)
    batching.add(sums, torch.autograd.grad(slopes, batching.trainable(module), solved, allow_unused=True))
    return loss, list(sums)


def conjugate_gradients(product: Callable[[Tensor], Tensor], b: Tensor, iterations: int) -> Tensor:
    """(t, n) solutions x of A x = b, each with its own symmetric A near the identity; ``product``: (t, n) to A p.

    Where a direction curves downwards, A is not positive definite: that task keeps what it has, at first b.
    """
    x, r, p, size = torch.zeros_like(b), b, b, _square(b)
    for i in range(iterations):
        along = product(p)
        curve = (p * along).sum(1, keepdim=True)
        up = curve > 0
        rate = torch.where(up, size / curve, 0.0)
        x = x + rate * p if i else torch.where(up, rate * p, b)
        r = r - rate * along
        size, before = _square(r), size
        p = torch.where(up & (before > 0), r + size / before * p, 0.0)
    return x


def _scored(
    module: Any, objective: Any, states: Any, weights: Weights, group: Task
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """The sum of the query losses, its gradients for the adapted weights and, directly, for the slow ones."""
    loss, above, sums = batching.scored(module, objective, states, group)
    live = [leaf for leaf in tree.leaves(states) if leaf.requires_grad]
    wanted = [*weights.values(), *batching.trainable(module)]
    found = torch.autograd.grad(live, wanted, above, allow_unused=True)  # through statistics, if there are any
    batching.add(sums, found[len(weights) :])
    return loss, list(found[: len(weights)]), sums


def _square(a: Tensor) -> Tensor:
    return a.square().sum(1, keepdim=True)


def _flat(parts: Sequence[Tensor]) -> Tensor:
    """(t, n) from (t, ...) each."""
    return torch.cat([part.flatten(1) for part in parts], dim=1)


def _shaped(flat: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    pieces = flat.split([part[0].numel() for part in like], dim=1)
    return [piece.reshape(part.shape) for piece, part in zip(pieces, like, strict=True)]
