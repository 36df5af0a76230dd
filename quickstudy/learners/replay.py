"""Replay: the past is learned again with the present (Robins, 1995; Shin et al., 2017)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor
from torch.func import functional_call

from quickstudy.core import Examples, one_hot
from quickstudy.learners.memory import Exact, Memory, Noise
from quickstudy.learners.stepwise import Around, Change, Kept, StepObjective, Stepwise, both, kept
from quickstudy.nets.importance import evaluating
from quickstudy.rules.rule import Weights


class Replay(Around):
    """Slow: nothing of its own. Fast: the state of what it wraps, and that of a memory (``past``).

    In the t-th context the loss is 1/t · of the present + (1 - 1/t) · of as many examples that the memory draws. Where
    it does not know their classes, the learner as it was before this context tells them: the likeliest class, or,
    with a ``temperature`` T, all probabilities of logits / T, times T² (distillation; Hinton et al., 2015): a sum over
    classes, or with ``averaged`` a mean, as van de Ven & Tolias (2018) have it, which weighs less the more there are.
    """

    def __init__(
        self, learner: Stepwise, memory: Memory, *, temperature: float | None = None, averaged: bool = False
    ) -> None:
        super().__init__(learner)
        if temperature is not None and not temperature > 0:
            raise ValueError(f"a temperature is above 0, got {temperature}")
        if temperature is not None and memory.labelled:
            raise ValueError("these examples have their own labels, and no learner to distil; leave temperature out")
        self.memory, self.temperature, self.averaged = memory, temperature, averaged

    def init(self, way: int) -> Kept:
        return kept(self.learner.init(way), self.memory.init(way))

    def adapt(self, state: Kept, support: Examples, change: Change | None = None) -> Kept:
        contexts = int(state.contexts) + 1
        old = bool((self.counts(state) > 0).any())

        def replayed(objective: StepObjective) -> StepObjective:
            return objective.inside(lambda fit: Mixed(fit, self, state, support, 1 / contexts)) if old else objective

        inner = self.learner.adapt(state.inner, support, both(replayed, change))
        real = Examples(support.x[support.y >= 0], support.y[support.y >= 0])
        if not len(real.x):
            return Kept(inner, state.past, state.contexts)
        past = self.memory.add(state.past, real, contexts, self.rng(state, salt=2))
        return Kept(inner, past, state.contexts + 1)


class Mixed(StepObjective):
    """The present and the past, by their shares."""

    def __init__(self, objective: StepObjective, learner: Replay, state: Kept, support: Examples, share: float) -> None:
        self.objective, self.share = objective, share
        self.memory, self.past = learner.memory, state.past
        self.temperature, self.averaged = learner.temperature, learner.averaged
        way = len(learner.counts(state))
        self.teacher, self.taught = learner.module(way), learner.weights(state)
        self.groups = groups(learner, state, support)

    def __call__(self, weights: Weights, batch: Examples, rng: Generator) -> Tensor:
        present = self.share * self.objective(weights, batch, rng)
        drawn = self.memory.draw(self.past, len(batch.x), batch, rng)
        old = self.objective(weights, drawn, rng) if self.memory.labelled else self._taught(weights, drawn.x)
        return present + (1 - self.share) * old

    def _taught(self, weights: Weights, x: Tensor) -> Tensor:
        """What the learner before this context said of x, as the loss of these weights."""
        with torch.no_grad(), evaluating(self.teacher):
            said = functional_call(self.teacher, self.taught, (x,))
        logits = functional_call(self.teacher, weights, (x,))
        losses = [self._imitated(logits, said, old, new) for old, new in self.groups]
        return torch.stack(losses).mean()

    def _imitated(self, logits: Tensor, said: Tensor, old: Tensor, new: Tensor) -> Tensor:
        """``old``: the classes that the teacher may say, ``new``: those that the learner may."""
        t = self.temperature or 1.0
        hidden = logits.masked_fill(~new, -torch.inf)
        log_p = (hidden / t).log_softmax(1)
        if self.temperature is None:
            answers = said.masked_fill(~old, -torch.inf).argmax(1)
            return -log_p.gather(1, answers[:, None]).mean()
        p = (said.masked_fill(~old, -torch.inf) / t).softmax(1)
        loss = -t * t * (p * log_p.masked_fill(~old, 0.0)).sum(1).mean()
        return loss / new.sum() if self.averaged else loss


def groups(learner: Stepwise, state: Any, support: Examples) -> list[tuple[Tensor, Tensor]]:
    """For each question that the past is asked: the (way,) classes that the teacher may say, and the learner."""
    old = learner.counts(state) > 0
    if learner.mask == "own":
        rows = learner.choices(state, old.nonzero()[:, 0]).unique(dim=0)
        return [(row, row) for row in rows]
    now = one_hot(support.y, len(old)).sum(0) > 0
    return [(old, old | now if learner.mask == "seen" else torch.ones_like(old))]


def replay(
    learner: Stepwise, *, capacity: int | None = 1000, budget: int | None = None, policy: str = "balanced"
) -> Replay:
    """Around a learner that takes steps: real examples, at most ``capacity``, or as fit ``budget`` bytes."""
    return Replay(learner, Exact(capacity=None if budget else capacity, budget=budget, policy=policy))


def noise(learner: Stepwise, *, temperature: float | None = None) -> Replay:
    """Around a learner that takes steps: the control, noise labelled by the old learner."""
    return Replay(learner, Noise(), temperature=temperature)
