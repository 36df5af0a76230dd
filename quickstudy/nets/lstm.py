"""A long short-term memory (Hochreiter & Schmidhuber, 1997) whose steps can be mapped over tasks.

torch's own ``nn.LSTM``, ``nn.LSTMCell`` and GRU have no batching rule for ``vmap``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from quickstudy.nets.sizes import check_sizes

Carry = tuple[Tensor, Tensor]  # (..., hidden) output and cell
OPEN = 2.0  # the bias of an open gate, and of a shut one less than zero
NARROW = 64  # gates of fewer units are worth a copy: in short pieces of longer rows a sigmoid takes ten times as long


class LSTMCell(nn.Module):
    """One step: (..., inputs) and the carry to the next carry. Equal to ``nn.LSTMCell``, weight for weight.

    ``forget`` is added to the first biases of the forget gates: with 1 more is kept from the start (Jozefowicz et al.,
    2015).
    """

    def __init__(self, inputs: int, hidden: int, *, forget: float = 0.0) -> None:
        super().__init__()
        check_sizes(hidden=hidden)
        self.hidden = hidden
        bound = 1 / math.sqrt(hidden)
        both = torch.empty(4 * hidden, inputs + hidden).uniform_(-bound, bound)
        self.weight_ih, self.weight_hh = (nn.Parameter(part.clone()) for part in both.split([inputs, hidden], 1))
        self.bias = nn.Parameter(torch.empty(4 * hidden).uniform_(-bound, bound))
        with torch.no_grad():
            self.bias[hidden : 2 * hidden] += forget

    def echo(self, late: int) -> None:
        """Begins as a memory of one step: half of the units say what they read, and the other half what those said the
        step before, with the last ``late`` numbers of the input, which belong to it and are a step late."""
        half = self.hidden // 2
        bias, reads, hears = (each.unflatten(0, (4, -1)) for each in (self.bias, self.weight_ih, self.weight_hh))
        with torch.no_grad():
            bias[[0, 3]], bias[1], bias[2] = OPEN, -OPEN, 0
            reads[2, :half, -late:] = 0
            reads[2, half:, :-late] = 0
            hears[2] = 0
            hears[2, half : 2 * half, :half].fill_diagonal_((1 + math.exp(-OPEN)) ** 2)  # what the gates left of it

    def start(self, like: Tensor) -> Carry:
        """The carry of zeros for inputs like this (..., inputs)."""
        zeros = like.new_zeros(*like.shape[:-1], self.hidden)
        return zeros, zeros

    def forward(self, x: Tensor, carry: Carry) -> Carry:
        return self.step(self.project(x), carry)

    def project(self, x: Tensor) -> Tensor:
        """(..., 4 hidden): what the inputs add to the gates, which can be had for all steps of a sequence at once."""
        return x @ self.weight_ih.mT + self.bias

    def step(self, projected: Tensor, carry: Carry) -> Carry:
        """The rest of a step, which needs the carry."""
        h, c = carry
        gates = (projected + h @ self.weight_hh.mT).chunk(4, dim=-1)
        i, f, g, o = (gate.contiguous() for gate in gates) if self.hidden < NARROW else gates
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c

    def sweep(self, x: Tensor, carry: Carry) -> tuple[Tensor, Carry]:
        """(..., n, hidden) along the sequences (..., n, inputs), and the carry after them, by PyTorch's one kernel for
        all steps. It cannot be mapped, nor differentiated twice."""
        axes, (n, inputs) = x.shape[:-2], x.shape[-2:]
        start = [part.reshape(1, -1, self.hidden) for part in carry]
        weights = [self.weight_ih, self.weight_hh, self.bias, torch.zeros_like(self.bias)]
        outputs, h, c = torch.lstm(
            x.reshape(-1, n, inputs),
            start,
            weights,
            has_biases=True,
            num_layers=1,
            dropout=0.0,
            train=torch.is_grad_enabled(),
            bidirectional=False,
            batch_first=True,
        )
        return outputs.reshape(*axes, n, self.hidden), (h.reshape(*axes, -1), c.reshape(*axes, -1))


def sweeps() -> bool:
    """Whether the kernel for all steps runs here: oneDNN has none in bfloat16 for processors without AVX-512."""
    return not torch.is_autocast_enabled("cpu") or "AVX512" in torch.backends.cpu.get_cpu_capability()


class BiLSTM(nn.Module):
    """Two cells over a sequence (n, inputs), one from each end: (n, hidden) forwards and backwards. Stacked sequences
    (t, n, inputs) are swept; a single one can be mapped."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.forwards = LSTMCell(inputs, hidden)
        self.backwards = LSTMCell(inputs, hidden)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        run = swept if x.dim() > 2 else unroll
        return run(self.forwards, x), run(self.backwards, x.flip(-2)).flip(-2)


def swept(cell: LSTMCell, x: Tensor) -> Tensor:
    """(..., n, hidden): the cell's outputs along sequences (..., n, inputs), by one kernel for all steps."""
    return cell.sweep(x, cell.start(x[..., 0, :]))[0]


def unroll(cell: LSTMCell, x: Tensor) -> Tensor:
    """(n, ..., hidden): the cell's outputs along the sequence (n, ..., inputs)."""
    carry, outputs = cell.start(x[0]), []
    for projected in cell.project(x):
        carry = cell.step(projected, carry)
        outputs.append(carry[0])
    return torch.stack(outputs)
