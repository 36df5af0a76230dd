"""A small causal transformer (Vaswani et al., 2017; Radford et al., 2019), normalized before each part."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from quickstudy.nets.causal import Causal, CausalAttention, Chain, Past
from quickstudy.nets.sizes import check_sizes


class Block(Causal):
    """x + attention(norm x), then x + net(norm x)."""

    def __init__(self, width: int, *, heads: int) -> None:
        super().__init__()
        self.attention = CausalAttention(width, width, width, heads=heads)
        self.out = nn.Linear(width, width)
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.net = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width))

    def start(self, like: Tensor) -> Past:
        return self.attention.start(like)

    def read(self, x: Tensor, past: Past) -> tuple[Tensor, Past]:
        found, kept = self.attention.read(self.before(x), past)
        return self._added(x, found), kept

    def ask(self, x: Tensor, past: Past, at: Tensor | None = None) -> Tensor:
        return self._added(x, self.attention.ask(self.before(x), past, at))

    def _added(self, x: Tensor, found: Tensor) -> Tensor:
        x = x + self.out(found).to(x.dtype)
        return x + self.net(self.between(x)).to(x.dtype)


class Transformer(Chain):
    """(..., m, width) to (..., m, width): ``layers`` blocks, a learned place of each step added before them, and a
    normalization after them. Raises ValueError for steps beyond ``length``."""

    def __init__(self, width: int, *, layers: int, heads: int, length: int) -> None:
        check_sizes(width=width, layers=layers, heads=heads, length=length)
        super().__init__([Block(width, heads=heads) for _ in range(layers)])
        self.places = nn.Parameter(0.02 * torch.randn(length, width))
        self.after = nn.LayerNorm(width)

    def read(self, x: Tensor, past: Past) -> tuple[Tensor, Past]:
        n = self._steps(past)
        out, kept = super().read(x + self._places(n, x.shape[-2]), past)
        return self.after(out), kept

    def ask(self, x: Tensor, past: Past, at: Tensor | None = None) -> Tensor:
        place = self._places(self._steps(past), 1) if at is None else self.places[at]
        return self.after(super().ask(x + place, past, at))

    def _steps(self, past: Past) -> int:
        return past[0][0].shape[-2]

    def _places(self, n: int, m: int) -> Tensor:
        if n + m > len(self.places):
            raise ValueError(
                f"a sequence of {n + m} steps is longer than the {len(self.places)} that this net has places for; "
                "show it fewer examples, or train one with a larger length"
            )
        return self.places[n : n + m]
