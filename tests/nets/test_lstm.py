from __future__ import annotations

import pytest
import torch
from torch import nn

from quickstudy.nets.lstm import NARROW, BiLSTM, LSTMCell, unroll


def copied(cell: LSTMCell, theirs: nn.Module, suffix="") -> None:
    with torch.no_grad():
        getattr(theirs, f"weight_ih{suffix}").copy_(cell.weight_ih)
        getattr(theirs, f"weight_hh{suffix}").copy_(cell.weight_hh)
        getattr(theirs, f"bias_ih{suffix}").copy_(cell.bias)
        getattr(theirs, f"bias_hh{suffix}").zero_()


@pytest.mark.parametrize("hidden", [4, NARROW])
def test_a_step_equals_that_of_torch(hidden):
    ours, theirs = LSTMCell(3, hidden).double(), nn.LSTMCell(3, hidden).double()
    copied(ours, theirs)
    x, carry = torch.randn(5, 3).double(), (torch.randn(5, hidden).double(), torch.randn(5, hidden).double())
    for a, b in zip(ours(x, carry), theirs(x, carry), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


def test_both_directions_equal_those_of_torch():
    ours, theirs = BiLSTM(3, 4).double(), nn.LSTM(3, 4, bidirectional=True).double()
    copied(ours.forwards, theirs, "_l0")
    copied(ours.backwards, theirs, "_l0_reverse")
    x = torch.randn(2, 6, 3).double()
    for one, stacked in zip(x, torch.cat(ours(x), dim=-1), strict=True):
        for both in (torch.cat(ours(one), dim=-1), stacked):
            torch.testing.assert_close(both, theirs(one)[0], rtol=1e-12, atol=1e-14)


def test_it_starts_as_torch_starts():
    ours, theirs = LSTMCell(30, 50), nn.LSTMCell(30, 50)
    for mine, other in zip(ours.parameters(), (theirs.weight_ih, theirs.weight_hh, theirs.bias_ih), strict=True):
        assert mine.abs().max() <= 50**-0.5
        assert mine.std().item() == pytest.approx(other.std().item(), rel=0.1)


def test_it_can_be_mapped_with_gradients_inside():
    """The trap: torch's own LSTM has no batching rule."""
    cell = LSTMCell(3, 4).double()
    x = torch.randn(5, 6, 3).double()
    weights = dict(cell.named_parameters())

    def loss(weights, x):
        class Shell(nn.Module):
            def __init__(self):
                super().__init__()
                self.cell = cell

            def forward(self, x):
                return unroll(self.cell, x).square().sum()

        return torch.func.functional_call(Shell(), {f"cell.{k}": v for k, v in weights.items()}, (x,))

    mapped = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(weights, x)
    for i, one in enumerate(x):
        grads = torch.autograd.grad(unroll(cell, one).square().sum(), list(weights.values()))
        for name, grad in zip(weights, grads, strict=True):
            torch.testing.assert_close(mapped[name][i], grad, rtol=1e-10, atol=1e-12)


def test_more_is_kept_from_the_start():
    torch.manual_seed(0)
    plain = LSTMCell(3, 4)
    torch.manual_seed(0)
    keeping = LSTMCell(3, 4, forget=1.0)
    more = keeping.bias - plain.bias
    assert more.tolist() == pytest.approx([0.0] * 4 + [1.0] * 4 + [0.0] * 8)


def test_an_echo_says_a_step_later_what_was_said_and_what_came_late():
    cell = LSTMCell(400, 40)
    cell.echo(5)
    x, other = torch.rand(7, 400), torch.rand(400)
    x[:, -5:] = other[-5:] = 0
    told = x[-1].clone()
    told[-2] = 1
    with torch.no_grad():
        said = unroll(cell, x)
        carry = said[-2], said.new_zeros(40)
        last, elsewhere, labelled = (cell(each, carry)[0] for each in (x[-1], other, told))
    first, second = said[:-1, :20], said[1:, 20:]
    assert float((second - first).norm() / first.norm()) < 0.3
    (here, there), (unmoved, moved) = ((each - last).abs().view(2, 20).mean(1) for each in (elsewhere, labelled))
    assert here > 3 * there
    assert moved > 3 * unmoved
