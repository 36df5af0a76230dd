"""An LSTM that many coordinates share, each with a carry of its own: features first, so that every gate is a block.

The step and its backward pass are written out (``bench/learned_optimizer.py`` holds them against PyTorch's cells), for
autograd, and for a way back without it (``CoordinateLSTM.keep`` and ``Back``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from quickstudy.nets.sizes import check_sizes

Carry = tuple[Tensor, Tensor]  # (hidden, n) output and cell
Carries = list[Carry]  # of each layer


class Kept(NamedTuple):
    """What the way back through a step of a cell needs."""

    z: Tensor  # (inputs + hidden, n) input and last output
    c: Tensor  # (hidden, n) the cell before
    gates: Tensor  # (4 hidden, n)
    out: Tensor  # (hidden, n) tanh of the cell after


class CoordinateCell(nn.Module):
    """One step of an LSTM (Hochreiter & Schmidhuber, 1997) for n coordinates: (inputs, n) and the carry to the next
    carry. The gates are in the order input, forget, output, candidate."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        check_sizes(hidden=hidden)
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

    def keep(self, x: Tensor, carries: Carries) -> tuple[Tensor, Carries, list[Kept]]:
        """The same without a graph, and what ``Back`` needs of each layer."""
        after, kept = [], []
        for cell, (h, c) in zip(self.cells, carries, strict=True):
            z = torch.cat([x, h])
            x, next_c, gates, out = ahead(z, c, *cell.parameters())
            after.append((x, next_c))
            kept.append(Kept(z, c, gates, out))
        return x, after, kept

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
        return ahead(z, c, weight, bias)

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
        slopes, dc = behind(Kept(z, c, gates, out), dh, dc)
        return weight.mT @ slopes, dc, slopes @ z.mT, slopes.sum(1)


def ahead(z: Tensor, c: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(hidden, n) the output and the cell after it; then the gates and what the output is gated from."""
    hidden = c.shape[0]
    gates = torch.addmm(bias[:, None], weight, z)
    gates[: 3 * hidden].sigmoid_()
    gates[3 * hidden :].tanh_()
    i, f, o, g = gates.split(hidden)
    cell = (f * c).add_(i * g)  # addcmul_ has no batching rule
    out = cell.tanh()
    return o * out, cell, gates, out


def behind(kept: Kept, dh: Tensor, dc: Tensor) -> tuple[Tensor, Tensor]:
    """From the slopes of the output and the cell after a step: (4 hidden, n) those of what enters the gates, and
    (hidden, n) of the cell before."""
    _, c, gates, out = kept
    i, f, o, g = gates.split(c.shape[0])
    through = dh * o
    dc = (dc + through).sub_((through * out).mul_(out))
    slopes = torch.addcmul(gates, gates, gates, value=-1)
    to_i, to_f, to_o, to_g = slopes.split(c.shape[0])
    to_i.mul_(g).mul_(dc)
    to_f.mul_(c).mul_(dc)
    to_o.mul_(out).mul_(dh)
    to_g.copy_(i).sub_((i * g).mul_(g)).mul_(dc)
    return slopes, dc.mul_(f)


class Back:
    """Back through steps of a ``CoordinateLSTM`` that were kept, the last first, under ``no_grad``. ``grads`` are those
    of its parameters, summed over the steps so far."""

    def __init__(self, net: CoordinateLSTM) -> None:
        self.cells = [list(cell.parameters()) for cell in net.cells]
        self.grads = {p: torch.zeros_like(p) for cell in self.cells for p in cell}
        self.carried: list[Carry] | None = None  # slopes of the carries before the step behind which this stands

    def step(self, kept: Sequence[Kept], dh: Tensor) -> Tensor:
        """From the slopes (hidden, n) of the output of a step, those of its input (inputs, n)."""
        carried = self.carried or [(torch.zeros_like(dh), torch.zeros_like(dh)) for _ in kept]
        before: list[Carry] = []
        for (weight, bias), step, (to_h, to_c) in zip(self.cells[::-1], kept[::-1], carried[::-1], strict=True):
            slopes, dc = behind(step, dh + to_h, to_c)
            self.grads[weight].addmm_(slopes, step.z.mT)
            self.grads[bias].add_(slopes.sum(1))
            dh, to_h = (weight.mT @ slopes).split([len(step.z) - len(dc), len(dc)])
            before.append((to_h, dc))
        self.carried = before[::-1]
        return dh
