"""In-context learning (Garg et al., 2022): a causal transformer reads examples and answers, and no weight changes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from quickstudy.core import (
    Examples,
    Learner,
    Objective,
    TraceLoss,
    cross_entropy,
    one_hot,
    squared_error,
)
from quickstudy.nets.causal import Past
from quickstudy.nets.transformer import Transformer


class Prompt(NamedTuple):
    """What was read so far, as keys and values of every layer: two steps an example."""

    past: Past


class InContext(Learner[Prompt]):
    """Slow: the transformer, and what takes x and y to its steps and its outputs to answers. Fast: keys and values.

    The prompt is x1, y1, x2, y2, ...; the answer to x stands where x does, before its y. The objective is the loss on
    every y of a stream. ``values`` regresses; classes are numbers rather than names, so that one may be answered that
    no example had.
    """

    ordered = True
    padded = False

    def __init__(self, net: Transformer, inputs: int, width: int, *, way: int, values: bool) -> None:
        super().__init__()
        self.net = net
        self.of_x, self.of_y, self.head = nn.Linear(inputs, width), nn.Linear(way, width), nn.Linear(width, way)
        self.way, self.values = way, values

    def init(self, way: int) -> Prompt:
        if way != self.way:
            what = "columns of y" if self.values else "classes"
            raise ValueError(f"this learner reads and answers {self.way} {what}, not {way}; train it with way {way}")
        return Prompt(self.net.start(self.head.weight))

    def adapt(self, state: Prompt, support: Examples) -> Prompt:
        return Prompt(self.net.read(self._steps(support), state.past)[1])

    def predict(self, state: Prompt, x: Tensor) -> Tensor:
        return self.head(self.net.ask(self.of_x(x), state.past))

    def trace(self, support: Examples, way: int) -> Tensor:
        self.init(way)  # refuses another way
        return self.head(self.net(self._steps(support))[..., ::2, :])

    def adapt_all(self, support: Examples, way: int) -> Prompt:
        self.init(way)
        steps = self._steps(support)
        return Prompt(self.net.read(steps, self.net.start(steps))[1])

    def predict_all(self, states: Prompt, x: Tensor) -> Tensor:
        return self.predict(states, x)

    def trace_all(self, support: Examples, way: int) -> Tensor:
        return self.trace(support, way)

    def objective(self, way: int) -> Objective:
        return TraceLoss(way, squared_error if self.values else cross_entropy)

    def _steps(self, support: Examples) -> Tensor:
        """(..., 2n, width) of the examples (..., n, inputs)."""
        if self.values:
            y = support.y.masked_fill(support.y.isnan(), 0.0)
        else:
            y = one_hot(support.y, self.way, support.x.dtype)
        return torch.stack([self.of_x(support.x), self.of_y(y)], -2).flatten(-3, -2)


def in_context(
    features: int = 5,
    *,
    way: int = 1,
    values: bool = True,
    length: int = 11,
    width: int = 64,
    layers: int = 3,
    heads: int = 2,
) -> InContext:
    """The paper's smallest for so many ``features``: three layers of 64, streams of at most ``length`` examples.

    ``way`` counts the columns of y, or, without ``values``, the classes.
    """
    net = Transformer(width, layers=layers, heads=heads, length=2 * length)
    return InContext(net, features, width, way=way, values=values)
