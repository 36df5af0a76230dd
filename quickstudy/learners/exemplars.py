"""Learners that keep their embedded examples and compare new ones with them."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from quickstudy.core import Examples, Learner, mask_unseen, one_hot
from quickstudy.nets.norm import without_statistics


class Memory(NamedTuple):
    """Key-value pairs: what was seen, and what it was. Padding has a row of zeros for its label."""

    keys: Tensor  # (n, d)
    labels: Tensor  # (n, way)


class Exemplars(Learner[Memory]):
    """Slow: an embedding of (n, *shape) into (n, features). Fast: the embedded support and its labels."""

    def __init__(self, embed: nn.Module, features: int) -> None:
        super().__init__()
        self.embed = without_statistics(embed)
        self.features = features

    def init(self, way: int) -> Memory:
        like = next(self.parameters(), torch.empty(0))
        return Memory(like.new_zeros(0, self.features), like.new_zeros(0, way))

    def adapt(self, state: Memory, support: Examples) -> Memory:
        return self.remember(state, self.embed(support.x), support.y)

    def predict(self, state: Memory, x: Tensor) -> Tensor:
        return self.answer(state, self.embed(x))

    def remember(self, state: Memory, keys: Tensor, y: Tensor) -> Memory:
        """The memory with embedded examples (n, d) of classes (n,) added."""
        labels = one_hot(y, state.labels.shape[1], keys.dtype)
        return Memory(torch.cat([state.keys.to(keys), keys]), torch.cat([state.labels.to(labels), labels]))

    def answer(self, state: Memory, queries: Tensor) -> Tensor:
        """(..., q, way) logits for embedded queries (..., q, d), -inf for classes never seen."""
        memory = Memory(state.keys.to(queries), state.labels.to(queries))  # an empty one may be of another type
        return mask_unseen(self.score(queries, memory), memory.labels.sum(-2))

    @abstractmethod
    def score(self, queries: Tensor, memory: Memory) -> Tensor:
        """(q, way) logits for embedded queries (q, d), whatever was seen."""
