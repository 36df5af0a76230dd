"""Fully connected nets: MAML's for sinusoids (40, 40) and for Omniglot without convolutions (256, 128, 64, 64)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from torch import Tensor, nn

from quickstudy.nets.norm import norm
from quickstudy.nets.sizes import check_sizes


class MLP(nn.Module):
    """(n, *shape) to (n, features): blocks of [linear, normalization, ReLU]."""

    def __init__(self, shape: Sequence[int], widths: Sequence[int], *, normalization: str) -> None:
        super().__init__()
        check_sizes(**{f"width {i + 1}": width for i, width in enumerate(widths)})
        sizes = [math.prod(shape), *widths]
        blocks = (_block(a, b, normalization) for a, b in itertools.pairwise(sizes))
        self.blocks = nn.Sequential(nn.Flatten(), *blocks)
        self.features = sizes[-1]

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)


def _block(inputs: int, outputs: int, normalization: str) -> nn.Sequential:
    linear = nn.Linear(inputs, outputs, bias=normalization == "none")
    return nn.Sequential(linear, norm(normalization, outputs), nn.ReLU(inplace=True))


def mlp(shape: Sequence[int], *, widths: Sequence[int] = (40, 40), normalization: str = "none") -> MLP:
    """Blocks of these widths over inputs of ``shape``."""
    return MLP(shape, widths, normalization=normalization)
