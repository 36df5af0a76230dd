"""A learned optimizer without recurrence (after Metz, Maheswaranathan, Freeman, Poole & Sohl-Dickstein, 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from quickstudy.rules import moments
from quickstudy.rules.coordinatewise import Coordinatewise, log_and_sign
from quickstudy.rules.moments import Moments

BETAS, BETA = (0.5, 0.9, 0.99), 0.99  # of the means; of the squares
P = 10.0  # of the logarithm of the mean square


class MLP(Coordinatewise[Moments]):
    """w + rate · e^(strength · b) (a - m / √v), where a and b are the outputs of a small net that reads the gradient
    and its means in units of their size, that size, and how many steps were taken. Where a and b are 0, as nearly at
    the start, it is Adam."""

    def __init__(self, hidden: int, *, rate: float, strength: float, detached: bool) -> None:
        super().__init__(detached=detached)
        self.rate, self.strength = rate, strength
        inputs = len(BETAS) + 3
        self.hidden = nn.Linear(inputs, hidden)
        self.middle = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, 2)
        nn.init.normal_(self.last.weight, std=1e-3)
        nn.init.zeros_(self.last.bias)

    def first(self, row: Tensor) -> Moments:
        return moments.none(row, len(BETAS))

    def change(self, row: Tensor, memory: Moments) -> tuple[Tensor, Moments]:
        fresh, means, kept = moments.after(row, memory, BETAS, BETA)
        size = log_and_sign(moments.root(kept.square), P)[0]
        age = torch.tanh(kept.step / 100 - 1).expand_as(size)
        x = torch.cat([fresh[None], means, size[None], age[None]])
        for layer in (self.hidden, self.middle):
            x = torch.addmm(layer.bias[:, None], layer.weight, x).relu()
        a, b = torch.addmm(self.last.bias[:, None], self.last.weight, x)
        return self.rate * (self.strength * b).exp() * (a - means[1]), kept


def mlp(hidden: int = 32, *, rate: float = 0.01, strength: float = 1.0, detached: bool = True) -> MLP:
    """Two hidden layers. ``rate``: that of the Adam it starts as; ``strength``: of the logarithm of its own step;
    ``detached``: whether gradients enter as constants.

    Raises ValueError for numbers that are not positive.
    """
    if not (hidden >= 1 and rate > 0 and strength > 0):
        raise ValueError(f"hidden, rate and strength are positive, got {hidden}, {rate} and {strength}")
    return MLP(hidden, rate=rate, strength=strength, detached=detached)
