"""Penalties that hold weights where they were: ½ · strength · Σ importance · (w - anchor)², and sums of such.

A sum of quadratics is a quadratic: one importance, one anchor and one number hold the penalties of all contexts
exactly, so that keeping them apart (Kirkpatrick et al., 2017) takes no more memory than keeping one.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from quickstudy.core import Examples
from quickstudy.learners.stepwise import Change, StepObjective
from quickstudy.rules.rule import Weights


class Quadratic(NamedTuple):
    """½ Σ importance · (w - anchor)² + least."""

    importance: Weights
    anchor: Weights
    least: Tensor  # (), its value at the anchor: 0 unless anchors differ

    def value(self, weights: Weights) -> Tensor:
        """A scalar; differentiable."""
        each = [(self.importance[name] * (w - self.anchor[name]).square()).sum() for name, w in weights.items()]
        return self.least.to(each[0]) + torch.stack(each).sum() / 2

    def add_slope(self, grads: Weights, weights: Weights, strength: float) -> None:
        """Adds ``strength`` times its gradient to the gradients, in place."""
        for name, w in weights.items():
            grads[name].addcmul_(self.importance[name], w - self.anchor[name], value=strength)

    def over(self, weights: Weights) -> Quadratic:
        """With 0 for weights that it does not know yet. Raises ValueError for one that has another shape now."""
        for name, w in weights.items():
            if name in self.anchor and self.anchor[name].shape != w.shape:
                was, now = tuple(self.anchor[name].shape), tuple(w.shape)
                raise ValueError(
                    f"{name} is {now}, and was {was} when it was held: of other weights nothing is known; give a new "
                    "task a head of its own, or make the head wide enough for all from the first"
                )
        new = {name: w for name, w in weights.items() if name not in self.anchor}
        return nothing(new).renewed(self) if new else self

    def renewed(self, by: Quadratic) -> Quadratic:
        """``by``, and what this says of weights that ``by`` does not know."""
        return Quadratic(self.importance | by.importance, self.anchor | by.anchor, by.least)

    def plus(self, importance: Weights, weights: Weights) -> Quadratic:
        """With one more term, anchored at these weights: every context has an anchor of its own."""
        both = {name: new + self.importance[name] for name, new in importance.items()}
        share = {name: torch.where(both[name] > 0, new / both[name], 1.0) for name, new in importance.items()}
        apart = {name: w - self.anchor[name] for name, w in weights.items()}
        anchor = {name: self.anchor[name].lerp(w, share[name]) for name, w in weights.items()}  # exact at 0 and 1
        least = sum((self.importance[name] * share[name] * a.square()).sum() for name, a in apart.items()) / 2
        return Quadratic(both, anchor, self.least + least)

    def moved(self, importance: Weights, weights: Weights, *, decay: float = 1.0) -> Quadratic:
        """Online (Schwarz et al., 2018; Huszár, 2018): one anchor, the newest weights; importances add up, the old ones
        times ``decay``."""
        both = {name: new + decay * self.importance[name] for name, new in importance.items()}
        return Quadratic(both, {name: w.clone() for name, w in weights.items()}, torch.zeros_like(self.least))


def nothing(weights: Weights) -> Quadratic:
    """The penalty before the first context: 0 everywhere."""
    zeros = {name: torch.zeros_like(w) for name, w in weights.items()}
    return Quadratic(zeros, {name: w.detach().clone() for name, w in weights.items()}, _scalar(weights))


def _scalar(weights: Weights) -> Tensor:
    return next(iter(weights.values())).new_zeros(())


class Penalized(StepObjective):
    """An objective with ``strength`` times a quadratic added, whose gradient is written out."""

    def __init__(self, objective: StepObjective, penalty: Quadratic, strength: float) -> None:
        self.objective, self.penalty, self.strength = objective, penalty, strength

    def __call__(self, weights: Weights, batch: Examples, rng: Generator) -> Tensor:
        return self.objective(weights, batch, rng) + self.strength * self.penalty.value(weights)

    def slope(self, weights: Weights, batch: Examples, rng: Generator) -> tuple[Weights, Tensor]:
        grads, loss = self.objective.slope(weights, batch, rng)
        with torch.no_grad():
            self.penalty.add_slope(grads, weights, self.strength)
        return grads, loss

    def inside(self, change: Change) -> StepObjective:
        return Penalized(self.objective.inside(change), self.penalty, self.strength)
