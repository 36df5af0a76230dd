"""Back through a descent by the LSTM, written out: autograd does not know that it is a descent, and is slower."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from quickstudy import batching, tree
from quickstudy.rules.coordinatewise import flat, shaped
from quickstudy.rules.lstm import Back, Lstm, Step
from quickstudy.rules.rule import Weights
from quickstudy.tasks.losses import Descent, Stand, linked

Slopes = tuple[Weights, Weights]  # weights, and their gradients by a graph from them


def swept(
    rule: Lstm, descent: Descent, stand: Stand, problems: Any, steps: range
) -> tuple[Tensor, list[Tensor], Stand]:
    """The mean loss after each step, its gradients by the rule's parameters, and where the descents then stand."""
    weights, memory = tree.map(Tensor.detach, stand)
    share, total = 1 / (tree.size(problems) * len(steps)), torch.zeros(())
    pulls, kept, slopes = list[Tensor](), list[Step](), list[Slopes]()
    for step in range(steps.start, steps.stop + 1):
        each, live, found = linked(descent.losses, weights, problems, step, graph=not rule.detached)
        grads = tree.map(Tensor.detach, found)
        if step > steps.start:
            pulls.append(share * flat(descent.pulls(each, grads), weights))
            total = total + descent.counted(each).sum() * share
        if step < steps.stop:
            with torch.no_grad():
                change, memory, passed = rule.keep(flat(grads, weights), memory)
                parts = shaped(change, weights)
                weights = {name: w + parts[name] for name, w in weights.items()}
            kept.append(passed)
            slopes.append((live, found))
    by_parameter = _back(rule, pulls, kept, slopes)
    return total, [by_parameter[p] for p in batching.trainable(rule)], Stand(weights, memory)


def _back(rule: Lstm, pulls: list[Tensor], kept: list[Step], slopes: list[Slopes]) -> dict[nn.Parameter, Tensor]:
    """From the last step to the first goes what a change of the weights after a step does to the losses: there it is
    the gradient, which is known; of later ones what comes straight and, unless the rule is detached, what comes through
    the gradients that it then reads."""
    back, later = Back(rule), torch.zeros_like(pulls[0])
    for pull, step, (weights, grads) in zip(pulls[::-1], kept[::-1], slopes[::-1], strict=True):
        later = later + pull
        with torch.no_grad():
            by_grads = back.step(step, later)
        if not rule.detached:
            later = later + _curved(shaped(by_grads, weights), weights, grads)
    return back.grads


def _curved(by_grads: Weights, weights: Weights, grads: Weights) -> Tensor:
    """(n,) what comes through the gradients to the weights. A loss may be flat, or linear, in some of them."""
    bent = [name for name, grad in grads.items() if grad.requires_grad]
    if not bent:
        return torch.zeros_like(flat(by_grads))
    given = [grads[name] for name in bent], list(weights.values()), [by_grads[name] for name in bent]
    found = torch.autograd.grad(*given, allow_unused=True, materialize_grads=True)
    return torch.cat([part.reshape(-1) for part in found])
