"""Linear least squares (Gauss, 1809), of the smallest norm: what a learner of linear functions is held against."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from quickstudy.core import Examples, Learner


class Equations(NamedTuple):
    """One row for each example; padding has rows of zeros, which change no solution."""

    x: Tensor  # (n, d)
    y: Tensor  # (n, k)


class LeastSquares(Learner[Equations]):
    """Slow: nothing. Fast: the examples. y = w x without a constant, w the smallest of those that fit best."""

    def __init__(self, features: int, *, way: int) -> None:
        super().__init__()
        self.features, self.way = features, way

    def init(self, way: int) -> Equations:
        if way != self.way:
            raise ValueError(f"these equations have {self.way} columns of y, not {way}; make them with way {way}")
        return Equations(torch.zeros(0, self.features), torch.zeros(0, way))

    def adapt(self, state: Equations, support: Examples) -> Equations:
        real = support.y.isfinite().all(-1, keepdim=True)
        x, y = (torch.where(real, part, 0.0) for part in support)
        return Equations(torch.cat([state.x.to(x), x]), torch.cat([state.y.to(y), y]))

    def predict(self, state: Equations, x: Tensor) -> Tensor:
        return x @ (torch.linalg.pinv(state.x.to(x)) @ state.y.to(x))


def least_squares(features: int = 5, *, way: int = 1) -> LeastSquares:
    """For vectors of so many ``features`` and ``way`` columns of y."""
    return LeastSquares(features, way=way)
