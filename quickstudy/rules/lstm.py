"""Learning to learn by gradient descent by gradient descent (Andrychowicz et al., 2016)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from quickstudy.nets import coordinates
from quickstudy.nets.coordinates import Carries, CoordinateLSTM, Kept
from quickstudy.rules.coordinatewise import Coordinatewise, log_and_sign, through_log_and_sign


class Lstm(Coordinatewise[Carries]):
    """w + scale · v h, where h is the output of a small LSTM that reads the preprocessed gradient of the coordinate.

    Untrained, it takes small steps against the sign of the gradient: one unit of each layer hands the last input on,
    and the output is minus it. Everything else starts as it is drawn.
    """

    def __init__(self, hidden: int, layers: int, *, scale: float, p: float | None, detached: bool) -> None:
        super().__init__(detached=detached)
        self.scale, self.p = scale, p
        inputs = 1 if p is None else 2
        self.net = CoordinateLSTM(inputs, hidden, layers)
        self.net.hand_on(inputs - 1)
        self.weight = nn.Parameter(torch.empty(1, hidden).uniform_(-0.01, 0.01))
        with torch.no_grad():
            self.weight[0, 0] = -1.0

    def first(self, row: Tensor) -> Carries:
        return self.net.start(row)

    def change(self, row: Tensor, memory: Carries) -> tuple[Tensor, Carries]:
        h, memory = self.net(self._read(row), memory)
        return self.scale * (self.weight @ h)[0], memory

    def keep(self, row: Tensor, memory: Carries) -> tuple[Tensor, Carries, Step]:
        """The same without a graph, and what ``Back`` needs."""
        h, memory, kept = self.net.keep(self._read(row), memory)
        return self.scale * (self.weight @ h)[0], memory, Step(row, h, kept)

    def _read(self, row: Tensor) -> Tensor:
        return row[None] if self.p is None else torch.stack(log_and_sign(row, self.p))


class Step(NamedTuple):
    """What the way back through a step needs."""

    row: Tensor  # (n,) the gradients
    h: Tensor  # (hidden, n)
    kept: list[Kept]


class Back:
    """Back through steps of the rule that were kept, the last first, under ``no_grad``; ``grads`` of its parameters."""

    def __init__(self, rule: Lstm) -> None:
        self.rule, self.net = rule, coordinates.Back(rule.net)
        self.grads = self.net.grads | {rule.weight: torch.zeros_like(rule.weight)}

    def step(self, step: Step, pull: Tensor) -> Tensor:
        """From the slopes (n,) of what is added to the coordinates, those of the gradients (n,)."""
        pull = self.rule.scale * pull
        self.grads[self.rule.weight].addmm_(pull[None], step.h.mT)
        dx = self.net.step(step.kept, self.rule.weight.mT * pull)
        return dx[0] if self.rule.p is None else through_log_and_sign(step.row, self.rule.p, *dx)


def lstm(
    hidden: int = 20, *, layers: int = 2, scale: float = 0.1, p: float | None = 10.0, detached: bool = True
) -> Lstm:
    """The paper's two layers of 20 units. ``scale``: of the steps; ``p``: of the preprocessing (10 in the paper, 5 in
    the authors' code), None for the bare gradient; ``detached``: whether gradients enter as constants, as published.

    Raises ValueError for numbers that are not positive.
    """
    if not (hidden >= 1 and layers >= 1 and scale > 0 and (p is None or p > 0)):
        raise ValueError(f"hidden, layers, scale and p are positive, got {hidden}, {layers}, {scale} and {p}")
    return Lstm(hidden, layers, scale=scale, p=p, detached=detached)
