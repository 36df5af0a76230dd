"""Penalties for a training loop of one's own, around any PyTorch module that makes (n, way) logits: two lines.

    penalty = penalties.ewc(model, strength=1e5)
    for task in tasks:
        for x, y in task:
            loss = F.cross_entropy(model(x), y) + penalty()     # one
            ...
        penalty.consolidate(x_of_the_task)                      # two

They are what ``learners.ewc``, ``learners.mas`` and ``learners.si`` add to their loss, and hold the same tensors. That
of synaptic intelligence watches the optimizer instead of reading examples: ``penalties.si(model, optimizer)``, and
``penalty.consolidate()``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Generator, Tensor, nn

from quickstudy.learners.ewc import FISHERS, check_decay, fisher
from quickstudy.learners.mas import sensitivity
from quickstudy.learners.quadratic import Quadratic, nothing
from quickstudy.learners.si import grown
from quickstudy.rules.rule import Weights


class Penalty:
    """½ · strength · Σ importance · (w - anchor)² over the model's parameters that are trained; 0 before the first
    ``consolidate``. ``quadratic`` holds it, in tensors by name."""

    def __init__(self, model: nn.Module, strength: float) -> None:
        if not strength >= 0:
            raise ValueError(f"the strength of a penalty is at least 0, got {strength}")
        self.model, self.strength = model, strength
        self.quadratic = nothing(self._weights())

    def __call__(self) -> Tensor:
        """What to add to the loss: a scalar that can be differentiated."""
        return self.strength * self.quadratic.value(self._weights())

    def _weights(self) -> Weights:
        return {name: w for name, w in self.model.named_parameters() if w.requires_grad}


class Measured(Penalty, ABC):
    """A penalty whose importances are measured on examples."""

    def consolidate(self, x: Tensor, y: Tensor | None = None) -> None:
        """To be called after a task, with its examples: (n, *shape), and labels (n,) where they are read. The model's
        mode, its buffers and its gradients stay as they are."""
        live = self._weights()
        weights = {name: w.detach() for name, w in live.items()}
        self.quadratic = self._kept(self._measure(weights, x, y), weights)

    @abstractmethod
    def _measure(self, weights: Weights, x: Tensor, y: Tensor | None) -> Weights: ...

    @abstractmethod
    def _kept(self, importance: Weights, weights: Weights) -> Quadratic: ...


class EWCPenalty(Measured):
    """By the Fisher information (Kirkpatrick et al., 2017); see ``learners.ewc.EWC``."""

    def __init__(
        self, model: nn.Module, strength: float, *, fisher: str, online: bool, decay: float, seed: int
    ) -> None:
        super().__init__(model, strength)
        if fisher not in FISHERS:
            raise ValueError(f"the Fisher information is {', '.join(FISHERS)}, got {fisher!r}")
        check_decay(decay, online)
        self.fisher, self.online, self.decay = fisher, online, decay
        self.rng = Generator().manual_seed(seed)

    def _measure(self, weights: Weights, x: Tensor, y: Tensor | None) -> Weights:
        return fisher(self.model, weights, x, y, kind=self.fisher, rng=self.rng)

    def _kept(self, importance: Weights, weights: Weights) -> Quadratic:
        if self.online:
            return self.quadratic.moved(importance, weights, decay=self.decay)
        return self.quadratic.plus(importance, weights)


class MASPenalty(Measured):
    """By how much the answers move (Aljundi et al., 2018), without labels; see ``learners.mas.MAS``."""

    def _measure(self, weights: Weights, x: Tensor, y: Tensor | None) -> Weights:
        return sensitivity(self.model, weights, x)

    def _kept(self, importance: Weights, weights: Weights) -> Quadratic:
        return self.quadratic.moved(importance, weights)


class SIPenalty(Penalty):
    """By how much each weight's way lowered the loss (Zenke, Poole & Ganguli, 2017); see ``learners.si.SI``. At every
    step of the optimizer it reads the gradients that the step descends, less its own share of them."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, strength: float, *, damping: float) -> None:
        super().__init__(model, strength)
        if not damping > 0:
            raise ValueError(f"the damping is above 0, got {damping}")
        self.damping = damping
        self._begin()
        optimizer.register_step_pre_hook(self._before)
        optimizer.register_step_post_hook(self._after)

    def consolidate(self) -> None:
        """To be called after a task. The next begins here."""
        weights = {name: w.detach() for name, w in self._weights().items()}
        self.quadratic = grown(self.quadratic, self._work, self._start, weights, self.damping)
        self._begin()

    def _begin(self) -> None:
        self._start = {name: w.detach().clone() for name, w in self._weights().items()}
        self._work = {name: torch.zeros_like(w) for name, w in self._start.items()}

    def _before(self, optimizer: torch.optim.Optimizer, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        if any(closure is not None for closure in (*given[1:], *named.values())):
            raise ValueError("steps with a closure compute gradients on the way, which cannot be read; use backward()")
        with torch.no_grad():
            live = self._weights()
            pull = {name: torch.zeros_like(w) for name, w in live.items()}
            self.quadratic.add_slope(pull, live, self.strength)
            self._grads = {name: w.grad - pull[name] for name, w in live.items() if w.grad is not None}
            self._from = {name: w.detach().clone() for name, w in live.items()}

    def _after(self, *_: Any) -> None:
        with torch.no_grad():
            live = self._weights()
            for name, grad in self._grads.items():
                self._work[name].addcmul_(grad, live[name] - self._from[name], value=-1)


def ewc(
    model: nn.Module,
    *,
    strength: float,
    fisher: str = "exact",
    online: bool = False,
    decay: float = 1.0,
    seed: int = 0,
) -> EWCPenalty:
    """Elastic weight consolidation for a model of one's own. Raises ValueError for another Fisher information,
    and for a decay that is not from 0 to 1, or is not 1 unless ``online``."""
    return EWCPenalty(model, strength, fisher=fisher, online=online, decay=decay, seed=seed)


def mas(model: nn.Module, *, strength: float) -> MASPenalty:
    """Memory aware synapses for a model of one's own; the paper, which has no ½, says 1 where this says 2."""
    return MASPenalty(model, strength)


def si(model: nn.Module, optimizer: torch.optim.Optimizer, *, strength: float = 2.0, damping: float = 0.1) -> SIPenalty:
    """Synaptic intelligence for a model of one's own and the optimizer that trains it; the paper, which has no ½, says
    1 where this says 2. The loop keeps its two lines, and ``consolidate()`` reads no data."""
    return SIPenalty(model, optimizer, strength, damping=damping)
