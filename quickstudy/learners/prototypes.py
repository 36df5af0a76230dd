"""Prototypical networks (Snell, Swersky & Zemel, 2017): a class is the mean of its embedded examples."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from quickstudy.core import Examples, Learner, mask_unseen, one_hot
from quickstudy.nets.attention import class_sums
from quickstudy.nets.attention import metric as similarity
from quickstudy.nets.conv4 import conv4
from quickstudy.nets.norm import without_statistics


class Sums(NamedTuple):
    """Sums and counts instead of means: adapting twice equals adapting once on both."""

    total: Tensor  # (way, d)
    number: Tensor  # (way,)


class Prototypes(Learner[Sums]):
    """Slow: the embedding. Fast: the sum and the number of each class's embedded examples.

    Logits are ``scale`` times the similarities to the class means: minus the squared Euclidean distances (equation 2 of
    the paper), or another.
    """

    def __init__(
        self, embed: nn.Module, features: int, *, metric: str = "squared_euclidean", scale: float = 1.0
    ) -> None:
        super().__init__()
        self.embed = without_statistics(embed)
        self.features = features
        self.similarity = similarity(metric)
        self.scale = scale

    def init(self, way: int) -> Sums:
        like = next(self.parameters(), torch.empty(0))
        return Sums(like.new_zeros(way, self.features), like.new_zeros(way))

    def adapt(self, state: Sums, support: Examples) -> Sums:
        z = self.embed(support.x)  # (n, d)
        labels = one_hot(support.y, len(state.number), z.dtype)  # (n, way)
        return Sums(state.total.to(z.device) + class_sums(z, labels), state.number.to(z.device) + labels.sum(0))

    def predict(self, state: Sums, x: Tensor) -> Tensor:
        z = self.embed(x)
        total, number = state.total.to(z), state.number.to(z.device)  # an empty state may be of another type
        return mask_unseen(self.scale * self.similarity(z, total / number.clamp_min(1)[:, None]), number)


def prototypes(
    shape: tuple[int, int, int],
    *,
    width: int = 64,
    normalization: str = "batch",
    metric: str = "squared_euclidean",
    scale: float | None = None,
) -> Prototypes:
    """The paper's: four blocks of 64 filters and the squared Euclidean distance.

    Unless ``scale`` is given, that distance is the mean over the places of the last block: one of 28 x 28 pictures, 25
    of 84 x 84. By the paper's sum over those a fresh net is certain of a random class, and training has to shrink the
    features before it can tell classes apart.
    """
    net = conv4(shape, width=width, normalization=normalization)
    if scale is None:
        scale = width / net.features if metric == "squared_euclidean" else 1.0
    return Prototypes(net, net.features, metric=metric, scale=scale)
