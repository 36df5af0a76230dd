"""Deep generative replay (Shin et al., 2017): a scholar is a generator of the past and a solver that labels it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
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
from quickstudy.nets.wgan import WGAN, wgan
from quickstudy.rules import adam
from quickstudy.rules.rule import Rule, Weights

CRITIC_STEPS = 5  # for each of the generator


class Scholar(NamedTuple):
    """A generator that has learned some contexts."""

    weights: Weights
    memory: Any  # the rule's


class Generated(Memory[Scholar]):
    """A generator that learns every context beside its own samples of the earlier ones: in the t-th context a real
    example counts 1/t, and one that it drew as it was before this context 1 - 1/t. ``told`` is called after a step, or
    with the number of steps that were recalled."""

    told: Callable[..., object] | None = None

    def __init__(self, net: VAE | WGAN, rule: Rule, *, steps: int, batch: int) -> None:
        super().__init__()
        if min(steps, batch) < 1:
            raise ValueError(f"steps and batch are at least 1, got {steps} and {batch}")
        self.net, self.rule, self.steps, self.batch = net.requires_grad_(False), rule, steps, batch

    def extra_repr(self) -> str:
        return f"steps={self.steps}, batch={self.batch}"

    def draw(self, state: Scholar, count: int, batch: Examples, rng: Generator) -> Examples:
        return Examples(self.sample(state, count, rng))

    def sample(self, state: Scholar, count: int, rng: Generator) -> Tensor:
        """(count, *shape) pictures."""
        with torch.no_grad():
            weights = {f"net.{name}": w for name, w in state.weights.items()}
            return functional_call(Decoder(self.net), weights, (self.net.noise(count, rng),))

    def add(self, state: Scholar, support: Examples, contexts: int, rng: Generator) -> Scholar:
        weights, memory = tree.map(lambda leaf: leaf.detach().clone(), (state.weights, state.memory))
        live = {name: w.requires_grad_() for name, w in weights.items()}
        with torch.no_grad():
            for step in range(self.steps):
                x, share = self._mixed(state, support, contexts, rng)
                memory = self._step(live, memory, x, share, step, rng)
                if self.told is not None:
                    self.told()
        for w in weights.values():
            w.requires_grad_(False)
        return Scholar(weights, memory)

    def _mixed(self, state: Scholar, support: Examples, contexts: int, rng: Generator) -> tuple[Tensor, Tensor]:
        """Pictures of the present and of the past, and how much each counts, which adds up to 1."""
        some = torch.randint(len(support.x), (self.batch,), generator=rng).to(support.x.device)
        x = inputs(support.x[some], next(iter(state.weights.values())))
        present = x.new_full((len(x),), 1 / contexts / len(x))
        if contexts == 1:
            return x, present
        past = self.sample(state, self.batch, rng)
        return torch.cat([x, past]), torch.cat([present, present * (contexts - 1)])

    def _moved(self, live: Weights, memory: Any, given: Sequence[Any], names: Sequence[str]) -> Any:
        """The rule's memory after a step of these weights on what the net says to these inputs."""
        some = {name: live[name] for name in names}
        with torch.enable_grad():
            value = functional_call(self.net, live, tuple(given))
            grads = torch.autograd.grad(value, list(some.values()))
        return self.rule.move(dict(zip(some, grads, strict=True)), memory, some, value.detach())

    @abstractmethod
    def _step(self, live: Weights, memory: Any, x: Tensor, share: Tensor, step: int, rng: Generator) -> Any:
        """The rule's memory after one step, which changes the weights in place."""


class Autoencoded(Generated):
    """A variational autoencoder."""

    def init(self, way: int) -> Scholar:
        weights = {name: w.detach().clone() for name, w in self.net.named_parameters()}
        return Scholar(weights, self.rule.init(weights))

    def _step(self, live: Weights, memory: Any, x: Tensor, share: Tensor, step: int, rng: Generator) -> Any:
        return self._moved(live, memory, (x, self.net.noise(len(x), rng), share), list(live))


class Adversarial(Generated):
    """A generator against a critic, which makes five steps to one of the generator."""

    def init(self, way: int) -> Scholar:
        weights = {name: w.detach().clone() for name, w in self.net.named_parameters()}
        return Scholar(weights, {part: self.rule.init(_of(part, weights)) for part in ("critic", "generator")})

    def _step(self, live: Weights, memory: Any, x: Tensor, share: Tensor, step: int, rng: Generator) -> Any:
        part = "critic" if (step + 1) % (CRITIC_STEPS + 1) else "generator"
        between = torch.rand(len(x), generator=rng).to(x)
        given = (part, self.net.noise(len(x), rng), x, share, between)
        return memory | {part: self._moved(live, memory[part], given, list(_of(part, live)))}


class Decoder(nn.Module):
    """A generator's other direction."""

    def __init__(self, net: VAE | WGAN) -> None:
        super().__init__()
        self.net = net

    def forward(self, z: Tensor) -> Tensor:
        return self.net.decode(z)


def _of(part: str, weights: Weights) -> Weights:
    return {name: w for name, w in weights.items() if name.startswith(f"{part}.")}


def generative(
    learner: Stepwise,
    shape: tuple[int, int, int],
    *,
    generator: str = "vae",
    widths: Sequence[int] = (400, 400),
    latent: int = 100,
    steps: int = 2000,
    batch: int = 128,
    rate: float = 1e-3,
    temperature: float | None = None,
) -> Replay:
    """Around a learner that takes steps: a ``"vae"``, or a ``"gan"`` with gradient penalty (whose rate is a tenth, and
    whose betas are 0.5 and 0.9), draws the past, and the learner as it was before this context labels it; with a
    ``temperature`` (2 as published), by distillation."""
    if generator not in ("vae", "gan"):
        raise ValueError(f"the generator is vae or gan, got {generator!r}")
    memory: Generated
    if generator == "vae":
        memory = Autoencoded(vae(shape, widths=widths, latent=latent), adam(rate), steps=steps, batch=batch)
    else:
        rule = adam(rate / 10, betas=(0.5, 0.9))
        memory = Adversarial(wgan(shape, widths=widths, latent=latent), rule, steps=steps, batch=batch)
    return Replay(learner, memory, temperature=temperature)
