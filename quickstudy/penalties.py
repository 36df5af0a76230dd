"""Penalties for a training loop of one's own, around any PyTorch module that makes (n, way) logits: two lines.

    penalty = penalties.ewc(model, strength=1e5)
    for task in tasks:
        for x, y in task:
            loss = F.cross_entropy(model(x), y) + penalty()     # one
            ...
        penalty.consolidate(x_of_the_task)                      # two

They are what ``learners.ewc``, ``learners.mas`` and ``learners.si`` add to their loss, and hold the same tensors. That
of synaptic intelligence watches the optimizer instead of reading examples: ``penalties.si(model, optimizer)``, and
``penalty.consolidate()``. The model may grow heads on the way, and parts of it may be frozen for a while. A checkpoint
takes ``penalty.state_dict()`` beside those of the model and of the optimizer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

from quickstudy import tree
from quickstudy.learners.ewc import FISHERS, check_decay, fisher
from quickstudy.learners.mas import sensitivity
from quickstudy.learners.quadratic import Quadratic, nothing
from quickstudy.learners.si import grown
from quickstudy.rules.rule import Weights

Batches = Iterable[Tensor | Sequence[Tensor]]


class Penalty:
    """½ · strength · Σ importance · (w - anchor)² over the model's parameters that are trained; 0 before the first
    ``consolidate``, and for parameters that came later. ``quadratic`` holds it, in tensors by name."""

    def __init__(self, model: nn.Module, strength: float) -> None:
        if not strength >= 0:
            raise ValueError(f"the strength of a penalty is at least 0, got {strength}")
        self.model, self.strength = model, strength
        self.quadratic = nothing(self._weights())

    def __call__(self) -> Tensor:
        """What to add to the loss: a scalar that can be differentiated. Raises ValueError where a parameter has
        another shape than when it was held."""
        live = self._weights()
        return self.strength * self._over(live).value(live)

    def state_dict(self) -> dict[str, Tensor]:
        """What a training needs to go on, beside the model's and the optimizer's: tensors by name."""
        return dict(tree.items(self._remembered()))

    def load_state_dict(self, saved: Mapping[str, Tensor]) -> None:
        """Goes on with what ``state_dict`` gave. Raises ValueError where it is that of another model or penalty."""
        known = {name: w.device for name, w in self.model.named_parameters()}
        parts: dict[str, Any] = {part: {} for part in self._remembered()}
        for path, tensor in saved.items():
            part, _, name = path.partition(".")
            if part not in parts or (name and name not in known):
                raise ValueError(f"{path} is of another model, or of another penalty, than {type(self).__name__} here")
            if name:
                parts[part][name] = tensor.detach().to(known[name], copy=True)
            else:
                parts[part] = tensor.detach().clone()
        if missing := [part for part, held in parts.items() if isinstance(held, dict) and not held]:
            raise ValueError(f"{', '.join(missing)} is missing: this is not the state of a {type(self).__name__}")
        self._remember(parts)

    def _remembered(self) -> dict[str, Any]:
        return self.quadratic._asdict()

    def _remember(self, parts: dict[str, Any]) -> None:
        self.quadratic = Quadratic(*(parts[name] for name in Quadratic._fields))
        self._over(self._weights())

    def _over(self, live: Weights) -> Quadratic:
        """The quadratic, which knows all these weights from now on."""
        self.quadratic = self.quadratic.over(live)
        return self.quadratic

    def _weights(self) -> Weights:
        return {name: w for name, w in self.model.named_parameters() if w.requires_grad}


class Measured(Penalty, ABC):
    """A penalty whose importances are measured on examples."""

    def consolidate(self, x: Tensor | Batches, y: Tensor | None = None) -> None:
        """To be called after a task, with its examples: (n, *shape), and labels (n,) where they are read; or with what
        gives batches of them, as a ``DataLoader`` does: x, or (x, y). The model's mode, its buffers and its gradients
        stay as they are."""
        weights = {name: w.detach() for name, w in self._weights().items()}
        importance = {name: torch.zeros_like(w) for name, w in weights.items()}
        count = 0
        for some, labels in _batches(x, y, next(iter(weights.values())).device):
            count += len(some)
            for name, found in self._measure(weights, some, labels).items():
                importance[name].lerp_(found, len(some) / count)  # the mean so far
        if not count:
            raise ValueError("importances are measured on at least one example, got none")
        self.quadratic = self.quadratic.renewed(self._kept(self._over(weights), importance, weights))

    @abstractmethod
    def _measure(self, weights: Weights, x: Tensor, y: Tensor | None) -> Weights: ...

    @abstractmethod
    def _kept(self, past: Quadratic, importance: Weights, weights: Weights) -> Quadratic: ...


def _batches(x: Tensor | Batches, y: Tensor | None, where: torch.device) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Examples and their labels, on a device. Raises ValueError for batches of more parts."""
    for batch in [(x, y)] if isinstance(x, Tensor) else x:
        some, *rest = (batch,) if isinstance(batch, Tensor) else batch
        if len(rest) > 1:
            raise ValueError(f"a batch is x, or (x, y); got {1 + len(rest)} parts")
        labels = rest[0] if rest else None
        yield some.to(where), None if labels is None else labels.to(where)


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

    def _kept(self, past: Quadratic, importance: Weights, weights: Weights) -> Quadratic:
        return past.moved(importance, weights, decay=self.decay) if self.online else past.plus(importance, weights)

    def _remembered(self) -> dict[str, Any]:
        return super()._remembered() | {"rng": self.rng.get_state()}

    def _remember(self, parts: dict[str, Any]) -> None:
        super()._remember(parts)
        self.rng.set_state(parts["rng"])


