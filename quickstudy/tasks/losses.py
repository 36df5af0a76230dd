"""Loss functions as tasks: each a function of an integer, with starting weights of its own. What optimizers learn on.

Shape letters: ``p`` problems, stacked along the first axis of weights, losses and what tells the problems apart.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from quickstudy import tree
from quickstudy.rules.rule import Rule, Weights
from quickstudy.tasks.episodes import bits

LEAST = 1e-12  # loss of which a logarithm is taken
TOGETHER = 2**16  # weights of problems that are worth one call: more of them fall out of the caches


class Losses(ABC):
    """A distribution of loss functions. Problem ``i`` is a function of (seed, i), a minibatch of (seed, i, step)."""

    name: str  # such as "quadratics"

    @abstractmethod
    def batch(self, indices: Sequence[int]) -> Any:
        """What tells these problems apart, stacked: a tree of tensors whose first axis is p."""

    @abstractmethod
    def start(self, problems: Any) -> Weights:
        """(p, *shape): the weights that each problem starts from."""

    @abstractmethod
    def loss(self, weights: Weights, problems: Any, step: int) -> Tensor:
        """(p,) the losses at these weights, on each problem's minibatch of this step where there are minibatches."""

    def __getitem__(self, index: int) -> Any:
        return tree.index(self.batch([index]), 0)


class Stand(NamedTuple):
    """Where the descents of some problems stand."""

    weights: Weights  # (p, *shape)
    memory: Any  # of the rule, over all coordinates of all problems


def begin(rule: Rule, losses: Losses, problems: Any) -> Stand:
    """Before the first step."""
    weights = losses.start(problems)
    return Stand(weights, rule.init(weights))


def slopes(losses: Losses, weights: Weights, problems: Any, step: int) -> tuple[Tensor, Weights]:
    """(p,) losses and the gradients by the same names, none of them part of a graph."""
    each, _, grads = linked(losses, weights, problems, step, graph=False)
    return each, grads


def linked(
    losses: Losses, weights: Weights, problems: Any, step: int, *, graph: bool = True
) -> tuple[Tensor, Weights, Weights]:
    """(p,) losses; the weights, with no past, and their gradients, with the ``graph`` from the ones to the others."""
    live = {name: w.detach().requires_grad_() for name, w in weights.items()}
    with torch.enable_grad():
        each = losses.loss(live, problems, step)
        grads = torch.autograd.grad(each.sum(), list(live.values()), create_graph=graph)
    return each.detach(), live, dict(zip(live, grads, strict=True))


class Descent:
    """The objective of a learned optimizer: the mean loss after each of ``horizon`` steps (Andrychowicz et al., 2016,
    with all w_t = 1; a mean, so that horizons can be compared), or, with ``logarithm``, the mean of its logarithm, in
    which the small losses at the end count as much as the large ones of the first steps. Called for one problem it is
    the whole descent; an estimator may take it a segment at a time."""

    def __init__(self, losses: Losses, horizon: int, *, logarithm: bool = False) -> None:
        if horizon < 1:
            raise ValueError(f"a descent takes at least 1 step, got horizon {horizon}")
        self.losses, self.horizon, self.logarithm = losses, horizon, logarithm

    def __call__(self, rule: Rule, problem: Any) -> Tensor:
        problems = tree.map(lambda leaf: leaf[None], problem)
        each, _ = unrolled(rule, self.losses, begin(rule, self.losses, problems), problems, range(self.horizon))
        return self.counted(each).mean()

    def counted(self, each: Tensor) -> Tensor:
        """What these losses count for."""
        return each.clamp_min(LEAST).log() if self.logarithm else each

    def pulls(self, each: Tensor, grads: Weights) -> Weights:
        """The gradients of what the losses (p,) count for, from their own."""
        if not self.logarithm:
            return grads
        share = torch.where(each > LEAST, 1 / each, 0.0)
        return {name: share.view(-1, *[1] * (g.dim() - 1)) * g for name, g in grads.items()}


def unrolled(rule: Rule, losses: Losses, stand: Stand, problems: Any, steps: range) -> tuple[Tensor, Stand]:
    """(p, steps) the losses after each step, and where the descents then stand: all of it in the graph, but for the
    gradients that a rule takes as constants."""
    live = {name: w if w.requires_grad else w.detach().requires_grad_() for name, w in stand.weights.items()}
    memory, seen = stand.memory, []
    each = losses.loss(live, problems, steps.start)
    for step in steps:
        grads = torch.autograd.grad(each.sum(), list(live.values()), create_graph=not rule.detached, retain_graph=True)
        live, memory = rule.update(dict(zip(live, grads, strict=True)), memory, live, each.mean())
        each = losses.loss(live, problems, step + 1)
        seen.append(each)
    return torch.stack(seen, dim=1), Stand(live, memory)


def curves(rule: Rule, losses: Losses, indices: Sequence[int], steps: int, *, chunk: int | None = None) -> Tensor:
    """(p, steps + 1) losses before each step and after the last, of the numbered problems; ``chunk`` at a time, as many
    as have ``TOGETHER`` weights unless given."""
    each = sum(w.numel() for w in losses.start(losses.batch(indices[:1])).values())
    size = chunk or max(1, TOGETHER // each)
    spans = (indices[start : start + size] for start in range(0, len(indices), size))
    return torch.cat([_curves(rule, losses, losses.batch(span), steps) for span in spans])


def _curves(rule: Rule, losses: Losses, problems: Any, steps: int) -> Tensor:
    with torch.no_grad():
        stand, seen = begin(rule, losses, problems), []
        for step in range(steps):
            each, grads = slopes(losses, stand.weights, problems, step)
            stand = Stand(*rule.update(grads, stand.memory, stand.weights, each.mean()))
            seen.append(each)
        return torch.stack([*seen, losses.loss(stand.weights, problems, steps)], dim=1)


def uniform(seed: int, indices: Sequence[int], count: int) -> np.ndarray:
    """(p, count) numbers above 0 and below 1, of (seed, index) alone."""
    raw = np.stack([bits(seed, index).random_raw(count) for index in indices])
    return ((raw >> np.uint64(11)) + 0.5) * 2.0**-53


def normal(seed: int, indices: Sequence[int], count: int) -> np.ndarray:
    """(p, count) normal numbers (Box & Muller, 1958), likewise."""
    drawn = uniform(seed, indices, 2 * count).reshape(len(indices), 2, count)
    return np.sqrt(-2 * np.log(drawn[:, 0])) * np.cos(2 * np.pi * drawn[:, 1])
