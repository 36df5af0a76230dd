"""RNNProp (Lv, Jiang & Li, 2017): an LSTM that reads gradients in units of their own size, and takes bounded steps."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from quickstudy.nets.coordinates import Carries, CoordinateLSTM
from quickstudy.rules import moments
from quickstudy.rules.coordinatewise import Coordinatewise
from quickstudy.rules.moments import Moments

BETA = 0.95  # of both moments, as published


class Memory(NamedTuple):
    """What is kept of each coordinate."""

    moments: Moments
    carries: Carries


class RNNProp(Coordinatewise[Memory]):
    """w + scale · tanh(v h), where h is the output of an LSTM that reads g / √v and m / √v through a layer of ELUs: how
    large gradients are does not matter, and no step is longer than ``scale``.

    Untrained, it takes small steps against the mean gradient, which one unit of each layer hands on.
    """

    def __init__(self, hidden: int, layers: int, *, scale: float, detached: bool) -> None:
        super().__init__(detached=detached)
        self.scale = scale
        self.reader = nn.Linear(2, hidden)
        self.net = CoordinateLSTM(hidden, hidden, layers)
        self.net.hand_on(0)
        self.weight = nn.Parameter(torch.empty(1, hidden).uniform_(-0.01, 0.01))
        with torch.no_grad():
            self.reader.weight[0] = torch.tensor([0.1, 0.9])
            self.reader.bias[0] = 0.0
            self.weight[0, 0] = -1.0

    def first(self, row: Tensor) -> Memory:
        return Memory(moments.none(row, 1), self.net.start(row))

    def change(self, row: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        fresh, mean, kept = moments.after(row, memory.moments, (BETA,), BETA)
        x = torch.addmm(self.reader.bias[:, None], self.reader.weight, torch.cat([fresh[None], mean]))
        h, carries = self.net(nn.functional.elu(x), memory.carries)
        return self.scale * (self.weight @ h)[0].tanh(), Memory(kept, carries)


def rnnprop(hidden: int = 20, *, layers: int = 2, scale: float = 0.1, detached: bool = True) -> RNNProp:
    """The paper's two layers of 20 units, behind a layer of 20. ``scale``: of the longest step;
    ``detached``: whether gradients enter as constants, as published.

    Raises ValueError for numbers that are not positive.
    """
    if not (hidden >= 1 and layers >= 1 and scale > 0):
        raise ValueError(f"hidden, layers and scale are positive, got {hidden}, {layers} and {scale}")
    return RNNProp(hidden, layers, scale=scale, detached=detached)
