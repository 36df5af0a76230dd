"""Rules that treat every coordinate alike: all elements of all weights in one row, and back."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TypeVar, final

import torch
from torch import Tensor

from quickstudy import tree
from quickstudy.rules.rule import Rule, Weights

S = TypeVar("S")
TOGETHER = 2**13  # coordinates whose work stays in a core's caches


class Coordinatewise(Rule[S]):
    """Adds to every coordinate what a small net makes of its gradients so far. All coordinates of all weights share
    the net, and each has a memory of its own, so that the rule serves weights of any number and shape, and also those
    of many problems, stacked: they are more coordinates.

    Where gradients enter as constants (``detached``, as published), nothing depends on where the weights are: descents
    can be gone back through without the losses, for some of the coordinates alone (``outer.Truncated``).
    """

    def __init__(self, *, detached: bool = True) -> None:
        super().__init__()
        self.detached = detached

    @abstractmethod
    def first(self, row: Tensor) -> S:
        """The memory before the first step of coordinates like this row (n,). A leaf has the coordinates along its
        last axis, or is one number for all."""

    @abstractmethod
    def change(self, row: Tensor, memory: S) -> tuple[Tensor, S]:
        """(n,) what is added to each coordinate, and the next memory, from the gradients (n,)."""

    @final
    def init(self, weights: Weights) -> S:
        return self.first(flat(weights))

    @final
    def update(self, grads: Weights, memory: S, weights: Weights, loss: Tensor) -> tuple[Weights, S]:
        row = flat(grads, weights)
        row = row.detach() if self.detached else row
        alone = torch.is_grad_enabled() or row.device.type != "cpu"  # a graph would be of many pieces
        row, memory = self.change(row, memory) if alone else self._in_parts(row, memory)
        steps = shaped(row, weights)
        return {name: w + steps[name] for name, w in weights.items()}, memory

    def _in_parts(self, row: Tensor, memory: S) -> tuple[Tensor, S]:
        """The same, some coordinates after others."""

        def part(start: int) -> tuple[Tensor, S]:
            some = slice(start, start + TOGETHER)
            return self.change(row[some], tree.map(lambda m: m[..., some] if m.dim() else m, memory))

        changes, memories = zip(*map(part, range(0, max(len(row), 1), TOGETHER)), strict=True)
        return torch.cat(changes), tree.map(lambda *m: torch.cat(m, -1) if m[0].dim() else m[0], *memories)


def flat(weights: Weights, like: Weights | None = None) -> Tensor:
    """(n,): every element of every weight, in the order of the names in ``like``, or in their own."""
    return torch.cat([weights[name].reshape(-1) for name in like or weights])


def shaped(row: Tensor, like: Weights) -> Weights:
    """The weights whose elements are this row (n,)."""
    parts = row.split([w.numel() for w in like.values()])
    return {name: part.reshape(w.shape) for (name, w), part in zip(like.items(), parts, strict=True)}


def log_and_sign(x: Tensor, p: float) -> tuple[Tensor, Tensor]:
    """(log|x| / p, sign x), or (-1, e^p x) where |x| < e^-p (Andrychowicz et al., 2016, appendix A). Both are within
    [-1, 1] for |x| up to e^p."""
    least = math.exp(-p)
    small = x.abs() < least
    size = torch.where(small, -1.0, x.abs().clamp_min(least).log() / p)  # clamped: its slope at 0 would be nan
    return size, torch.where(small, math.exp(p) * x, x.sign())


def through_log_and_sign(x: Tensor, p: float, to_size: Tensor, to_sign: Tensor) -> Tensor:
    """The slope of x from those of its two parts."""
    least = math.exp(-p)
    small = x.abs() < least
    return torch.where(small, math.exp(p) * to_sign, to_size / (p * torch.where(small, least, x)))
