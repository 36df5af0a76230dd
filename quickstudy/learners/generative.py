"""Deep generative replay (Shin et al., 2017): a scholar is a generator of the past and a solver that labels it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call

from quickstudy import tree
from quickstudy.core import Examples
from quickstudy.learners.memory import Memory
from quickstudy.learners.replay import Replay
from quickstudy.learners.stepwise import Stepwise, inputs
from quickstudy.nets.vae import VAE, vae
from quickstudy.rules import adam
from quickstudy.rules.rule import Rule, Weights


class Scholar(NamedTuple):
    """A generator that has learned some contexts."""

    weights: Weights
    memory: Any  # the rule's


class Generated(Memory[Scholar]):
    """A generator that learns every context beside its own samples of the earlier ones: in the t-th context, its loss
    is 1/t · of real examples + (1 - 1/t) · of what it drew before this context."""

    def __init__(self, net: VAE, rule: Rule, *, steps: int, batch: int) -> None:
        super().__init__()
        if min(steps, batch) < 1:
            raise ValueError(f"steps and batch are at least 1, got {steps} and {batch}")
        self.net, self.rule, self.steps, self.batch = net.requires_grad_(False), rule, steps, batch

    def init(self, way: int) -> Scholar:
        weights = {name: w.detach().clone() for name, w in self.net.named_parameters()}
        return Scholar(weights, self.rule.init(weights))

    def draw(self, state: Scholar, count: int, batch: Examples, rng: Generator) -> Examples:
        return Examples(self.sample(state, count, rng))

    def sample(self, state: Scholar, count: int, rng: Generator) -> Tensor:
        """(count, *shape) pictures."""
        with torch.no_grad():
            return functional_call(Decoder(self.net), _under(state.weights), (self.net.noise(count, rng),))

    def add(self, state: Scholar, support: Examples, contexts: int, rng: Generator) -> Scholar:
        weights, memory = tree.map(lambda leaf: leaf.detach().clone(), (state.weights, state.memory))
        live = {name: w.requires_grad_() for name, w in weights.items()}
        with torch.no_grad():
            for _ in range(self.steps):
                some = torch.randint(len(support.x), (self.batch,), generator=rng).to(support.x.device)
                x = inputs(support.x[some], live["ink.weight"])
                parts = [(x, 1 / contexts)]
                if contexts > 1:
                    parts.append((self.sample(state, self.batch, rng), 1 - 1 / contexts))
                grads, value = self._slope(live, parts, rng)
                memory = self.rule.move(grads, memory, live, value)
        for w in weights.values():
            w.requires_grad_(False)
        return Scholar(weights, memory)

    def _slope(self, live: Weights, parts: Sequence[tuple[Tensor, float]], rng: Generator) -> tuple[Weights, Tensor]:
        """Of real and drawn examples at once, each with its share."""
        x = torch.cat([part for part, _ in parts])
        share = torch.cat([torch.full((len(part),), by / len(part)) for part, by in parts]).to(x)
        with torch.enable_grad():
            value = (share * functional_call(self.net, live, (x, self.net.noise(len(x), rng)))).sum()
            grads = torch.autograd.grad(value, list(live.values()))
        return dict(zip(live, grads, strict=True)), value.detach()


class Decoder(nn.Module):
    """A generator's other direction."""

    def __init__(self, net: VAE) -> None:
        super().__init__()
        self.net = net

    def forward(self, z: Tensor) -> Tensor:
        return self.net.decode(z)


def _under(weights: Weights) -> Weights:
    return {f"net.{name}": w for name, w in weights.items()}


def generative(
    learner: Stepwise,
    shape: tuple[int, int, int],
    *,
    widths: Sequence[int] = (400, 400),
    latent: int = 100,
    steps: int = 2000,
    batch: int = 128,
    rate: float = 1e-3,
    temperature: float | None = None,
) -> Replay:
    """Around a learner that takes steps: a variational autoencoder draws the past, and the learner as it was before
    this context labels it; with a ``temperature`` (2 as published), by distillation."""
    memory = Generated(vae(shape, widths=widths, latent=latent), adam(rate), steps=steps, batch=batch)
    return Replay(learner, memory, temperature=temperature)
