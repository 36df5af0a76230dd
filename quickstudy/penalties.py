"""Penalties for a training loop of one's own, around any PyTorch module that makes (n, way) logits: two lines.

    penalty = penalties.ewc(model, strength=1e5)
    for task in tasks:
        for x, y in task:
            loss = F.cross_entropy(model(x), y) + penalty()     # one
            ...
        penalty.consolidate(x_of_the_task)                      # two

They are what ``learners.ewc`` and ``learners.mas`` add to their loss, and hold the same tensors.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Generator, Tensor, nn

from quickstudy.learners.ewc import FISHERS, fisher
from quickstudy.learners.mas import sensitivity
from quickstudy.learners.quadratic import Quadratic, nothing
from quickstudy.rules.rule import Weights


class Penalty(ABC):
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

    def consolidate(self, x: Tensor, y: Tensor | None = None) -> None:
        """To be called after a task, with its examples: (n, *shape), and labels (n,) where they are read. The model's
        mode, its buffers and its gradients stay as they are."""
        live = self._weights()
        weights = {name: w.detach() for name, w in live.items()}
        self.quadratic = self._kept(self._measure(weights, x, y), weights)

    def _weights(self) -> Weights:
        return {name: w for name, w in self.model.named_parameters() if w.requires_grad}

    @abstractmethod
    def _measure(self, weights: Weights, x: Tensor, y: Tensor | None) -> Weights: ...

    @abstractmethod
    def _kept(self, importance: Weights, weights: Weights) -> Quadratic: ...


class EWCPenalty(Penalty):
    """By the Fisher information (Kirkpatrick et al., 2017); see ``learners.ewc.EWC``."""

    def __init__(
        self, model: nn.Module, strength: float, *, fisher: str, online: bool, decay: float, seed: int
    ) -> None:
        super().__init__(model, strength)
        if fisher not in FISHERS:
            raise ValueError(f"the Fisher information is {', '.join(FISHERS)}, got {fisher!r}")
        self.fisher, self.online, self.decay = fisher, online, decay
        self.rng = Generator().manual_seed(seed)

    def _measure(self, weights: Weights, x: Tensor, y: Tensor | None) -> Weights:
        return fisher(self.model, weights, x, y, kind=self.fisher, rng=self.rng)

    def _kept(self, importance: Weights, weights: Weights) -> Quadratic:
        if self.online:
            return self.quadratic.moved(importance, weights, decay=self.decay)
        return self.quadratic.plus(importance, weights)


class MASPenalty(Penalty):
    """By how much the answers move (Aljundi et al., 2018), without labels; see ``learners.mas.MAS``."""

    def _measure(self, weights: Weights, x: Tensor, y: Tensor | None) -> Weights:
        return sensitivity(self.model, weights, x)

    def _kept(self, importance: Weights, weights: Weights) -> Quadratic:
        return self.quadratic.moved(importance, weights)


def ewc(
    model: nn.Module,
    *,
    strength: float,
    fisher: str = "exact",
    online: bool = False,
    decay: float = 1.0,
    seed: int = 0,
) -> EWCPenalty:
    """Elastic weight consolidation for a model of one's own. Raises ValueError for another Fisher information."""
    return EWCPenalty(model, strength, fisher=fisher, online=online, decay=decay, seed=seed)


def mas(model: nn.Module, *, strength: float) -> MASPenalty:
    """Memory aware synapses for a model of one's own; the paper, which has no ½, says 1 where this says 2."""
    return MASPenalty(model, strength)
