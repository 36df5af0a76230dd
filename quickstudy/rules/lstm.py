"""Learning to learn by gradient descent by gradient descent (Andrychowicz et al., 2016)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from quickstudy.nets.coordinates import Carries, CoordinateLSTM
from quickstudy.rules.coordinatewise import Coordinatewise, log_and_sign


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
        x = row[None] if self.p is None else torch.stack(log_and_sign(row, self.p))
        h, memory = self.net(x, memory)
        return self.scale * (self.weight @ h)[0], memory


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
