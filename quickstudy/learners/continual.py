"""Gradient descent over a life of contexts: what EWC, MAS, SI and replay change, and itself the naive lower bound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call

from quickstudy import tree
from quickstudy.core import Examples, cross_entropy, mask_unseen, one_hot
from quickstudy.learners.stepwise import Change, StepObjective, Stepwise, generator, inputs
from quickstudy.nets.heads import Drawn, Whole
from quickstudy.nets.mlp import mlp
from quickstudy.rules import adam
from quickstudy.rules.rule import Rule, Weights

MASKS = ("all", "seen", "own")


class Life(NamedTuple):
    """What the contexts so far have made of the first weights."""

    weights: Weights  # "net...." and "head...."
    memory: Any  # the rule's
    seen: Tensor  # (way,) examples of each class
    context: Tensor  # (way,) int64, the number of the context in which a class came first; -1 for none yet
    contexts: Tensor  # () int64, so far


class Continual(Stepwise[Life]):
    """Slow: nothing; the first weights are drawn once. Fast: all weights, and the rule's memory.

    ``adapt`` takes ``steps`` steps of ``rule`` on random batches of ``batch`` examples of the context, in place: nobody
    differentiates through them. ``mask`` says among which classes an example is told in training: ``"all"``, those
    ``"seen"`` so far, or those of its ``"own"`` context. Pictures may be given as uint8: they are then divided by 255.
    """

    random = True

    def __init__(
        self, net: nn.Module, features: int, rule: Rule, *, steps: int, batch: int, mask: str = "seen", seed: int = 0
    ) -> None:
        super().__init__()
        if min(steps, batch) < 1:
            raise ValueError(f"steps and batch are at least 1, got {steps} and {batch}")
        if mask not in MASKS:
            raise ValueError(f"the training mask is one of {', '.join(MASKS)}, got {mask!r}")
        self.net, self.head, self.rule = net.requires_grad_(False), Drawn(features, seed=seed), rule
        self.steps, self.batch, self.mask, self.seed = steps, batch, mask, seed

    def init(self, way: int) -> Life:
        like = next(self.parameters(), torch.empty(0))
        head = self.head.start(way, like)
        weights = {f"net.{name}": w.detach().clone() for name, w in self.net.named_parameters()}
        weights |= {f"head.{name}": w for name, w in head.items()}
        nothing, none = like.new_zeros(way), torch.zeros((), dtype=torch.int64, device=like.device)
        return Life(weights, self.rule.init(weights), nothing, torch.full_like(nothing, -1, dtype=torch.int64), none)

    def adapt(self, state: Life, support: Examples, change: Change | None = None) -> Life:
        like = next(iter(state.weights.values()))
        weights, memory = tree.map(lambda leaf: leaf.detach().clone(), (state.weights, state.memory))
        seen = state.seen + one_hot(support.y, len(state.seen), like.dtype).sum(0)
        context = torch.where((state.context < 0) & (seen > 0), state.contexts, state.context)
        after = Life(weights, memory, seen, context, state.contexts + 1)
        rows = (support.y >= 0).nonzero()[:, 0]
        if not len(rows):
            return after
        rng = generator(self.seed, int(state.contexts))
        objective: StepObjective = Fit(self, after)
        objective = change(objective) if change else objective
        return after._replace(memory=self._descend(objective, weights, memory, support, rows, rng))

    def _descend(
        self, objective: StepObjective, weights: Weights, memory: Any, support: Examples, rows: Tensor, rng: Generator
    ) -> Any:
        """The rule's memory after the steps, which change the weights in place."""
        live = {name: w.requires_grad_() for name, w in weights.items()}
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(rng.initial_seed())  # what a net draws itself, as dropout does
            for _ in range(self.steps):
                some = rows[torch.randint(len(rows), (self.batch,), generator=rng).to(rows.device)]
                batch = Examples(inputs(support.x[some], live["head.weight"]), support.y[some])
                grads, loss = objective.slope(live, batch, rng)
                memory = self.rule.move(grads, memory, live, loss)
        for w in weights.values():
            w.requires_grad_(False)
        return memory

    def predict(self, state: Life, x: Tensor) -> Tensor:
        logits = self.logits(state.weights, inputs(x, state.weights["head.weight"]))
        return mask_unseen(logits, state.seen.to(logits))

    def logits(self, weights: Weights, x: Tensor) -> Tensor:
        """(n, way) of all classes, seen or not."""
        net = {name[4:]: w for name, w in weights.items() if name.startswith("net.")}
        head = {name[5:]: w for name, w in weights.items() if name.startswith("head.")}
        return self.head(functional_call(self.net, net, (x,)), head)

    def weights(self, state: Life) -> Weights:
        return state.weights

    def module(self, way: int) -> nn.Module:
        return Whole(self.net, self.head, way)

    def choices(self, state: Life, y: Tensor) -> Tensor:
        if self.mask == "own":
            return state.context[y.clamp_min(0)][:, None] == state.context
        allowed = state.seen > 0 if self.mask == "seen" else torch.ones_like(state.seen, dtype=torch.bool)
        return allowed.expand(len(y), -1)

    def counts(self, state: Life) -> Tensor:
        return state.seen


class Fit(StepObjective):
    """The cross-entropy of a batch among the classes that the mask lets through."""

    def __init__(self, learner: Continual, state: Life) -> None:
        self.learner, self.state = learner, state

    def __call__(self, weights: Weights, batch: Examples, rng: Generator) -> Tensor:
        logits = self.learner.logits(weights, batch.x)
        allowed = self.learner.choices(self.state, batch.y)
        return cross_entropy(logits.masked_fill(~allowed, -torch.inf), batch.y)


def continual(
    shape: tuple[int, int, int],
    *,
    widths: Sequence[int] = (400, 400),
    normalization: str = "none",
    steps: int = 2000,
    batch: int = 128,
    rate: float = 1e-3,
    mask: str = "seen",
    seed: int = 0,
) -> Continual:
    """The fully connected net with which Split MNIST is published (van de Ven & Tolias, 2019), and Adam."""
    net = mlp(shape, widths=widths, normalization=normalization)
    return Continual(net, net.features, adam(rate), steps=steps, batch=batch, mask=mask, seed=seed)
