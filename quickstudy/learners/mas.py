"""Memory aware synapses (Aljundi et al., 2018): weights are held by how much the answers move with them."""

from __future__ import annotations

from typing import Any

from torch import Generator, Tensor, nn

from quickstudy.core import Examples
from quickstudy.learners.elastic import Elastic
from quickstudy.learners.quadratic import Quadratic
from quickstudy.learners.stepwise import Kept, Stepwise, inputs
from quickstudy.nets.importance import importance
from quickstudy.rules.rule import Weights


class MAS(Elastic):
    """The penalty ½ · strength · Σ Ω · (w - w*)², where Ω is the mean over examples of the absolute slope of
    ‖f(x)‖², each example's by itself, and adds up over the contexts; w* are the newest weights. f(x) are the answers
    among which the training mask lets the examples be told: heads of contexts to come have nothing to hold.

    No label is read, so that ``learn_unlabelled`` can measure on any data. The paper has no ½: its strength 1 is 2
    here.
    """

    def measure(self, inner: Any, support: Examples, rng: Generator) -> Weights:
        weights = self.learner.weights(inner)
        x, counts = inputs(support.x, next(iter(weights.values()))), self.learner.counts(inner)
        unlabelled = isinstance(support.y, tuple)
        told = (counts > 0).expand(len(x), -1) if unlabelled else self.learner.choices(inner, support.y)
        return sensitivity(self.learner.module(len(counts)), weights, x, told)

    def held(self, past: Quadratic, importance: Weights, weights: Weights) -> Quadratic:
        return past.moved(importance, weights)

    def learn_unlabelled(self, state: Kept, x: Tensor) -> Kept:
        """The state whose importances know these data (n, *shape) too; the weights stay as they are."""
        more = self.measure(state.inner, Examples(x), Generator())
        return state._replace(past=self.held(state.past, more, self.learner.weights(state.inner)))


def sensitivity(module: nn.Module, weights: Weights, x: Tensor, allowed: Tensor | None = None) -> Weights:
    """The mean over x (n, *shape) of |∂ ‖f(x)‖² / ∂w| for every weight of ``module``, by its name; f(x) are the answers
    that are ``allowed`` (n, way), all unless given."""
    return importance(module, weights, x, _length, () if allowed is None else (allowed,), power=1)


def _length(logits: Tensor, *allowed: Tensor) -> Tensor:
    heard = logits.masked_fill(~allowed[0], 0) if allowed else logits
    return heard.square().sum(1)[None]


def mas(learner: Stepwise, *, strength: float = 2.0) -> MAS:
    """Around a learner that takes steps, with the paper's strength."""
    return MAS(learner, strength)
