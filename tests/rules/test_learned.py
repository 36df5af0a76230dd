"""Learned rules by their definitions, computed another way."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from quickstudy import rules, tree
from quickstudy.nets.coordinates import CoordinateCell
from quickstudy.rules.coordinatewise import log_and_sign

ROW = torch.randn(9, generator=torch.Generator().manual_seed(4)).double()


def torch_cell(cell):
    """torch's cell, whose gates are in another order."""
    weight, bias = (torch.cat([p[0], p[1], p[3], p[2]]) for p in (q.detach().chunk(4) for q in cell.parameters()))
    made = nn.LSTMCell(weight.shape[1] - cell.hidden, cell.hidden).double()
    made.load_state_dict(
        {
            "weight_ih": weight[:, : -cell.hidden],
            "weight_hh": weight[:, -cell.hidden :],
            "bias_ih": bias,
            "bias_hh": torch.zeros_like(bias),
        }
    )
    return made


def test_a_cell_is_that_of_torch_with_its_gradients():
    cell = CoordinateCell(3, 5).double()
    theirs = torch_cell(cell)
    x, h, c = (torch.randn(size, 7, dtype=torch.float64, requires_grad=True) for size in (3, 5, 5))
    ours, expected = cell(x, (h, c)), theirs(x.T, (h.T, c.T))
    for a, b in zip(ours, expected, strict=True):
        torch.testing.assert_close(a, b.T)
    torch.autograd.gradcheck(lambda *asked: cell(asked[0], asked[1:]), (x, h, c))
    total = ours[0].sin().sum() + ours[1].square().sum()
    other = expected[0].sin().sum() + expected[1].square().sum()
    for a, b in zip(torch.autograd.grad(total, [x, h, c]), torch.autograd.grad(other, [x, h, c]), strict=True):
        torch.testing.assert_close(a, b)


def test_the_lstm_is_two_cells_over_logarithm_and_sign():
    rule = rules.lstm(5, scale=0.3).double()
    first, second = (torch_cell(cell) for cell in rule.net.cells)
    memory, a, b = rule.first(ROW), None, None
    for row in (ROW, -1e-6 * ROW, ROW.flip(0)):
        change, memory = rule.change(row, memory)
        a = first(torch.stack(log_and_sign(row, 10.0), 1), a)
        b = second(a[0], b)
        torch.testing.assert_close(change, 0.3 * (b[0] @ rule.weight[0]))


@pytest.mark.parametrize("name", ["lstm", "mlp", "rnnprop"])
def test_many_coordinates_are_updated_in_parts_that_say_what_the_whole_says(name, monkeypatch):
    monkeypatch.setattr("quickstudy.rules.coordinatewise.TOGETHER", 50)
    rule = getattr(rules, name)().double()
    weights = {"a": torch.randn(13, 9).double(), "b": torch.randn(()).double()}
    memory = rule.init(weights)
    for _ in range(3):
        grads = {key: torch.randn_like(w) for key, w in weights.items()}
        whole = rule.update(grads, memory, weights, torch.ones(()))
        with torch.no_grad():
            in_parts = rule.update(grads, memory, weights, torch.ones(()))
        for a, b in zip(tree.leaves(whole), tree.leaves(in_parts), strict=True):
            torch.testing.assert_close(a, b)
        weights, memory = in_parts


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_rnnprop_reads_gradients_in_units_of_their_size_and_its_steps_are_bounded(factor):
    rule = rules.rnnprop(5, scale=0.2).double()
    with torch.no_grad():
        rule.weight.mul_(50)
    one, other = rule.first(ROW), rule.first(ROW)
    for row in (ROW, ROW.flip(0), -ROW):
        change, one = rule.change(row, one)
        scaled, other = rule.change(factor * row, other)
        torch.testing.assert_close(scaled, change, rtol=1e-3, atol=1e-5)
        assert 0.1 < float(change.abs().max()) <= 0.2


def test_rnnprop_reads_the_two_numbers_of_adam():
    rule = rules.rnnprop(4).double()
    memory = rule.first(ROW)
    mean = square = torch.zeros_like(ROW)
    for step, row in enumerate((ROW, 2 * ROW.flip(0), -ROW), start=1):
        _, memory = rule.change(row, memory)
        mean, square = 0.95 * mean + 0.05 * row, 0.95 * square + 0.05 * row**2
        torch.testing.assert_close(memory.moments.mean[0], mean)
        torch.testing.assert_close(memory.moments.square, square)
        assert float(memory.moments.step) == step


def test_the_mlp_begins_as_adam():
    rule = rules.mlp(rate=0.05).double()
    with torch.no_grad():
        rule.last.weight.zero_()
    adam = rules.adam(0.05, betas=(0.9, 0.99))
    memory, other = rule.first(ROW), adam.init({"w": ROW})
    for row in (ROW, ROW.flip(0), -ROW):
        change, memory = rule.change(row, memory)
        new, other = adam.update({"w": row}, other, {"w": torch.zeros_like(ROW)}, torch.zeros(()))
        torch.testing.assert_close(change, new["w"], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "options"),
    [("lstm", {"scale": 0.0}), ("lstm", {"p": -1.0}), ("rnnprop", {"hidden": 0}), ("mlp", {"rate": -0.1})],
)
def test_wrong_options_are_refused(name, options):
    with pytest.raises(ValueError, match="positive, got"):
        getattr(rules, name)(**options)
