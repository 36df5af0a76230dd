"""What replay draws its past from, behind one interface: real examples, noise, the present, or a generator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Generator, Tensor, nn

from quickstudy.core import Examples
from quickstudy.learners.stepwise import inputs

M = TypeVar("M")
POLICIES = ("reservoir", "balanced")


class Memory(nn.Module, ABC, Generic[M]):
    """Remembers contexts in a state whose leaves are tensors.

    ``labelled`` says that it knows the classes of what it draws; otherwise the learner before this context tells them.
    """

    labelled: bool = False

    @abstractmethod
    def init(self, way: int) -> M:
        """Before any context."""

    @abstractmethod
    def draw(self, state: M, count: int, batch: Examples, rng: Generator) -> Examples:
        """``count`` examples of the past, to go with a batch of the present; y is () where it is not known."""

    @abstractmethod
    def add(self, state: M, support: Examples, contexts: int, rng: Generator) -> M:
        """After one more context: the ``contexts``-th, counted from 1."""


class Stored(NamedTuple):
    """Examples, and the lot that each drew once: who stays is decided by it."""

    x: Tensor  # (n, *shape), pictures as bytes
    y: Tensor  # (n,)
    lot: Tensor  # (n,)


class Exact(Memory[Stored]):
    """Real examples, at most ``capacity`` of them, or as many as fit ``budget`` bytes.

    ``"reservoir"``: a uniform sample of everything so far; ``"balanced"``: as many of each class as there are or fit.
    """

    labelled = True

    def __init__(self, *, capacity: int | None = None, budget: int | None = None, policy: str = "balanced") -> None:
        super().__init__()
        if (capacity is None) == (budget is None) or not (capacity or budget or 0) > 0:
            raise ValueError(f"give a capacity in examples or a budget in bytes, got {capacity} and {budget}")
        if policy not in POLICIES:
            raise ValueError(f"a memory is {' or '.join(POLICIES)}, got {policy!r}")
        self.capacity, self.budget, self.policy = capacity, budget, policy

    def init(self, way: int) -> Stored:
        return Stored(torch.zeros(0), torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.float64))

    def draw(self, state: Stored, count: int, batch: Examples, rng: Generator) -> Examples:
        some = torch.randint(len(state.y), (count,), generator=rng).to(state.y.device)
        return Examples(inputs(state.x[some], batch.x), state.y[some])

    def add(self, state: Stored, support: Examples, contexts: int, rng: Generator) -> Stored:
        new = compact(support)
        lots = torch.rand(len(new.y), generator=rng, dtype=torch.float64).to(new.y.device)
        every = joined(Examples(state.x, state.y), new)
        lot = torch.cat([state.lot.to(lots), lots])
        kept = self._first(every.y, lot)[: self._room(every.x)] if len(every.y) else every.y
        return Stored(every.x[kept], every.y[kept], lot[kept])

    def _room(self, x: Tensor) -> int:
        if self.capacity is not None:
            return self.capacity
        each = x[0].numel() * x.element_size() + 16  # the label and the lot
        if self.budget is None or self.budget < each:
            raise ValueError(f"a budget of {self.budget} bytes holds no example of {each}; raise it")
        return self.budget // each

    def _first(self, y: Tensor, lot: Tensor) -> Tensor:
        """The rows in the order in which they are kept."""
        order = lot.argsort()
        if self.policy == "reservoir":
            return order
        by_class = order[y[order].argsort(stable=True)]  # classes one after the other, each by lot
        count = torch.bincount(y)
        rank = torch.arange(len(y), device=y.device) - (count.cumsum(0) - count)[y[by_class]]
        return by_class[rank.argsort(stable=True)]


class Noise(Memory[Tensor]):
    """Uniform noise, the control of the lectures: what the old learner says of it is all the past there is."""

    def init(self, way: int) -> Tensor:
        return torch.zeros(0)

    def draw(self, state: Tensor, count: int, batch: Examples, rng: Generator) -> Examples:
        return Examples(torch.rand((count, *batch.x.shape[1:]), generator=rng).to(batch.x))

    def add(self, state: Tensor, support: Examples, contexts: int, rng: Generator) -> Tensor:
        return state


class Present(Memory[Tensor]):
    """The batch of the present itself, of which the old learner is asked (Li & Hoiem, 2017)."""

    def init(self, way: int) -> Tensor:
        return torch.zeros(0)

    def draw(self, state: Tensor, count: int, batch: Examples, rng: Generator) -> Examples:
        return Examples(batch.x)

    def add(self, state: Tensor, support: Examples, contexts: int, rng: Generator) -> Tensor:
        return state


def compact(support: Examples) -> Examples:
    """Without padding; pictures whose numbers are bytes divided by 255, as bytes."""
    x, y = support.x[support.y >= 0], support.y[support.y >= 0]
    if x.dtype == torch.uint8 or not len(x):
        return Examples(x, y)
    grey = x.mul(255).round_()
    exact = bool((grey >= 0).all() and (grey <= 255).all() and torch.allclose(grey / 255, x, rtol=0, atol=1e-6))
    return Examples(grey.to(torch.uint8) if exact else x, y)


def joined(past: Examples, more: Examples) -> Examples:
    """One after the other; as numbers, where one of them is no bytes."""
    if not len(past.y):
        return more
    x = (past.x, more.x)
    if past.x.dtype != more.x.dtype:
        like = next(part for part in x if part.dtype != torch.uint8)
        x = (inputs(past.x, like), inputs(more.x, like))
    return Examples(torch.cat(x), torch.cat([past.y, more.y]))
