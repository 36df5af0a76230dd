"""Synaptic intelligence (Zenke, Poole & Ganguli, 2017): weights are held by how much their way lowered the loss."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from quickstudy.core import Examples
from quickstudy.learners.quadratic import Penalized, Quadratic, nothing
from quickstudy.learners.stepwise import Around, Change, Kept, StepObjective, Stepwise, both, kept
from quickstudy.rules.rule import Weights


class SI(Around):
    """The penalty ½ · strength · Σ Ω · (w - w*)². Along the training of a context, ω adds up -gradient · step, the
    gradient being that of the loss alone; afterwards Ω grows by ω / (whole way² + damping), where ω is positive.

    The paper has no ½: its strength 1 is 2 here. It costs no pass over the data.
    """

    def __init__(self, learner: Stepwise, strength: float, *, damping: float = 0.1) -> None:
        super().__init__(learner)
        if not (strength >= 0 and damping > 0):
            raise ValueError(f"strength is at least 0 and damping above it, got {strength} and {damping}")
        self.strength, self.damping = strength, damping

    def init(self, way: int) -> Kept:
        inner = self.learner.init(way)
        return kept(inner, nothing(self.learner.weights(inner)))

    def adapt(self, state: Kept, support: Examples, change: Change | None = None) -> Kept:
        start = self.learner.weights(state.inner)
        path = Path({name: torch.zeros_like(w) for name, w in start.items()}, [])

        def penalized(objective: StepObjective) -> StepObjective:
            return Penalized(Traced(objective, path), state.past, self.strength)

        inner = self.learner.adapt(state.inner, support, both(penalized, change))
        end = self.learner.weights(inner)
        path.walk(end)
        return Kept(inner, grown(state.past, path.work, start, end, self.damping), state.contexts + 1)


def grown(past: Quadratic, work: Weights, start: Weights, end: Weights, damping: float) -> Quadratic:
    """The penalty after a context that led from the weights ``start`` to ``end`` and lowered the loss by ``work``."""
    more = {name: w.clamp_min(0) / ((end[name] - start[name]).square() + damping) for name, w in work.items()}
    return past.moved(more, end)


class Path(NamedTuple):
    """The way of the weights so far."""

    work: Weights  # -gradient · step, added up
    last: list[tuple[Weights, Weights]]  # where the last step began, and the gradient there

    def walk(self, weights: Weights) -> None:
        """Adds the step that ended at these weights."""
        if self.last:
            before, grads = self.last.pop()
            for name, w in weights.items():
                self.work[name].addcmul_(grads[name], w - before[name], value=-1)


class Traced(StepObjective):
    """An objective whose slopes are written down."""

    def __init__(self, objective: StepObjective, path: Path) -> None:
        self.objective, self.path = objective, path

    def __call__(self, weights: Weights, batch: Examples, rng: Generator) -> Tensor:
        return self.objective(weights, batch, rng)

    def slope(self, weights: Weights, batch: Examples, rng: Generator) -> tuple[Weights, Tensor]:
        here: Any = {name: w.detach().clone() for name, w in weights.items()}
        self.path.walk(here)
        grads, loss = self.objective.slope(weights, batch, rng)
        self.path.last.append((here, {name: g.clone() for name, g in grads.items()}))
        return grads, loss

    def inside(self, change: Change) -> StepObjective:
        return Traced(self.objective.inside(change), self.path)


def si(learner: Stepwise, *, strength: float = 2.0, damping: float = 0.1) -> SI:
    """Around a learner that takes steps, with the paper's damping."""
    return SI(learner, strength, damping=damping)
