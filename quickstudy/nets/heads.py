"""The last layer of a classifier or a regressor, whose weights before any data are learned or made anew."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

Weights = dict[str, Tensor]


class Head(nn.Module, ABC):
    """(..., n, features) and its weights (..., *shape) to (..., n, way)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features

    @abstractmethod
    def start(self, way: int, like: Tensor) -> Weights:
        """The weights before any data, with the device and the precision of ``like``."""

    def forward(self, z: Tensor, weights: Weights) -> Tensor:
        return z @ weights["weight"].mT + weights["bias"].unsqueeze(-2)


class Learned(Head):
    """A linear layer that is meta-learned; its number of outputs is fixed."""

    def __init__(self, features: int, way: int) -> None:
        super().__init__(features)
        made = nn.Linear(features, way)
        self.weight, self.bias = made.weight, made.bias

    def start(self, way: int, like: Tensor) -> Weights:
        if way != len(self.bias):
            raise ValueError(
                f"this learner has a learned output for each of {len(self.bias)} classes and cannot start with {way}; "
                f"train it with way {way}, or use a learner whose head starts anew"
            )
        return {"weight": self.weight, "bias": self.bias}


class Fresh(Head):
    """A linear layer that starts at zero for any number of classes."""

    def start(self, way: int, like: Tensor) -> Weights:
        return {"weight": like.new_zeros(way, self.features), "bias": like.new_zeros(way)}


class Cosine(Head):
    """``scale`` times the cosine to a direction of each class (Chen et al., 2019: Baseline++); the first directions
    are drawn once and for all, class by class."""

    def __init__(self, features: int, *, scale: float) -> None:
        super().__init__(features)
        self.scale = scale

    def start(self, way: int, like: Tensor) -> Weights:
        rows = [np.random.default_rng([0, c]).standard_normal(self.features) for c in range(way)]
        return {"weight": torch.from_numpy(np.array(rows).reshape(way, self.features)).to(like)}

    def forward(self, z: Tensor, weights: Weights) -> Tensor:
        return self.scale * F.normalize(z, dim=-1) @ F.normalize(weights["weight"], dim=-1).mT
