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
Change = Callable[["Objective"], "Objective"]


class Objective(ABC):
    """What a step descends: a function of the weights and of a batch; ``rng`` is for what it draws.

    ``slope`` is its gradient and value. It follows from the function, and is written out where that is faster.
    """

    @abstractmethod
    def __call__(self, weights: Weights, batch: Examples, rng: Generator) -> Tensor:
        """The loss, a scalar."""

    def slope(self, weights: Weights, batch: Examples, rng: Generator) -> tuple[Weights, Tensor]:
        """Gradients of weights that require them, by the same names, and the value."""
        with torch.enable_grad():
            value = self(weights, batch, rng)
            grads = torch.autograd.grad(value, list(weights.values()), materialize_grads=True)
        return dict(zip(weights, grads, strict=True)), value.detach()

    def inside(self, change: Change) -> Objective:
        """The same with what it says of data changed. A penalty stays outside: the order of wrapping is none."""
        return change(self)


class Stepwise(Learner[S]):
    """A learner that takes gradient steps on an objective which others may change: what EWC, replay and the like wrap.

    The same four questions can be asked of what wraps it.
    """

    random = True
    ordered = False
    steps: int  # in one ``adapt``
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

    @abstractmethod
    def key(self, state: S) -> Tensor:
        """(2,) the seed of what is drawn, and how many contexts there were."""


def both(first: Change, then: Change | None) -> Change:
    """One change after the other."""
    return (lambda objective: then(first(objective))) if then else first


class Kept(NamedTuple):
    """What a wrapper remembers beside what it wraps."""

    inner: Any
    past: Any


class Around(Stepwise[Kept]):
    """A learner around a stepwise learner, which answers and steps as that does."""

    def __init__(self, learner: Stepwise) -> None:
        super().__init__()
        self.learner, self.steps, self.mask = learner, learner.steps, learner.mask

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

    def key(self, state: Kept) -> Tensor:
        return self.learner.key(state.inner)


def generator(key: Tensor, salt: int = 0) -> Generator:
    """The random numbers of one context of a life, for one purpose."""
    seed, context = key.tolist()
    return Generator().manual_seed((seed << 24) + (context << 4) + salt)


def inputs(x: Tensor, like: Tensor) -> Tensor:
    """Pictures as a net reads them: bytes become numbers from 0 to 1."""
    return x.to(like.dtype).div_(255) if x.dtype == torch.uint8 else x
