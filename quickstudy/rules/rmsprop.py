"""RMSprop (Tieleman & Hinton, 2012): gradients divided by the root of the running mean of their squares."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from quickstudy.rules.rule import Rate, Rule, Weights, check_rate, decayed, per_weight, root


class Memory(NamedTuple):
    """Running means of squares; the velocities, or () without momentum."""

    square: Weights
    velocity: Weights | tuple[()]


class RMSprop(Rule[Memory]):
    """w - rate · velocity, where velocity = momentum · velocity + gradient / (√square + eps)."""

    def __init__(self, rate: Rate, *, alpha: float, eps: float, momentum: float, weight_decay: float) -> None:
        super().__init__()
        self.rate, self.alpha, self.eps = rate, alpha, eps
        self.momentum, self.weight_decay = momentum, weight_decay

    def init(self, weights: Weights) -> Memory:
        zeros = {name: torch.zeros_like(w) for name, w in weights.items()}
        return Memory(zeros, {name: torch.zeros_like(w) for name, w in weights.items()} if self.momentum else ())

    def update(self, grads: Weights, memory: Memory, weights: Weights, loss: Tensor) -> tuple[Weights, Memory]:
        grads = decayed(grads, weights, self.weight_decay)
        share = 1 - self.alpha
        square = {n: torch.addcmul(self.alpha * v, grads[n], grads[n], value=share) for n, v in memory.square.items()}
        along = {name: grads[name] / (root(v) + self.eps) for name, v in square.items()}
        if isinstance(memory.velocity, dict):
            along = {name: torch.add(along[name], v, alpha=self.momentum) for name, v in memory.velocity.items()}
        rates = per_weight(self.rate, weights)
        new = {name: torch.sub(w, along[name], alpha=rates[name]) for name, w in weights.items()}
        return new, Memory(square, along if self.momentum else ())


def rmsprop(
    rate: Rate = 0.01, *, alpha: float = 0.99, eps: float = 1e-8, momentum: float = 0.0, weight_decay: float = 0.0
) -> RMSprop:
    """Equal to ``torch.optim.RMSprop``, step for step. ``rate``: one for all weights, or a mapping from prefixes of
    names to rates, of which the longest that fits is taken; ``alpha``: what is kept of the mean at each step.

    Raises ValueError for a negative number, or an alpha above 1.
    """
    check_rate(rate)
    if not (0 <= alpha <= 1 and eps >= 0 and momentum >= 0 and weight_decay >= 0):
        raise ValueError(
            "alpha is between 0 and 1, eps, momentum and weight_decay are at least 0, got "
            f"{alpha}, {eps}, {momentum} and {weight_decay}"
        )
    return RMSprop(rate, alpha=alpha, eps=eps, momentum=momentum, weight_decay=weight_decay)
