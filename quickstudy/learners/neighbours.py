"""k nearest neighbours (Fix & Hodges, 1951), on pixels or on features: the baseline of every few-shot table."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from quickstudy.learners.exemplars import Exemplars, Memory
from quickstudy.nets.attention import metric as similarity


class Neighbours(Exemplars):
    """Each class gets the share of the k nearest examples that belong to it; nearer ones break ties."""

    def __init__(self, embed: nn.Module, features: int, *, k: int = 1, metric: str = "cosine") -> None:
        super().__init__(embed, features)
        if k < 1:
            raise ValueError(f"k is the number of neighbours asked, at least 1, got {k}")
        self.k = k
        self.similarity = similarity(metric)

    def score(self, queries: Tensor, memory: Memory) -> Tensor:
        seen = memory.labels.sum(1) > 0
        nearness = self.similarity(queries, memory.keys).masked_fill(~seen, -torch.inf)  # (q, n)
        k = min(self.k, nearness.shape[1])
        chosen = nearness.topk(k, dim=1).indices  # nearest first
        weights = 1 + 1e-4 * 0.5 ** torch.arange(k, dtype=nearness.dtype, device=nearness.device)
        votes = (memory.labels[chosen] * weights[:, None]).sum(1)  # (q, way)
        return (votes / max(k, 1)).log()


class Negative(nn.Module):
    """Bright for dark: 1 - x for pictures from 0 to 1."""

    def forward(self, x: Tensor) -> Tensor:
        return 1 - x


def neighbours(shape: tuple[int, int, int], *, k: int = 1, metric: str = "cosine", dark: bool = False) -> Neighbours:
    """Nearest neighbours on the pixels themselves; the published baseline has k = 1 and cosine.

    ``dark`` compares dark ink on bright paper, as Omniglot's files have it. The angle between two such pictures is
    mostly paper, which costs accuracy.
    """
    embed = nn.Sequential(Negative(), nn.Flatten()) if dark else nn.Flatten()
    return Neighbours(embed, math.prod(shape), k=k, metric=metric)