class MASPenalty(Measured):
    """By how much the answers move (Aljundi et al., 2018), without labels; see ``learners.mas.MAS``."""

    def _measure(self, weights: Weights, x: Tensor, y: Tensor | None) -> Weights:
        return sensitivity(self.model, weights, x)

    def _kept(self, past: Quadratic, importance: Weights, weights: Weights) -> Quadratic:
        return past.moved(importance, weights)


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
        self._follow(weights)
        work = {name: self._work[name] for name in weights}
        past = grown(self._over(weights), work, self._start, weights, self.damping)
        self.quadratic = self.quadratic.renewed(past)
        self._begin()

    def _begin(self) -> None:
        self._start: Weights = {}
        self._work: Weights = {}
        self._follow(self._weights())

    def _follow(self, live: Weights) -> None:
        """Weights that came since the task began start here."""
        for name, w in live.items():
            if name not in self._start:
                self._start[name], self._work[name] = w.detach().clone(), torch.zeros_like(w)

    def _before(self, optimizer: torch.optim.Optimizer, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        if any(closure is not None for closure in (*given[1:], *named.values())):
            raise ValueError("steps with a closure compute gradients on the way, which cannot be read; use backward()")
        with torch.no_grad():
            live = self._weights()
            self._follow(live)
            pull = {name: torch.zeros_like(w) for name, w in live.items()}
            self._over(live).add_slope(pull, live, self.strength)
            self._grads = {name: w.grad - pull[name] for name, w in live.items() if w.grad is not None}
            self._from = {name: w.detach().clone() for name, w in live.items()}

    def _after(self, *_: Any) -> None:
        with torch.no_grad():
            live = self._weights()
            for name, grad in self._grads.items():
                self._work[name].addcmul_(grad, live[name] - self._from[name], value=-1)

    def _remembered(self) -> dict[str, Any]:
        return super()._remembered() | {"start": self._start, "work": self._work}

    def _remember(self, parts: dict[str, Any]) -> None:
        super()._remember(parts)
        self._start, self._work = parts["start"], parts["work"]


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
