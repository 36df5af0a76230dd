"""The LSTM meta-learner (Ravi & Larochelle, 2017): the cell of an LSTM is the weight, its gates are the step."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import vmap

from quickstudy import tree
from quickstudy.nets.coordinates import CoordinateCell
from quickstudy.rules.coordinatewise import flat, log_and_sign, shaped
from quickstudy.rules.rule import Rule, Weights

P = 10.0  # of the preprocessing: gradients below e^-10 are scaled up, not taken the logarithm of
SPREAD = 0.01  # weights start within it, so that the gates start near their biases


class Coordinates(NamedTuple):
    """What is kept of each of the n elements of all weights, in their order."""

    h: Tensor  # (hidden, n)
    c: Tensor  # (hidden, n)
    forget: Tensor  # (n,), the last forget gate
    input: Tensor  # (n,), the last input gate


class MetaLSTM(Rule[Coordinates]):
    """w_t = f ∘ w_{t-1} - i ∘ gradient, f = σ(W_F [h, w_{t-1}, f_{t-1}] + b_F), i = σ(W_I [h, w_{t-1}, i_{t-1}] + b_I)
    (equations 3 to 5 of the paper), where h is the output of an LSTM that reads the preprocessed gradient and loss.

    Every coordinate has its own memory and all share the parameters. Gradients and loss enter as constants, as
    published: second derivatives are dropped.
    """

    detached = True

    def __init__(self, hidden: int, *, forget: float, rate: float) -> None:
        super().__init__()
        self.cell = CoordinateCell(4, hidden)
        self.forget = nn.Linear(hidden + 2, 1)
        self.input = nn.Linear(hidden + 2, 1)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -SPREAD, SPREAD)
        nn.init.constant_(self.forget.bias, math.log(forget / (1 - forget)))
        nn.init.constant_(self.input.bias, math.log(rate / (1 - rate)))

    def init(self, weights: Weights) -> Coordinates:
        """Zeros, as in the authors' recurrences."""
        w = flat(weights)
        h, c = (w.new_zeros(self.cell.hidden, len(w)) for _ in range(2))
        return Coordinates(h, c, torch.zeros_like(w), torch.zeros_like(w))

    def update(
        self, grads: Weights, memory: Coordinates, weights: Weights, loss: Tensor
    ) -> tuple[Weights, Coordinates]:
        row, memory = self._moved(flat(grads, weights), memory, flat(weights), loss.detach()[None])
        return shaped(row, weights), memory

    def update_all(
        self, grads: Weights, memory: Coordinates, weights: Weights, loss: Tensor
    ) -> tuple[Weights, Coordinates]:
        """Tasks are more coordinates."""
        w, grad = vmap(flat)(weights), vmap(lambda each: flat(each, weights))(grads)  # (t, n)
        together = tree.map(lambda m: m.movedim(0, -2).flatten(-2), memory)
        row, moved = self._moved(grad.flatten(), together, w.flatten(), loss.detach().repeat_interleave(w.shape[1]))
        return vmap(shaped)(row.view_as(w), weights), tree.map(lambda m: m.unflatten(-1, w.shape).movedim(-2, 0), moved)

    def _moved(self, grad: Tensor, memory: Coordinates, w: Tensor, loss: Tensor) -> tuple[Tensor, Coordinates]:
        """(n,) the next weights, and the next memory; ``loss``: that of each coordinate's task (n,), or one (1,)."""
        grad = grad.detach()
        of_loss = (part.expand_as(w) for part in log_and_sign(loss, P))
        seen = torch.stack([*log_and_sign(grad, P), *of_loss])  # (4, n)
        h, c = self.cell(seen, (memory.h, memory.c))
        forget, input = _gate(self.forget, h, w, memory.forget), _gate(self.input, h, w, memory.input)
        return forget * w - input * grad, Coordinates(h, c, forget, input)


def meta_lstm(hidden: int = 20, *, rate: float = 0.01, forget: float = 0.9933) -> MetaLSTM:
    """The paper's two layers. It starts as gradient descent with about this ``rate``, the input gate, and with weights
    that are kept but for 1 - ``forget``; the gates' biases are such (-4.6 and 5, in the range of the authors').

    Raises ValueError unless rate and forget are between 0 and 1.
    """
    if not (0 < rate < 1 and 0 < forget < 1):
        raise ValueError(f"rate and forget are gates, between 0 and 1, got {rate} and {forget}")
    return MetaLSTM(hidden, forget=forget, rate=rate)


def _gate(layer: nn.Linear, h: Tensor, w: Tensor, last: Tensor) -> Tensor:
    """(n,): σ of the layer of [h, w, last], which need not be put together for that."""
    of_h, of_w, of_last = layer.weight[0].split([len(h), 1, 1])
    return (of_h @ h + of_w * w + of_last * last + layer.bias).sigmoid()
