"""A rule at work on a module: its weights in place, at a rate that falls along the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from quickstudy import tree
from quickstudy.rules.adam import adam
from quickstudy.rules.rule import Rule
from quickstudy.rules.sgd import sgd


def half_cosine(done: float) -> float:
    """From 1 to 0 as the share of the steps that is done goes from 0 to 1."""
    return (1 + math.cos(math.pi * done)) / 2


OPTIMIZERS: dict[str, tuple[Callable[[float], Rule[Any]], Callable[[float], float]]] = {
    "adam": (adam, half_cosine),
    "adam-constant": (adam, lambda done: 1.0),
    "sgd": (sgd, lambda done: 1 - done),
}  # with how the rate falls, by the share of the steps that is done


class Applied:
    """The rule of that name, and its memory, for the weights of a module that are learned.

    It is what ``torch.optim`` would do, whose optimizers load the compiler when they are made: seconds.
    Raises ValueError where no rule is called so.
    """

    def __init__(self, module: nn.Module, name: str = "adam", *, rate: float) -> None:
        if name not in OPTIMIZERS:
            raise ValueError(f"no outer optimizer is called {name!r}; there are {', '.join(OPTIMIZERS)}")
        self.make, self.falling = OPTIMIZERS[name]
        self.first = rate
        self.weights = {name: w.detach() for name, w in module.named_parameters() if w.requires_grad}
        self.memory = self.make(rate).init(self.weights)

    def rate(self, done: float) -> float:
        """That of a step before which this share of the steps is done."""
        return self.first * self.falling(done)

    def step(self, grads: Iterable[Tensor], done: float, loss: Tensor) -> None:
        """Moves the weights by gradients in the order of ``module.parameters()``."""
        named = dict(zip(self.weights, grads, strict=True))
        self.memory = self.make(self.rate(done)).move(named, self.memory, self.weights, loss)

    def restore(self, values: Mapping[str, Tensor]) -> None:
        """Goes on with the memory whose ``tree.items`` these were, each leaf laid out as the weight it is for. Raises
        KeyError for a missing one."""
        tree.map(lambda own, value: own.copy_(value), self.memory, tree.restore(self.memory, dict(values)))
