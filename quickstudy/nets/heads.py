"""The last layer of a classifier or a regressor, whose weights before any data are learned or made anew."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor, nn

from quickstudy.nets.attention import cosine

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

    def layer(self, way: int) -> nn.Module:
        """The same as a module with weights of its own, those before any data: (n, features) to (n, way)."""
        layer = nn.Linear(self.features, way, device="meta")
        for name, w in self._first(way).items():
            setattr(layer, name, nn.Parameter(w))
        return layer

    def _first(self, way: int) -> Weights:
        like = next(self.parameters(), torch.empty(0))
        return {name: w.detach().clone() for name, w in self.start(way, like).items()}


class Whole(nn.Module):
    """A net and its last layer as one module, whose parameters are called net.... and head....: x to (n, way)."""

    def __init__(self, net: nn.Module, head: Head, way: int) -> None:
        super().__init__()
        self.net, self.head = net, head.layer(way)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.net(x))


class Learned(Head):
    """A linear layer that is meta-learned; its number of outputs is fixed."""

    def __init__(self, features: int, way: int) -> None:
        super().__init__(features)
        made = nn.Linear(features, way)
        self.weight, self.bias = made.weight, made.bias

    def start(self, way: int, like: Tensor) -> Weights:
        return _own(self, way)


class Fresh(Head):
    """A linear layer that starts at zero for any number of classes."""

    def start(self, way: int, like: Tensor) -> Weights:
        return {"weight": like.new_zeros(way, self.features), "bias": like.new_zeros(way)}


class Drawn(Head):
    """A linear layer for any number of classes whose first weights are drawn once and for all, class by class, from
    the distribution of ``nn.Linear``'s."""

    def __init__(self, features: int, *, seed: int = 0) -> None:
        super().__init__(features)
        self.seed = seed

    def start(self, way: int, like: Tensor) -> Weights:
        rows = [np.random.default_rng([self.seed, c]).uniform(-1, 1, self.features + 1) for c in range(way)]
        drawn = torch.from_numpy(np.array(rows).reshape(way, -1) / self.features**0.5).to(like)
        return {"weight": drawn[:, :-1].contiguous(), "bias": drawn[:, -1].contiguous()}


class Cosine(Head):
    """``scale`` times the cosine to a direction of each class (Chen et al., 2019: Baseline++); the first directions
    are drawn once and for all, class by class, of the length that the rows of a linear layer have."""

    def __init__(self, features: int, *, scale: float) -> None:
        super().__init__(features)
        self.scale = scale

    def start(self, way: int, like: Tensor) -> Weights:
        rows = [np.random.default_rng([0, c]).standard_normal(self.features) for c in range(way)]
        drawn = np.array(rows).reshape(way, self.features) / (3 * self.features) ** 0.5
        return {"weight": torch.from_numpy(drawn).to(like)}

    def forward(self, z: Tensor, weights: Weights) -> Tensor:
        return self.scale * cosine(z, weights["weight"])

    def layer(self, way: int) -> nn.Module:
        return Directions(self._first(way)["weight"], self.scale)


class Directions(nn.Module):
    """``scale`` times the cosine to directions of its own."""

    def __init__(self, weight: Tensor, scale: float) -> None:
        super().__init__()
        self.weight, self.scale = nn.Parameter(weight), scale

    def forward(self, z: Tensor) -> Tensor:
        return self.scale * cosine(z, self.weight)


class LearnedCosine(Cosine):
    """The same with directions that are learned with the net."""

    def __init__(self, features: int, way: int, *, scale: float) -> None:
        super().__init__(features, scale=scale)
        self.weight = nn.Parameter(torch.randn(way, features) / (3 * features) ** 0.5)

    def start(self, way: int, like: Tensor) -> Weights:
        return _own(self, way)


def _own(head: nn.Module, way: int) -> Weights:
    """What the head has learned, which is for so many classes and no other number."""
    weights: Weights = dict(head.named_parameters())
    if way != len(weights["weight"]):
        raise ValueError(
            f"this learner has a learned output for each of {len(weights['weight'])} classes and cannot start with "
            f"{way}; train it with way {way}, or use a learner whose head starts anew"
        )
    return weights


def head(name: str, features: int, way: int) -> Head:
    """The linear layer of that name: learned, for that many classes, or fresh, for any.

    Raises ValueError for another name.
    """
    if name not in ("learned", "fresh"):
        raise ValueError(f"no head is called {name!r}; choose learned or fresh")
    return Learned(features, way) if name == "learned" else Fresh(features)
