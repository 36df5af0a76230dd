"""Learning to learn by gradient descent by gradient descent (Andrychowicz et al., 2016)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from quickstudy.nets.coordinates import CoordinateCell
from quickstudy.rules.coordinatewise import Coordinatewise, log_and_sign


class Memory(NamedTuple):
    """What is kept of each of the n elements of all weights, in their order."""

    h: list[Tensor]  # of each layer, (hidden, n) outputs
    c: list[Tensor]  # and cells


class Lstm(Coordinatewise[Memory]):
    """w + scale · v h, where h is the output of a small LSTM that reads the preprocessed gradient of the coordinate."""

    def __init__(self, hidden: int, layers: int, *, scale: float, p: float | None) -> None:
        super().__init__()
        self.scale, self.p = scale, p
        inputs = [1 if p is None else 2, *[hidden] * (layers - 1)]
        self.cells = nn.ModuleList(CoordinateCell(size, hidden) for size in inputs)
        self.weight = nn.Parameter(torch.empty(1, hidden).uniform_(-0.1, 0.1))
        with torch.no_grad():
            descend(self)

    def first(self, row: Tensor) -> Memory:
        empty = [[row.new_zeros(cell.hidden, len(row)) for cell in self.cells] for _ in range(2)]
        return Memory(*empty)

    def change(self, row: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        x = row[None] if self.p is None else torch.stack(log_and_sign(row, self.p))
        h, c = [], []
        for cell, *carry in zip(self.cells, memory.h, memory.c, strict=True):
            x, kept = cell(x, tuple(carry))
            h.append(x)
            c.append(kept)
        return self.scale * (self.weight @ x)[0], Memory(h, c)


def descend(rule: Lstm) -> None:
    """Lets an untrained rule take small steps against the sign of the gradient: the first unit of each layer hands the
    last input on, and the output is minus it. Everything else starts as it is drawn."""
    for cell in rule.cells:
        first, last = 3 * cell.hidden, cell.weight.shape[1] - cell.hidden - 1
        last = last if cell is rule.cells[0] else 0
        cell.weight[first] *= 0.1
        cell.weight[first, last] = 2.0
        cell.bias[first] = 0.0
    rule.weight *= 0.1
    rule.weight[0, 0] = -1.0


def lstm(hidden: int = 20, *, layers: int = 2, scale: float = 0.1, p: float | None = 10.0) -> Lstm:
    """The paper's two layers of 20 units. ``scale``: of the steps; ``p``: of the preprocessing (10 in the paper, 5 in
    the authors' code), None for the bare gradient.

    Raises ValueError for numbers that are not positive.
    """
    if not (hidden >= 1 and layers >= 1 and scale > 0 and (p is None or p > 0)):
        raise ValueError(f"hidden, layers, scale and p are positive, got {hidden}, {layers}, {scale} and {p}")
    return Lstm(hidden, layers, scale=scale, p=p)
