"""Learning by gradient descent inside a task: the base of MAML and its relatives, and of fine-tuning."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn

from quickstudy import tree
from quickstudy.core import (
    Examples,
    Objective,
    QueryLoss,
    cross_entropy,
    mapped,
    mask_unseen,
    one_hot,
    squared_error,
)
from quickstudy.learners.inner import MANY, ONE, Inner, Loss
from quickstudy.learners.stepwise import Change, StepObjective, Stepwise, generator, inputs
from quickstudy.nets.heads import Head, Whole
from quickstudy.nets.norm import BatchNorm, noted, reading, statistics
from quickstudy.nets.stacked import stackable
from quickstudy.rules.rule import Rule, Weights


class Adapted(NamedTuple):
    """What one task has made of the slow weights."""

    weights: Weights  # those that adapt: "net...." and "head...."
    memory: Any  # the rule's: momentum, moments, cells
    statistics: Weights  # of the support, for normalization by them
    seen: Tensor  # (way,) examples of each class; of a regression, examples


class Gradient(Stepwise[Adapted]):
    """Slow: the weights to start from, and the rule's own. Fast: the adapted weights, and the rule's memory.

    ``adapt`` takes ``steps`` steps of ``rule`` on the loss of the support, ``test_steps`` in ``eval()``; each reads
    all of the support or the next ``batch`` examples of it, round and round; with ``epochs`` a step is one round, in
    parts of at most ``batch``. Only weights whose name begins with one of ``only`` (on dot boundaries) adapt; the
    others stay as the slow weights are. ``values`` regresses by squared error instead of classifying. ``proximal`` adds
    proximal/2 · |w - slow w|² to the loss of the support.

    Batch normalization that is calibrated normalizes queries by its frozen statistics, and in ``adapt`` uses the
    statistics of the examples read, as in training; but the frozen ones where no weight of the net adapts, and where
    ``frozen_norm`` says so, as after a training without adaptation.
    """

    mask = "seen"
    seed = 0

    def __init__(
        self,
        net: nn.Module,
        head: Head,
        rule: Rule,
        *,
        steps: int,
        test_steps: int | None = None,
        batch: int | None = None,
        epochs: bool = False,
        only: Sequence[str] = ("net", "head"),
        frozen_norm: bool = False,
        values: bool = False,
        proximal: float = 0.0,
    ) -> None:
        super().__init__()
        if min(count for count in (steps, test_steps, batch) if count is not None) < 1:
            raise ValueError(f"steps and batch are at least 1, got steps {steps}, test {test_steps}, batch {batch}")
        if not proximal >= 0:
            raise ValueError(f"proximal is at least 0, got {proximal}")
        self.net, self.head, self.rule = net, head, rule
        self.steps, self.test_steps, self.batch = steps, test_steps or steps, batch
        self.epochs = epochs
        self.only = tuple(only)
        self.values = values
        self.proximal = proximal
        adapts = bool(self._fast_net())
        self.by_batch = adapts and not frozen_norm
        self.ordered = batch is not None
        self.padded = batch is None and not (self.by_batch and any(isinstance(m, BatchNorm) for m in net.modules()))
        self.stacked = stackable(net)
        self.together = self.stacked and not adapts
        if not (any(_begins(one, ["head"]) for one in self.only) or adapts):
            raise ValueError(f"no weight is called {' or '.join(self.only)}; nothing would adapt")

    def init(self, way: int) -> Adapted:
        like = next(self.parameters(), torch.empty(0))
        weights = self._start(way, like)
        return Adapted(weights, self.rule.init(weights), statistics(self.net), like.new_zeros(way))

    def adapt(self, state: Adapted, support: Examples, change: Change | None = None) -> Adapted:
        return self._adapt(ONE, state, support._replace(x=inputs(support.x, state.seen)), change)

    def predict(self, state: Adapted, x: Tensor) -> Tensor:
        return self._predict(ONE, state, x)

    def adapt_all(self, support: Examples, way: int) -> Adapted:
        if not self.stacked:
            return super().adapt_all(support, way)
        start = tree.map(lambda leaf: leaf.expand(len(support.x), *leaf.shape), self.init(way))
        return self._adapt(MANY, start, support)

    def predict_all(self, states: Adapted, x: Tensor) -> Tensor:
        single = len(x) == 1 or not self.stacked
        return super().predict_all(states, x) if single else self._predict(MANY, states, x)

    def objective(self, way: int) -> Objective:
        return QueryLoss(way, squared_error if self.values else cross_entropy)

    @property
    def embed(self) -> nn.Module:
        """The net, by the name that it has in learners that compare features."""
        return self.net

    def features(self, state: Adapted, x: Tensor) -> Tensor:
        """(n, features) of the adapted net."""
        return self._features(ONE, state, x)

    def features_all(self, states: Adapted, x: Tensor) -> Tensor:
        """(t, n, features) from stacked states for x of (t, n, *shape)."""
        if not self.stacked:
            return mapped(lambda pair: self.features(*pair), (states, x))
        return self._features(MANY, states, x)

    def support_loss(self, state: Adapted, support: Examples) -> Loss:
        """What adapting to this support lowers, proximal term included, as a function of the weights that adapt.
        ``state``: after it, since a class that was not seen has no part in it."""
        return self._support_loss(ONE, state, support)

    def support_losses(self, states: Adapted, support: Examples) -> Loss:
        """The same of stacked tasks: (t,) losses from stacked weights."""
        if self.stacked:
            return self._support_loss(MANY, states, support)
        return lambda weights: mapped(lambda one: self.support_loss(*one[:2])(one[2]), (states, support, weights))

    def settled(self, states: Adapted, weights: Weights, support: Examples) -> Adapted:
        """Stacked states with other weights, and with the statistics that the supports have under them."""
        if not states.statistics:
            return states._replace(weights=weights)
        return mapped(lambda group: self._settled(*group), (states, weights, support))

    def _settled(self, state: Adapted, weights: Weights, support: Examples) -> Adapted:
        real = self._real(support, state.seen.shape[-1])
        return state._replace(weights=weights, statistics=self._measured(ONE, state, weights, support.x, real))

    def _support_loss(self, inner: Inner, state: Adapted, support: Examples) -> Loss:
        def loss(weights: Weights) -> Tensor:
            real = self._real(support, state.seen.shape[-1])
            given = support if self._fast_net() else self._embedded(inner, support, real)
            with self._reading(real):
                return self._loss(inner, given, state.seen)(weights)

        return loss

    def _adapt(self, inner: Inner, state: Adapted, support: Examples, change: Change | None = None) -> Adapted:
        if not support.x.shape[inner.axis]:
            return state
        real = self._real(support, state.seen.shape[-1])  # (..., n)
        seen = state.seen.to(support.x) + self._count(support, real, state.seen.shape[-1])
        weights, memory = state.weights, state.memory
        given = support if self._fast_net() else self._embedded(inner, support, real)
        slope = self._changed(seen, change) if change else self._slope(inner, seen)
        for part in self._parts(real.shape[-1]):
            some = (slice(None),) * inner.axis + (part,)
            with self._reading(real[some]):
                grads, value = slope(tree.index(given, some), weights)
            weights, memory = inner.update(self.rule, grads, memory, weights, value)
        return Adapted(weights, memory, self._measured(inner, state, weights, support.x, real), seen)

    def _slope(self, inner: Inner, seen: Tensor) -> Callable[[Examples, Weights], tuple[Weights, Tensor]]:
        return lambda part, weights: inner.slope(self._loss(inner, part, seen), weights)

    def _changed(self, seen: Tensor, change: Change) -> Callable[[Examples, Weights], tuple[Weights, Tensor]]:
        """That of what a wrapper makes of the loss, through which nobody differentiates."""
        if not self._fast_net():
            raise ValueError("only the head adapts here; wrap a learner whose net adapts, such as maml or reptile")
        objective, rng = change(SupportLoss(self, seen)), generator(self.seed, int(seen.sum()))

        def slope(part: Examples, weights: Weights) -> tuple[Weights, Tensor]:
            return objective.slope({name: w.detach().requires_grad_() for name, w in weights.items()}, part, rng)

        return slope

    def weights(self, state: Adapted) -> Weights:
        return {name: w.detach() for name, w in state.weights.items()}

    def module(self, way: int) -> nn.Module:
        return Whole(self.net, self.head, way)

    def choices(self, state: Adapted, y: Tensor) -> Tensor:
        return (state.seen > 0).expand(len(y), -1)

    def counts(self, state: Adapted) -> Tensor:
        return state.seen

    def _predict(self, inner: Inner, state: Adapted, x: Tensor) -> Tensor:
        said = self._said(state.weights, self._features(inner, state, x), state.seen.shape[-1])
        return said if self.values else mask_unseen(said, state.seen.to(said))

    def _features(self, inner: Inner, state: Adapted, x: Tensor) -> Tensor:
        return inner.run(self.net, _under("net", state.weights) | state.statistics, x)

    def _reading(self, real: Tensor) -> AbstractContextManager[None]:
        return reading(self.net, real, by_batch=self.by_batch)

    def _embedded(self, inner: Inner, support: Examples, real: Tensor) -> Examples:
        """The features in place of the inputs, computed once where the net stays as it is."""
        with self._reading(real):
            return Examples(inner.run(self.net, {}, support.x), support.y)

    def _real(self, support: Examples, way: int) -> Tensor:
        """(..., n) which examples are no padding."""
        if self.values:
            return support.y.isfinite().all(-1)
        return (support.y >= 0) & (support.y < way)

    def _count(self, support: Examples, real: Tensor, way: int) -> Tensor:
        """(..., way) examples of each class; (..., 1) examples of a regression."""
        return real.sum(-1, keepdim=True) if self.values else one_hot(support.y, way, support.x.dtype).sum(-2)

    def _loss(self, inner: Inner, part: Examples, seen: Tensor) -> Loss:
        """The loss of these examples as a function of the weights that adapt."""
        adapts = bool(self._fast_net())
        start = self._start(seen.shape[-1], part.x) if self.proximal else {}

        def loss(weights: Weights) -> Tensor:
            z = inner.run(self.net, _under("net", weights), part.x) if adapts else part.x
            said = self._said(weights, z, seen.shape[-1])
            fit = squared_error(said, part.y) if self.values else cross_entropy(mask_unseen(said, seen), part.y)
            return fit + self.proximal / 2 * _distance(weights, start, inner.axis) if start else fit

        return loss

    def _start(self, way: int, like: Tensor) -> Weights:
        """The weights before any data."""
        head = {f"head.{name}": weight for name, weight in self.head.start(way, like).items()}
        return self._fast_net() | {name: weight for name, weight in head.items() if _begins(name, self.only)}

    def _said(self, weights: Weights, z: Tensor, way: int) -> Tensor:
        own = _under("head", weights)
        return self.head(z, own if "head" in self.only else self.head.start(way, z) | own)

    def _measured(self, inner: Inner, state: Adapted, weights: Weights, x: Tensor, real: Tensor) -> Weights:
        """The statistics of the support under the adapted weights, where they are asked for."""
        if not state.statistics:
            return {}
        with self._reading(real):
            inner.run(self.net, _under("net", weights), x)
            return noted(self.net)

    def _fast_net(self) -> Weights:
        named = {f"net.{name}": weight for name, weight in self.net.named_parameters()}
        return {name: weight for name, weight in named.items() if _begins(name, self.only)}

    def _parts(self, n: int) -> Iterator[slice | list[int]]:
        """Which examples each step reads."""
        for step in range(self.steps if self.training else self.test_steps):
            if self.batch is None:
                yield slice(None)
            elif self.epochs:
                yield from (slice(first, first + self.batch) for first in range(0, n, self.batch))
            else:
                yield [i % n for i in range(step * self.batch, (step + 1) * self.batch)]


class SupportLoss(StepObjective):
    """The loss of some examples as a wrapper may change it."""

    def __init__(self, learner: Gradient, seen: Tensor) -> None:
        self.learner, self.seen = learner, seen

    def __call__(self, weights: Weights, batch: Examples, rng: Generator) -> Tensor:
        return self.learner._loss(ONE, batch, self.seen)(weights)


def _under(part: str, weights: Weights) -> Weights:
    """The weights of a part, by their names in it."""
    return {name[len(part) + 1 :]: weight for name, weight in weights.items() if name.startswith(f"{part}.")}


def _distance(weights: Weights, start: Weights, axis: int) -> Tensor:
    """The squared distance of all weights: one number, or (t,) with an axis of tasks."""
    squares = [(weights[name] - w).square().flatten(axis).sum(-1) for name, w in start.items()]
    return torch.stack(squares).sum(0)


def _begins(name: str, prefixes: Sequence[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)
