"""The seam at which penalties, replay and distillation meet gradient descent: an objective is changed into another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Generator, Tensor, nn

from quickstudy.core import Examples, Learner
from quickstudy.rules.rule import Weights

S = TypeVar("S")
Change = Callable[["StepObjective"], "StepObjective"]


class StepObjective(ABC):
    """What a step descends: a function of the weights and of a batch; ``rng`` is for what it draws.

    ``slope`` is its gradient and, for rules that read one, the loss. Both follow from the function; a penalty writes
    its gradient out, and adds nothing to the loss that a rule reads.
    """

    @abstractmethod
    def __call__(self, weights: Weights, batch: Examples, rng: Generator) -> Tensor:
        """The loss, a scalar."""

    def slope(self, weights: Weights, batch: Examples, rng: Generator) -> tuple[Weights, Tensor]:
        """Gradients of weights that require them, by the same names, and the loss of the batch without penalties."""
        with torch.enable_grad():
            value = self(weights, batch, rng)
            grads = torch.autograd.grad(value, list(weights.values()), materialize_grads=True)
        return dict(zip(weights, grads, strict=True)), value.detach()

    def inside(self, change: Change) -> StepObjective:
        """The same with what it says of data changed. A penalty stays outside: the order of wrapping is none."""
        return change(self)


class Stepwise(Learner[S]):
    """A learner that takes gradient steps on an objective which others may change: what EWC, replay and the like wrap.

    The same questions can be asked of what wraps it.
    """

    steps: int  # in one ``adapt``
    seed: int  # of what is drawn
    mask: str  # among which classes an example is told in training: "all", those "seen", of its "own" context

    @abstractmethod
    def adapt(self, state: S, support: Examples, change: Change | None = None) -> S:
        """The state after this context. ``change`` makes its objective another."""

    @abstractmethod
    def weights(self, state: S) -> Weights:
        """The weights that steps change."""

    @abstractmethod
    def module(self, way: int) -> nn.Module:
        """A module whose parameters have the names of ``weights``: from x to (n, way) logits of all classes."""

    @abstractmethod
    def choices(self, state: S, y: Tensor) -> Tensor:
        """(n, way) the classes among which the training mask lets an example of class y (n,) be told, after so much
        has been seen."""

    @abstractmethod
    def counts(self, state: S) -> Tensor:
        """(way,) examples of each class so far."""


def both(first: Change, then: Change | None) -> Change:
    """One change after the other."""
    return (lambda objective: then(first(objective))) if then else first


class Kept(NamedTuple):
    """What a wrapper remembers beside what it wraps."""

    inner: Any
    past: Any
    contexts: Tensor  # () int64, so far


class Around(Stepwise[Kept]):
    """A learner around a stepwise learner, which answers and steps as that does."""

    random = True

    def __init__(self, learner: Stepwise) -> None:
        super().__init__()
        self.learner, self.steps, self.mask, self.seed = learner, learner.steps, learner.mask, learner.seed
        self.ordered, self.padded = learner.ordered, learner.padded

    def predict(self, state: Kept, x: Tensor) -> Tensor:
        return self.learner.predict(state.inner, x)

    def weights(self, state: Kept) -> Weights:
        return self.learner.weights(state.inner)

    def module(self, way: int) -> nn.Module:
        return self.learner.module(way)

    def choices(self, state: Kept, y: Tensor) -> Tensor:
        return self.learner.choices(state.inner, y)

    def counts(self, state: Kept) -> Tensor:
        return self.learner.counts(state.inner)

    def rng(self, state: Kept, salt: int) -> Generator:
        """The random numbers of the next context, for one purpose."""
        return generator(self.seed, int(state.contexts), salt)


def kept(inner: Any, past: Any) -> Kept:
    """The state of a wrapper before any context."""
    return Kept(inner, past, torch.zeros((), dtype=torch.int64))


def generator(seed: int, context: int, salt: int = 0) -> Generator:
    """The random numbers of one context of a life, for one purpose."""
    return Generator().manual_seed((seed << 24) + (context << 4) + salt)


def inputs(x: Tensor, like: Tensor) -> Tensor:
    """Pictures as a net reads them: bytes become numbers from 0 to 1."""
    return x.to(like.dtype).div_(255) if x.dtype == torch.uint8 else x
