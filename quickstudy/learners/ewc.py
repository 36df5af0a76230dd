"""Elastic weight consolidation (Kirkpatrick et al., 2017): weights are held by their Fisher information."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call

from quickstudy.core import Examples
from quickstudy.learners.elastic import Elastic
from quickstudy.learners.quadratic import Quadratic
from quickstudy.learners.stepwise import Stepwise, inputs
from quickstudy.nets.importance import evaluating, importance
from quickstudy.rules.rule import Weights

FISHERS = ("exact", "sample", "empirical", "predicted")


class EWC(Elastic):
    """The penalty ½ · strength · Σ F · (w - w*)², where F is the diagonal of the Fisher information: the mean over the
    context's examples of the squared gradients of log p(class | x), each example's by itself.

    ``fisher``: ``"exact"`` averages over the classes by the model's own probabilities, at a backward pass a class;
    ``"sample"`` draws one class of them, ``"empirical"`` takes the label, ``"predicted"`` the likeliest class, as the
    code of van de Ven & Tolias (2018) does. ``examples``: so many, drawn at random, instead of all. Every context has
    its own anchor; ``online`` (Schwarz et al., 2018) keeps the newest only, and older importances times ``decay``.
    """

    def __init__(
        self,
        learner: Stepwise,
        strength: float,
        *,
        fisher: str = "exact",
        examples: int | None = None,
        online: bool = False,
        decay: float = 1.0,
    ) -> None:
        super().__init__(learner, strength)
        if fisher not in FISHERS:
            raise ValueError(f"the Fisher information is {', '.join(FISHERS)}, got {fisher!r}")
        if examples is not None and examples < 1:
            raise ValueError(f"the Fisher information is measured on at least 1 example, got {examples}")
        check_decay(decay, online)
        self.fisher, self.examples, self.online, self.decay = fisher, examples, online, decay

    def measure(self, inner: Any, support: Examples, rng: Generator) -> Weights:
        if self.examples is not None and self.examples < len(support.x):
            some = torch.randperm(len(support.x), generator=rng)[: self.examples].to(support.y.device)
            support = Examples(support.x[some], support.y[some])
        weights = self.learner.weights(inner)
        x = inputs(support.x, next(iter(weights.values())))
        module = self.learner.module(len(self.learner.counts(inner)))
        return fisher(module, weights, x, support.y, self.learner.choices(inner, support.y), kind=self.fisher, rng=rng)

    def held(self, past: Quadratic, importance: Weights, weights: Weights) -> Quadratic:
        return past.moved(importance, weights, decay=self.decay) if self.online else past.plus(importance, weights)


def check_decay(decay: float, online: bool) -> None:
    """Raises ValueError for a decay of older importances that would be ignored, or make them negative."""
    if not 0 <= decay <= 1 or (decay != 1 and not online):
        raise ValueError(f"decay is from 0 to 1, and other than 1 only online, got {decay}")


def fisher(
    module: nn.Module,
    weights: Weights,
    x: Tensor,
    y: Tensor | None = None,
    allowed: Tensor | None = None,
    *,
    kind: str = "exact",
    rng: Generator | None = None,
) -> Weights:
    """The diagonal of the Fisher information of ``module`` with these weights, whose answers to x (n, *shape) are
    (n, way) logits, by the names of the weights. ``y`` (n,): the labels, for the empirical one; ``allowed`` (n, way):
    the classes that an example can be told as, all unless given."""
    if kind == "empirical" and y is None:
        raise ValueError("the empirical Fisher information is that of the labels; pass y, or choose another kind")
    if kind in ("sample", "predicted"):
        log_p = _told(module, weights, x, allowed)
        y = log_p.argmax(1) if kind == "predicted" else _drawn(log_p, rng)
    along = [t for t in (y if kind != "exact" else None, allowed) if t is not None]
    told = slice(None) if allowed is None else allowed.any(0).nonzero()[:, 0]
    return importance(module, weights, x, _score(kind, allowed is not None, told), along)


def _score(kind: str, masked: bool, told: Any) -> Callable[..., Tensor]:
    def of_classes(logits: Tensor, *along: Tensor) -> Tensor:
        """(classes, n): the root of the probability times its logarithm, so that squares are averaged by it."""
        log_p, allowed = _log_p(logits, along[-1] if masked else None)
        each = log_p.detach().exp().sqrt() * log_p.masked_fill(~allowed, 0.0)
        return each.T[told]

    def of_label(logits: Tensor, y: Tensor, *along: Tensor) -> Tensor:
        log_p, _ = _log_p(logits, along[-1] if masked else None)
        return log_p.gather(1, y[:, None]).T  # (1, n)

    return of_classes if kind == "exact" else of_label


def _log_p(logits: Tensor, allowed: Tensor | None) -> tuple[Tensor, Tensor]:
    allowed = torch.ones_like(logits, dtype=torch.bool) if allowed is None else allowed
    return logits.masked_fill(~allowed, -torch.inf).log_softmax(1), allowed


def _told(module: nn.Module, weights: Weights, x: Tensor, allowed: Tensor | None) -> Tensor:
    """(n, way) the logarithms of the model's own probabilities."""
    with torch.no_grad(), evaluating(module):
        logits = torch.cat([functional_call(module, weights, (part,)) for part in x.split(1024)])
    return _log_p(logits, allowed)[0]


def _drawn(log_p: Tensor, rng: Generator | None) -> Tensor:
    """(n,) a class for each example, drawn by its probabilities."""
    return torch.multinomial(log_p.exp().cpu(), 1, generator=rng)[:, 0].to(log_p.device)


def ewc(
    learner: Stepwise,
    *,
    strength: float = 1e6,
    fisher: str = "exact",
    examples: int | None = None,
    online: bool = False,
    decay: float = 1.0,
) -> EWC:
    """Around a learner that takes steps. The strength is that of a penalty with the factor ½; what is right depends on
    the data by orders of magnitude, and is chosen by validation."""
    return EWC(learner, strength, fisher=fisher, examples=examples, online=online, decay=decay)
