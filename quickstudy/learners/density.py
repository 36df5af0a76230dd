"""Kernel density estimation (Rosenblatt, 1956; Parzen, 1962) as a classifier: the class whose density is highest."""

from __future__ import annotations

import math

from torch import Tensor, nn

from quickstudy.learners.exemplars import Exemplars, Memory
from quickstudy.nets.attention import class_logsumexp, squared_euclidean


class Density(Exemplars):
    """Logit of class c: log of the mean over its examples of exp(-|x - x_i|^2 / (2 bandwidth^2)); equal priors."""

    def __init__(self, embed: nn.Module, features: int, *, bandwidth: float) -> None:
        super().__init__(embed, features)
        if bandwidth <= 0:
            raise ValueError(f"a bandwidth is a positive length in the space of the features, got {bandwidth}")
        self.bandwidth = bandwidth

    def score(self, queries: Tensor, memory: Memory) -> Tensor:
        kernel = squared_euclidean(queries, memory.keys) / (2 * self.bandwidth**2)
        return class_logsumexp(kernel, memory.labels) - memory.labels.sum(0).log()


def density(shape: tuple[int, int, int], *, bandwidth: float = 4.0) -> Density:
    """Gaussian kernels on the pixels, whose values run from 0 to 1."""
    return Density(nn.Flatten(), math.prod(shape), bandwidth=bandwidth)
