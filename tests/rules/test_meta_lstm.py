from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from quickstudy import rules
from quickstudy.rules.coordinatewise import log_and_sign


def said(x):
    """The preprocessing of one number, by its definition."""
    x = float(x)
    return [math.log(abs(x)) / 10, math.copysign(1, x)] if abs(x) >= math.exp(-10) else [-1.0, math.exp(10) * x]


class Reference:
    """One coordinate at a time, with torch's own cell and gates written as sums."""

    def __init__(self, rule):
        self.rule, hidden = rule, rule.cell.hidden
        self.cell = nn.LSTMCell(4, hidden).double()
        with torch.no_grad():
            i, f, o, g = range(0, 4 * hidden, hidden)  # where each gate begins; torch has the output last
            rows = [start + unit for start in (i, f, g, o) for unit in range(hidden)]
            self.cell.weight_ih.copy_(rule.cell.weight[rows, :4])
            self.cell.weight_hh.copy_(rule.cell.weight[rows, 4:])
            self.cell.bias_ih.copy_(rule.cell.bias[rows])
            self.cell.bias_hh.zero_()
        self.memory = {}

    def step(self, where, w, grad, loss):
        hidden = self.rule.cell.hidden
        none = torch.zeros(1, hidden, dtype=torch.float64)
        carry, forget, input = self.memory.get(where, ((none, none), 0.0, 0.0))
        h, c = self.cell(torch.tensor([said(grad) + said(loss)], dtype=torch.float64), carry)
        forget, input = (
            1 / (1 + math.exp(-self.gate(gate, [*h[0].tolist(), w, last])))
            for gate, last in ((self.rule.forget, forget), (self.rule.input, input))
        )
        self.memory[where] = ((h, c), forget, input)
        return forget * w - input * grad

    def gate(self, gate, values):
        return sum(a * b for a, b in zip(gate.weight[0].tolist(), values, strict=True)) + float(gate.bias)


@pytest.mark.parametrize("spread", [0.01, 1.0])
def test_it_is_the_papers_coordinate_by_coordinate(spread, weights):
    rule = rules.meta_lstm(5).double()
    with torch.no_grad():
        for parameter in rule.parameters():
            parameter.add_(spread * torch.randn_like(parameter))
    reference, memory = Reference(rule), rule.init(weights)
    for step in range(4):
        grads = {name: torch.randn_like(w) * 10.0 ** -(3 * step) for name, w in weights.items()}
        loss = torch.rand((), dtype=torch.float64)
        with torch.no_grad():
            new, memory = rule.update(grads, memory, weights, loss)
            for name, w in weights.items():
                places = zip(w.flatten().tolist(), grads[name].flatten().tolist(), strict=True)
                expected = [reference.step((name, i), a, g, loss) for i, (a, g) in enumerate(places)]
                torch.testing.assert_close(new[name].flatten().tolist(), expected, rtol=1e-10, atol=1e-12)
        weights = new


def test_the_preprocessing_is_that_of_its_definition():
    numbers = [0.0, 1.0, -1.0, 1e-3, -1e-5, 1e-30, -4e-5, 5e-5, math.exp(-10), 1e4, -1e300]
    x = torch.tensor(numbers, dtype=torch.float64)
    expected = torch.tensor([said(number) for number in numbers], dtype=torch.float64).T
    torch.testing.assert_close(torch.stack(log_and_sign(x, 10.0)), expected, rtol=1e-12, atol=0)


def test_it_starts_near_gradient_descent(weights):
    rule = rules.meta_lstm(rate=0.02, forget=0.999).double()
    grads = {name: torch.randn_like(w) for name, w in weights.items()}
    new, memory = rule.update(grads, rule.init(weights), weights, torch.ones((), dtype=torch.float64))
    assert memory.forget.sub(0.999).abs().max() < 1e-3
    assert memory.input.sub(0.02).abs().max() < 2e-3
    for name, w in weights.items():
        torch.testing.assert_close(new[name], w - 0.02 * grads[name], rtol=2e-3, atol=1e-2)


def test_a_coordinates_update_depends_on_nothing_of_the_others(weights):
    rule = rules.meta_lstm().double()
    grads = {name: torch.randn_like(w) for name, w in weights.items()}
    loss = torch.ones((), dtype=torch.float64)
    together, _ = rule.update(grads, rule.init(weights), weights, loss)
    for name, w in weights.items():
        one = {name: w}
        alone, _ = rule.update(grads, rule.init(one), one, loss)
        torch.testing.assert_close(alone[name], together[name])


def test_gradients_and_loss_are_constants(weights):
    rule = rules.meta_lstm().double()
    grads = {name: torch.randn_like(w).requires_grad_() for name, w in weights.items()}
    loss = torch.ones((), dtype=torch.float64, requires_grad=True)
    new, _ = rule.update(grads, rule.init(weights), weights, loss)
    total = torch.stack([w.sum() for w in new.values()]).sum()
    assert all(g is None for g in torch.autograd.grad(total, [*grads.values(), loss], allow_unused=True))


@pytest.mark.parametrize("options", [{"rate": 0.0}, {"rate": 1.0}, {"forget": 1.0}])
def test_a_gate_that_no_bias_gives_is_refused(options):
    with pytest.raises(ValueError, match="between 0 and 1"):
        rules.meta_lstm(**options)
