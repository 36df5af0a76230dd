"""What a rule is, and the rates of single layers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

S = TypeVar("S")
Weights = dict[str, Tensor]  # by name, such as "embed.blocks.0.0.weight"
Rate = float | Mapping[str, float]  # one for all, or by prefix of the name


class Rule(nn.Module, ABC, Generic[S]):
    """Turns gradients into the next weights, with a memory from step to step.

    Written for ONE task. Every leaf of the memory is a tensor and nothing asks a tensor for its value, so that ``vmap``
    can map ``init`` and ``update`` over tasks. A rule that is learned has parameters, as any module.

    ``detached`` says that gradients and loss enter as constants: no derivative goes back through them. All else is
    differentiable: by the weights, the memory and the rule's own parameters, and, unless ``detached``, by the
    gradients and the loss.
    """

    detached: bool = False

    @abstractmethod
    def init(self, weights: Weights) -> S:
        """The memory before the first step: a tree whose leaves are tensors; () for none."""

    @abstractmethod
    def update(self, grads: Weights, memory: S, weights: Weights, loss: Tensor) -> tuple[Weights, S]:
        """The next weights (not increments) and the next memory, from the loss (a scalar) at the weights and its
        gradients by the same names. What it was given stays as it was."""

    def update_all(self, grads: Weights, memory: S, weights: Weights, loss: Tensor) -> tuple[Weights, S]:
        """``update`` of every task of a stacked batch; for rules that have a faster way to the same."""
        new: tuple[Weights, S] = torch.func.vmap(self.update)(grads, memory, weights, loss)
        return new

    def move(self, grads: Weights, memory: S, weights: Weights, loss: Tensor) -> S:
        """``update`` in place, where nobody differentiates through it: weights and memory are overwritten."""
        new, memory = self.update(grads, memory, weights, loss)
        torch._foreach_copy_(list(weights.values()), [new[name] for name in weights])
        return memory


def per_weight(rate: Rate, names: Iterable[str]) -> dict[str, float]:
    """The rate of each weight: that of the longest prefix of its name, on dot boundaries; "" fits every name.

    Raises ValueError for a name that no prefix fits.
    """
    if not isinstance(rate, Mapping):
        return dict.fromkeys(names, rate)
    return {name: rate[_longest(rate, name)] for name in names}


def _longest(prefixes: Mapping[str, float], name: str) -> str:
    prefix = name
    while prefix and prefix not in prefixes:
        prefix = prefix.rpartition(".")[0]
    if prefix not in prefixes:
        raise ValueError(f'no rate for the weight {name!r}; the prefixes are {sorted(prefixes)} ("" fits every weight)')
    return prefix


def check_rate(rate: Rate) -> Rate:
    """The rate as it is. Raises ValueError for a negative one, and for a prefix that ends in a dot."""
    each = rate if isinstance(rate, Mapping) else {"": rate}
    for prefix, value in each.items():
        if prefix.endswith("."):
            raise ValueError(f"prefixes are given without the last dot: {prefix.rstrip('.')!r}, got {prefix!r}")
        if not value >= 0:
            raise ValueError(f"a rate is at least 0, got {value}{f' for {prefix!r}' if prefix else ''}")
    return rate


def decayed(grads: Weights, weights: Weights, decay: float) -> Weights:
    """The gradients with those of ½ decay · Σ w² added."""
    return {name: torch.add(grads[name], w, alpha=decay) for name, w in weights.items()} if decay else grads


def count(weights: Weights) -> Tensor:
    """0 steps, as a scalar like the weights: an integer would make what is computed from it float32."""
    return next(iter(weights.values()), torch.empty(0)).new_zeros(())


def root(square: Tensor) -> Tensor:
    """The square root, with the derivative 0 at 0. The plain one has infinity there, and infinity times the 0 of the
    gradient's square is nan (torchopt issue 26); the inner ``where`` keeps it out of the backward pass."""
    some = square > 0
    return torch.where(some, torch.where(some, square, 1.0).sqrt(), 0.0)
