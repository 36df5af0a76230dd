"""Nets over a sequence that goes on: a step sees itself and the steps before it, and what later steps need is kept.

``read`` takes the next steps of the sequence; ``ask`` takes steps that each follow it alone and see nothing of one
another, as the queries of a task do. What is kept has an axis of steps, so that a sequence is run once, whatever is
asked after it. Everything works with leading axes, of many sequences at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from quickstudy.nets.attention import full_precision

Past = Any  # nested tuples of tensors (..., n, k), by the layers


class Causal(nn.Module, ABC):
    """(..., m, inputs) to (..., m, outputs) along a sequence."""

    @abstractmethod
    def start(self, like: Tensor) -> Past:
        """What is kept of no steps, for inputs like this (..., m, inputs)."""

    @abstractmethod
    def read(self, x: Tensor, past: Past) -> tuple[Tensor, Past]:
        """The outputs at the next steps (..., m, inputs), and what is kept from now on."""

    @abstractmethod
    def ask(self, x: Tensor, past: Past, at: Tensor | None = None) -> Tensor:
        """The outputs at steps (..., q, inputs) that each follow the sequence alone: all of it, or its first ``at``
        (q,) steps."""

    def forward(self, x: Tensor) -> Tensor:
        return self.read(x, self.start(x))[0]


class Chain(Causal):
    """One after the other."""

    layers: Iterable[Causal]

    def __init__(self, layers: Sequence[Causal]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)  # type: ignore[assignment]

    def start(self, like: Tensor) -> Past:
        return tuple(layer.start(like) for layer in self.layers)

    def read(self, x: Tensor, past: Past) -> tuple[Tensor, Past]:
        kept = []
        for layer, own in zip(self.layers, past, strict=True):
            x, after = layer.read(x, own)
            kept.append(after)
        return x, tuple(kept)

    def ask(self, x: Tensor, past: Past, at: Tensor | None = None) -> Tensor:
        for layer, own in zip(self.layers, past, strict=True):
            x = layer.ask(x, own, at)
        return x


class CausalAttention(Causal):
    """Scaled dot-product attention (Vaswani et al., 2017) of every step to itself and the steps before it.

    Queries and keys have ``keys`` numbers, values ``values``, in ``heads`` parts each. Written out: the fused kernel
    has no second derivative on a CPU. Its own arithmetic runs in full precision.
    """

    def __init__(self, inputs: int, keys: int, values: int, *, heads: int = 1) -> None:
        super().__init__()
        if keys % heads or values % heads:
            raise ValueError(f"{keys} keys and {values} values do not fall into {heads} heads; choose multiples of it")
        self.project = nn.Linear(inputs, 2 * keys + values)
        self.sizes, self.heads = [keys, keys, values], heads

    def start(self, like: Tensor) -> Past:
        return tuple(like.new_zeros(*like.shape[:-2], 0, size) for size in self.sizes[1:])

    def read(self, x: Tensor, past: Past) -> tuple[Tensor, Past]:
        q, k, v = self._projected(x)
        keys, values = (torch.cat([old.to(new), new], -2) for old, new in zip(past, (k, v), strict=True))
        with full_precision(x):
            scores = self._split(q) @ self._split(keys).mT  # (..., heads, m, n)
            out = self._joined(_softmax(scores, after(scores)) @ self._split(values))
        return out, (keys, values)

    def ask(self, x: Tensor, past: Past, at: Tensor | None = None) -> Tensor:
        weights, v = self._weights(x, past, at)
        with full_precision(x):
            own = weights[..., -1:] * self._split(v)
            return self._joined(weights[..., :-1] @ self._split(past[1].to(v)) + own)

    def attention(self, x: Tensor, past: Past) -> Tensor:
        """(..., heads, q, n + 1): how much of each step before, and of itself, is in the answer to a step asked."""
        return self._weights(x, past, None)[0]

    def _weights(self, x: Tensor, past: Past, at: Tensor | None) -> tuple[Tensor, Tensor]:
        q, k, v = self._projected(x)
        with full_precision(x):
            scores = self._split(q) @ self._split(past[0].to(k)).mT  # (..., heads, q, n)
            own = (self._split(q) * self._split(k)).sum(-1, keepdim=True)
            if at is None:
                return torch.cat([scores, own], -1).softmax(-1), v
            n = scores.shape[-1]
            seen = torch.arange(n + 1, device=x.device) < at[:, None]
            seen = seen | (torch.arange(n + 1, device=x.device) == n)
            return _softmax(torch.cat([scores, own], -1), seen), v

    def _projected(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = self.project(x).to(x.dtype).split(self.sizes, -1)
        return q * (self.sizes[0] / self.heads) ** -0.5, k, v

    def _split(self, x: Tensor) -> Tensor:
        """(..., n, d) to (..., heads, n, d / heads)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(-3, -2)

    def _joined(self, x: Tensor) -> Tensor:
        return x.transpose(-3, -2).flatten(-2)


def after(scores: Tensor) -> Tensor:
    """(m, n): which of n steps each of the last m sees."""
    m, n = scores.shape[-2:]
    return torch.ones(m, n, dtype=torch.bool, device=scores.device).tril(n - m)


def _softmax(scores: Tensor, seen: Tensor) -> Tensor:
    return scores.masked_fill(~seen, -torch.inf).softmax(-1)
