"""An LSTM that many coordinates share, each with a carry of its own: features first, so that every gate is a block.

The step and its backward pass are written out (``bench/learned_optimizer.py`` holds them against PyTorch's cells).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

Carry = tuple[Tensor, Tensor]  # (hidden, n) output and cell
Carries = list[Carry]  # of each layer


class CoordinateCell(nn.Module):
    """One step of an LSTM (Hochreiter & Schmidhuber, 1997) for n coordinates: (inputs, n) and the carry to the next
    carry. The gates are in the order input, forget, output, candidate."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        bound = 1 / math.sqrt(hidden)
        self.weight = nn.Parameter(torch.empty(4 * hidden, inputs + hidden).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(4 * hidden).uniform_(-bound, bound))

    def forward(self, x: Tensor, carry: Carry) -> Carry:
        h, c, *_ = _Step.apply(torch.cat([x, carry[0]]), carry[1], self.weight, self.bias)
        return h, c


class CoordinateLSTM(nn.Module):
    """Layers of such cells: (inputs, n) and their carries to (hidden, n) and the next carries."""

    def __init__(self, inputs: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.hidden, self.layers = hidden, layers
        sizes = [inputs, *[hidden] * (layers - 1)]
        self.cells = nn.ModuleList(CoordinateCell(size, hidden) for size in sizes)

    def start(self, row: Tensor) -> Carries:
        """The carries of zeros for coordinates like this row (n,)."""
        return [(self._zeros(row), self._zeros(row)) for _ in range(self.layers)]

    def forward(self, x: Tensor, carries: Carries) -> tuple[Tensor, Carries]:
        after = []
        for cell, carry in zip(self.cells, carries, strict=True):
            after.append(cell(x, carry))
            x = after[-1][0]
        return x, after

    def hand_on(self, place: int) -> None:
        """Lets the first unit of every layer say what the input at ``place`` is, nearly; in place."""
        with torch.no_grad():
            for layer, cell in enumerate(self.cells):
                weight, bias = cell.parameters()
                first = 3 * self.hidden  # its row of the candidate
                weight[first] *= 0.1
                weight[first, 0 if layer else place] = 2.0
                bias[first] = 0.0

    def _zeros(self, row: Tensor) -> Tensor:
        return row.new_zeros(self.hidden, len(row))


class _Step(torch.autograd.Function):
    """Gates are worked on where they lie: each kernel more is a pass through memory."""

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, c: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, ...]:
        """(hidden, n) the output and the cell after it; then what the way back needs."""
        hidden = c.shape[0]
        gates = torch.addmm(bias[:, None], weight, z)
        gates[: 3 * hidden].sigmoid_()
        gates[3 * hidden :].tanh_()
        i, f, o, g = gates.split(hidden)
        cell = (f * c).add_(i * g)  # addcmul_ has no batching rule
        out = cell.tanh()
        return o * out, cell, gates, out

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple[Any, ...], output: tuple[Any, ...]) -> None:
        z, c, weight, _ = inputs
        _, _, gates, out = output
        ctx.mark_non_differentiable(gates, out)
        ctx.save_for_backward(z, c, weight, gates, out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dh: Tensor, dc: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        z, c, weight, gates, out = ctx.saved_tensors
        i, f, o, g = gates.split(c.shape[0])
        through = dh * o
        dc = (dc + through).sub_((through * out).mul_(out))
        slopes = torch.addcmul(gates, gates, gates, value=-1)
        to_i, to_f, to_o, to_g = slopes.split(c.shape[0])
        to_i.mul_(g).mul_(dc)
        to_f.mul_(c).mul_(dc)
        to_o.mul_(out).mul_(dh)
        to_g.copy_(i).sub_((i * g).mul_(g)).mul_(dc)
        return weight.mT @ slopes, dc.mul_(f), slopes @ z.mT, slopes.sum(1)
