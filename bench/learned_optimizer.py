"""Meta-training an optimizer, and using one: ``python bench/learned_optimizer.py``, on one thread.

The first figure is a segment of meta-training, 20 steps of descent on 128 quadratics of 10 coordinates and the gradient
of the mean loss: here, and in the loop that most code has, with two ``nn.LSTMCell`` and one backward pass through
everything. Losses and gradients of both sides are held against each other in double precision first. The second is one
step of an optimizer on a million parameters whose gradients are there: a learned one beside ``torch.optim.Adam``, which
is far faster, since it computes two numbers of a coordinate where an LSTM computes hundreds.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import time
from pathlib import Path
from typing import Any

import torch
from records import compared_in_turn, save
from torch import Tensor, nn

from quickstudy import devices, rules, tree
from quickstudy.optim import LearnedOptimizer
from quickstudy.outer import Truncated
from quickstudy.rules.lstm import Lstm
from quickstudy.rules.meta_lstm import preprocess
from quickstudy.tasks import quadratics

PROBLEMS, STEPS, HIDDEN = 128, 20, 20
PARAMETERS = (1000, 900, 100)  # widths of a net of a million parameters
LOSSES = quadratics()


class Common(nn.Module):
    """The usual loop, with the weights of a rule."""

    def __init__(self, rule: Lstm) -> None:
        super().__init__()
        self.scale = rule.scale
        self.cells = nn.ModuleList(_cell(cell) for cell in rule.net.cells)
        self.last = nn.Linear(HIDDEN, 1, bias=False)
        self.last.load_state_dict({"weight": rule.weight})

    def forward(self, problems: dict[str, Tensor]) -> Tensor:
        theta = LOSSES.start(problems)["theta"].requires_grad_()
        zeros = theta.new_zeros(theta.numel(), HIDDEN)
        states, total = [(zeros, zeros), (zeros, zeros)], torch.zeros(())
        loss = LOSSES.loss({"theta": theta}, problems, 0).mean()
        for _ in range(STEPS):
            (grad,) = torch.autograd.grad(PROBLEMS * loss, theta, retain_graph=True)
            x = preprocess(grad.detach().reshape(-1, 1))
            for i, cell in enumerate(self.cells):
                states[i] = cell(x, states[i])
                x = states[i][0]
            theta = theta + self.scale * self.last(x).view_as(theta)
            loss = LOSSES.loss({"theta": theta}, problems, 0).mean()
            total = total + loss / STEPS
        return total

    def matched(self, grads: list[Tensor]) -> list[Tensor]:
        """Its gradients in the order and form of the rule's."""
        found = dict(zip((name for name, _ in self.named_parameters()), grads, strict=True))
        cells = []
        for i in range(2):
            inputs, hidden, bias = (found[f"cells.{i}.{name}"] for name in ("weight_ih", "weight_hh", "bias_ih"))
            cells += [_ordered(torch.cat([inputs, hidden], 1)), _ordered(bias)]
        return [found["last.weight"], *cells]


def _cell(cell: nn.Module) -> nn.LSTMCell:
    weight, bias = (_ordered(part.detach()) for part in cell.parameters())
    inputs = weight.shape[1] - HIDDEN
    made = nn.LSTMCell(inputs, HIDDEN).to(weight)
    with torch.no_grad():
        for parameter, value in zip(
            made.parameters(), (weight[:, :inputs], weight[:, inputs:], bias, 0 * bias), strict=True
        ):
            parameter.copy_(value)
    return made


def _ordered(gates: Tensor) -> Tensor:
    """Gates as torch orders them, which swaps the last two; and back."""
    i, f, third, fourth = gates.chunk(4)
    return torch.cat([i, f, fourth, third])


def ours(rule: Lstm, problems: Any) -> tuple[Tensor, list[Tensor]]:
    how = Truncated(LOSSES, segment=STEPS)
    loss, grads, _ = how.step(rule, problems, how.objective, how.init(rule))
    return loss, grads


def theirs(common: Common, problems: Any) -> tuple[Tensor, list[Tensor]]:
    loss = common(problems)
    return loss, list(torch.autograd.grad(loss, list(common.parameters())))


def checked(rule: Lstm) -> float:
    """The largest relative difference of a gradient in double precision."""
    exact, problems = rule.double(), tree.map(Tensor.double, LOSSES.batch(range(PROBLEMS)))
    common = Common(exact)
    (a, grads), (b, others) = ours(exact, problems), theirs(common, problems)
    assert abs(float(a) / float(b) - 1) < 1e-12, f"the losses are {float(a)} and {float(b)}"
    off = max(float((x - y).norm() / y.norm()) for x, y in zip(grads, common.matched(others), strict=True))
    assert off < 1e-9, f"gradients are off by {off}"
    rule.float()
    return off


def segments(rounds: int) -> dict[str, Any]:
    torch.manual_seed(0)
    rule = rules.lstm(HIDDEN)
    off, common, problems = checked(rule), Common(rule), LOSSES.batch(range(PROBLEMS))
    sides = (functools.partial(timed, ours, rule, problems), functools.partial(timed, theirs, common, problems))
    found = compared_in_turn(*sides, rounds=rounds, warm=3)
    return {
        "work": f"meta-step: {STEPS} steps of {PROBLEMS} quadratics and the gradient, two layers of {HIDDEN}",
        "unit": "seconds a meta-step",
        "peer": "torch.nn.LSTMCell, one backward pass",
        "peer_version": torch.__version__,
        **found,
        "gradients_differ_by": off,
    }


def steps(rounds: int, name: str) -> dict[str, Any]:
    torch.manual_seed(0)
    net = nn.Sequential(*(nn.Linear(a, b) for a, b in itertools.pairwise(PARAMETERS)))
    for p in net.parameters():
        p.grad = torch.randn_like(p)
    learned, adam = LearnedOptimizer(net.parameters(), getattr(rules, name)()), torch.optim.Adam(net.parameters())
    found = compared_in_turn(
        functools.partial(timed, learned.step), functools.partial(timed, adam.step), rounds=rounds, warm=1
    )
    return {
        "work": f"a step of {name} on {sum(p.numel() for p in net.parameters()):,} parameters",
        "unit": "seconds a step",
        "peer": "torch.optim.Adam",
        "peer_version": torch.__version__,
        **found,
    }


def timed(f: Any, *arguments: Any) -> float:
    begun = time.perf_counter()
    f(*arguments)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rounds", type=int, default=60)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    devices.prepare()
    load = os.getloadavg()[0]
    found = {"learned-optimizer-segment": segments(asked.rounds)}
    found |= {
        f"learned-optimizer-step-{name}": steps(max(3, asked.rounds // 6), name) for name in ("lstm", "rnnprop", "mlp")
    }
    for name, record in found.items():
        print(f"{record['work']}: {record['ours']:.4f} s here, {record['theirs']:.4f} s there, {record['ratio']:.2f}")
        if asked.out is not None:
            save(asked.out / f"{name}.json", record | {"load_before": load})


if __name__ == "__main__":
    main()
