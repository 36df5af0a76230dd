"""Weights that are held where they were, each by how much it matters: the base of EWC and MAS."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from quickstudy.core import Examples
from quickstudy.learners.quadratic import Penalized, Quadratic, nothing
from quickstudy.learners.stepwise import Around, Change, Kept, Stepwise, both, kept
from quickstudy.rules.rule import Weights


class Elastic(Around):
    """Slow: nothing of its own. Fast: the state of what it wraps, and a quadratic (``past``): importances and anchor.

    While a context is learned, ½ · strength · Σ importance · (w - anchor)² is added to the loss; afterwards the
    importances are measured on that context's examples and added.
    """

    def __init__(self, learner: Stepwise, strength: float) -> None:
        super().__init__(learner)
        if not strength >= 0:
            raise ValueError(f"the strength of a penalty is at least 0, got {strength}")
        self.strength = strength

    def init(self, way: int) -> Kept:
        inner = self.learner.init(way)
        return kept(inner, nothing(self.learner.weights(inner)))

    def adapt(self, state: Kept, support: Examples, change: Change | None = None) -> Kept:
        def penalized(objective: Any) -> Penalized:
            return Penalized(objective, state.past, self.strength)

        inner = self.learner.adapt(state.inner, support, both(penalized, change))
        real = Examples(support.x[support.y >= 0], support.y[support.y >= 0])
        if not len(real.x):
            return Kept(inner, state.past, state.contexts)
        importance = self.measure(inner, real, self.rng(state, salt=1))
        past = self.held(state.past, importance, self.learner.weights(inner))
        return Kept(inner, past, state.contexts + 1)

    @abstractmethod
    def measure(self, inner: Any, support: Examples, rng: Any) -> Weights:
        """How much each weight matters to these examples."""

    @abstractmethod
    def held(self, past: Quadratic, importance: Weights, weights: Weights) -> Quadratic:
        """The penalty after one more context."""
