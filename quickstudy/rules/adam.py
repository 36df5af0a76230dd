"""Adam (Kingma & Ba, 2015) and, with ``decoupled``, AdamW (Loshchilov & Hutter, 2019), differentiable everywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.optim.adam import adam as fused

from quickstudy.rules.rule import Rate, Rule, Weights, check_rate, count, decayed, per_weight, root

CLEARED = 64  # steps, after which means that have come to nothing are cleared


class Moments(NamedTuple):
    """Running means of the gradients and of their squares."""

    step: Tensor  # (), steps so far
    mean: Weights
    square: Weights


class Adam(Rule[Moments]):
    """w - rate · m / (√v + eps) with both moments corrected for their start at zero.

    Where every gradient so far was exactly 0, the derivative of the step by the gradient is what the formula has with
    |g| taken to be flat there: finite, but of the order of 1 / eps.
    """

    def __init__(
        self, rate: Rate, *, betas: tuple[float, float], eps: float, weight_decay: float, decoupled: bool
    ) -> None:
        super().__init__()
        self.rate = rate
        self.betas = betas
        self.eps = eps
        self.weight_decay = weight_decay
        self.decoupled = decoupled

    def extra_repr(self) -> str:
        return ", ".join(
            f"{name}={getattr(self, name)}" for name in ("rate", "betas", "eps", "weight_decay", "decoupled")
        )

    def init(self, weights: Weights) -> Moments:
        mean, square = ({name: torch.zeros_like(w) for name, w in weights.items()} for _ in range(2))
        return Moments(count(weights), mean, square)

    def update(self, grads: Weights, memory: Moments, weights: Weights, loss: Tensor) -> tuple[Weights, Moments]:
        shrink = self.weight_decay if self.decoupled else 0.0
        grads = grads if self.decoupled else decayed(grads, weights, self.weight_decay)
        moments = self._moments(grads, memory)
        one, two = (_correction(beta, moments.step) for beta in self.betas)
        spread, new = two.sqrt(), {}
        for name, rate in per_weight(self.rate, weights).items():
            kept = weights[name] * (1 - rate * shrink) if shrink else weights[name]
            new[name] = kept - rate / one * moments.mean[name] / (root(moments.square[name]) / spread + self.eps)
        return new, moments

    def move(self, grads: Weights, memory: Moments, weights: Weights, loss: Tensor) -> Moments:
        """By torch's fused kernel, which goes along memory: all that belongs to a weight has to lie as it does."""
        if isinstance(self.rate, Mapping):
            return super().move(grads, memory, weights, loss)
        steps, w = [memory.step.clone() for _ in weights], list(weights.values())
        g, mean, square = (
            [_laid(part[name], weight) for name, weight in weights.items()]
            for part in (grads, memory.mean, memory.square)
        )
        with torch.no_grad():
            fused(
                w,
                g,
                mean,
                square,
                [],
                steps,
                fused=True,
                decoupled_weight_decay=self.decoupled,
                amsgrad=False,
                beta1=self.betas[0],
                beta2=self.betas[1],
                lr=self.rate,
                weight_decay=self.weight_decay,
                eps=self.eps,
                maximize=False,
            )
        if memory.step.device.type == "cpu" and not steps[0] % CLEARED:
            _clear(mean)
        return Moments(steps[0], dict(zip(weights, mean, strict=True)), dict(zip(weights, square, strict=True)))

    def _moments(self, grads: Weights, memory: Moments) -> Moments:
        a, b = self.betas
        mean = {name: torch.add(a * m, grads[name], alpha=1 - a) for name, m in memory.mean.items()}
        square = {
            name: torch.addcmul(b * v, grads[name], grads[name], value=1 - b) for name, v in memory.square.items()
        }
        return Moments(memory.step + 1, mean, square)


def adam(
    rate: Rate = 1e-3,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
) -> Adam:
    """Equal to ``torch.optim.Adam``, step for step, or to ``AdamW`` if ``decoupled``. ``rate``: one for all weights,
    or a mapping from prefixes of names to rates, of which the longest that fits is taken.

    Raises ValueError for a negative number or a beta outside [0, 1).
    """
    check_rate(rate)
    if not (eps >= 0 and weight_decay >= 0):
        raise ValueError(f"eps and weight_decay are at least 0, got {eps} and {weight_decay}")
    if not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"betas are at least 0 and below 1, got {betas}")
    return Adam(rate, betas=betas, eps=eps, weight_decay=weight_decay, decoupled=decoupled)


def _laid(values: Tensor, like: Tensor) -> Tensor:
    """The values as like lies in memory; themselves where they do."""
    return values if values.stride() == like.stride() else torch.empty_like(like).copy_(values)


def _clear(means: Sequence[Tensor]) -> None:
    """Sets to 0 what is on its way to the smallest numbers, where gradients have stopped, as under pixels gone dark.

    A mean would stay at some of those numbers for ever (0.9 of the smallest is rounded to the smallest), and a CPU is
    slow on them. They change no weight.
    """
    for mean in means:
        mean.masked_fill_(mean.abs() < torch.finfo(mean.dtype).tiny * 1e8, 0)


def _correction(beta: float, step: Tensor) -> Tensor:
    """1 - beta^step. ``expm1``, because in float32 the plain form loses half its digits at 0.999."""
    return -torch.expm1(step * (math.log(beta) if beta else -math.inf))
