"""Gradient descent, with momentum (Polyak, 1964; Nesterov, 1983 in the form of Sutskever et al., 2013)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from quickstudy.rules.rule import Rate, Rule, Weights, check_rate, count, decayed, per_weight


class SGD(Rule[tuple[()]]):
    """w - rate · gradient: one operation a weight, no memory."""

    def __init__(self, rate: Rate, *, weight_decay: float) -> None:
        super().__init__()
        self.rate = rate
        self.weight_decay = weight_decay

    def init(self, weights: Weights) -> tuple[()]:
        return ()

    def update(self, grads: Weights, memory: tuple[()], weights: Weights, loss: Tensor) -> tuple[Weights, tuple[()]]:
        grads = decayed(grads, weights, self.weight_decay)
        return _moved(weights, grads, self.rate), ()


class Velocity(NamedTuple):
    """The memory of momentum."""

    step: Tensor  # (), steps so far
    velocity: Weights


class Momentum(Rule[Velocity]):
    """w - rate · velocity, where velocity = momentum · velocity + (1 - dampening) · gradient.

    The first velocity is the gradient itself, without dampening, as in torch.
    """

    def __init__(self, rate: Rate, *, momentum: float, dampening: float, nesterov: bool, weight_decay: float) -> None:
        super().__init__()
        self.rate = rate
        self.momentum = momentum
        self.dampening = dampening
        self.nesterov = nesterov
        self.weight_decay = weight_decay

    def init(self, weights: Weights) -> Velocity:
        return Velocity(count(weights), {name: torch.zeros_like(w) for name, w in weights.items()})

    def update(self, grads: Weights, memory: Velocity, weights: Weights, loss: Tensor) -> tuple[Weights, Velocity]:
        grads = decayed(grads, weights, self.weight_decay)
        fresh = grads
        if self.dampening:
            share = 1 - self.dampening * memory.step.clamp_max(1)
            fresh = {name: share * grads[name] for name in weights}
        velocity = _sum(fresh, memory.velocity, self.momentum)
        along = _sum(grads, velocity, self.momentum) if self.nesterov else velocity
        return _moved(weights, along, self.rate), Velocity(memory.step + 1, velocity)


def sgd(
    rate: Rate = 0.01,
    *,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
) -> SGD | Momentum:
    """Equal to ``torch.optim.SGD``, step for step. ``rate``: one for all weights, or a mapping from prefixes of names
    to rates, of which the longest that fits is taken.

    Raises ValueError for a negative number, and for ``nesterov`` without momentum or with dampening.
    """
    check_rate(rate)
    if not (momentum >= 0 and weight_decay >= 0):
        raise ValueError(f"momentum and weight_decay are at least 0, got {momentum} and {weight_decay}")
    if nesterov and (momentum == 0 or dampening != 0):
        raise ValueError(f"nesterov needs a momentum and no dampening, got {momentum} and {dampening}")
    if momentum == 0:
        return SGD(rate, weight_decay=weight_decay)
    return Momentum(rate, momentum=momentum, dampening=dampening, nesterov=nesterov, weight_decay=weight_decay)


def _sum(a: Weights, b: Weights, factor: float) -> Weights:
    """a + factor · b."""
    return {name: torch.add(a[name], other, alpha=factor) for name, other in b.items()}


def _moved(weights: Weights, along: Weights, rate: Rate) -> Weights:
    """w - rate · along."""
    rates = per_weight(rate, weights)
    return {name: torch.sub(w, along[name], alpha=rates[name]) for name, w in weights.items()}
