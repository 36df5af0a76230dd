"""The LSTM meta-learner (Ravi & Larochelle, 2017): the cell of an LSTM is the weight, its gates are the step."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from quickstudy.nets.lstm import LSTMCell
from quickstudy.rules.coordinatewise import flat, log_and_sign, shaped
from quickstudy.rules.rule import Rule, Weights

P = 10.0  # of the preprocessing: gradients below e^-10 are scaled up, not taken the logarithm of
SPREAD = 0.01  # weights start within it, so that the gates start near their biases


class Coordinates(NamedTuple):
    """What is kept of each of the n elements of all weights, in their order."""

    h: Tensor  # (n, hidden)
    c: Tensor  # (n, hidden)
    forget: Tensor  # (n, 1), the last forget gate
    input: Tensor  # (n, 1), the last input gate


class MetaLSTM(Rule[Coordinates]):
    """w_t = f ∘ w_{t-1} - i ∘ gradient, f = σ(W_F [h, w_{t-1}, f_{t-1}] + b_F), i = σ(W_I [h, w_{t-1}, i_{t-1}] + b_I)
    (equations 3 to 5 of the paper), where h is the output of an LSTM that reads the preprocessed gradient and loss.

    Every coordinate has its own memory and all share the parameters. Gradients and loss enter as constants, as
    published: second derivatives are dropped.
    """

    detached = True

    def __init__(self, hidden: int, *, forget: float, rate: float) -> None:
        super().__init__()
        self.cell = LSTMCell(4, hidden)
        self.forget = nn.Linear(hidden + 2, 1)
        self.input = nn.Linear(hidden + 2, 1)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -SPREAD, SPREAD)
        nn.init.constant_(self.forget.bias, math.log(forget / (1 - forget)))
        nn.init.constant_(self.input.bias, math.log(rate / (1 - rate)))

    def init(self, weights: Weights) -> Coordinates:
        """Zeros, as in the authors' recurrences."""
        w = _column(weights, weights)
        sizes = (self.cell.hidden, self.cell.hidden, 1, 1)
        return Coordinates(*(w.new_zeros(len(w), size) for size in sizes))

    def update(
        self, grads: Weights, memory: Coordinates, weights: Weights, loss: Tensor
    ) -> tuple[Weights, Coordinates]:
        w, grad = _column(weights, weights), _column(grads, weights).detach()  # (n, 1)
        seen = torch.cat([preprocess(grad), preprocess(loss.detach()[None, None]).expand(len(w), 2)], dim=1)  # (n, 4)
        h, c = self.cell(seen, (memory.h, memory.c))
        forget = self.forget(torch.cat([h, w, memory.forget], dim=1)).sigmoid()
        input = self.input(torch.cat([h, w, memory.input], dim=1)).sigmoid()
        return shaped((forget * w - input * grad)[:, 0], weights), Coordinates(h, c, forget, input)


def meta_lstm(hidden: int = 20, *, rate: float = 0.01, forget: float = 0.9933) -> MetaLSTM:
    """The paper's two layers. It starts as gradient descent with about this ``rate``, the input gate, and with weights
    that are kept but for 1 - ``forget``; the gates' biases are such (-4.6 and 5, in the range of the authors').

    Raises ValueError unless rate and forget are between 0 and 1.
    """
    if not (0 < rate < 1 and 0 < forget < 1):
        raise ValueError(f"rate and forget are gates, between 0 and 1, got {rate} and {forget}")
    return MetaLSTM(hidden, forget=forget, rate=rate)


def preprocess(x: Tensor, p: float = P) -> Tensor:
    """(n, 2) from (n, 1): the logarithm and the sign of each number, as ``log_and_sign`` has them."""
    return torch.cat(log_and_sign(x, p), dim=1)


def _column(weights: Weights, like: Weights) -> Tensor:
    """(n, 1): every element of every weight."""
    return flat(weights, like)[:, None]
