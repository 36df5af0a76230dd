"""Fast weights (Schmidhuber, 1992; Schlag, Irie & Schmidhuber, 2021): a matrix from features of a key to classes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from quickstudy.core import Examples, Learner, mask_unseen, one_hot
from quickstudy.nets import fast_weights as memory
from quickstudy.nets.conv4 import conv4
from quickstudy.nets.norm import without_statistics
from quickstudy.nets.sizes import check_sizes


class Written(NamedTuple):
    """The matrix, and how many examples of each class wrote to it."""

    weights: Tensor  # (way, features of a key)
    seen: Tensor  # (way,)


class FastWeights(Learner[Written]):
    """Slow: the embedding, the keys, how strongly an example writes, the scale of the answers. Fast: the matrix.

    The value of a key is its label. By the sum rule the answers are linear attention over the support; by the delta
    rule an example writes what the matrix did not yet say of it, ``strength`` being learned from its features.
    """

    def __init__(
        self, embed: nn.Module, features: int, *, keys: int, rule: str, feature_map: str, scale: float = 10.0
    ) -> None:
        super().__init__()
        if rule not in ("sum", "delta"):
            raise ValueError(f"no rule is called {rule!r}; choose sum or delta")
        check_sizes(keys=keys)
        self.embed = without_statistics(embed)
        self.keys = nn.Linear(features, keys)
        self.map = memory.feature_map(feature_map)
        self.strength = nn.Linear(features, 1) if rule == "delta" else None
        self.ordered = rule == "delta"
        self.log_scale = nn.Parameter(torch.tensor(scale).log())
        self.size = self.map(torch.zeros(keys)).numel()

    def init(self, way: int) -> Written:
        like = self.log_scale
        return Written(like.new_zeros(way, self.size), like.new_zeros(way))

    def adapt(self, state: Written, support: Examples) -> Written:
        z = self.embed(support.x)  # (n, d)
        labels = one_hot(support.y, len(state.seen), z.dtype)  # (n, way)
        keys, weights = self._key(z), state.weights.to(z)
        added = labels
        if self.strength is not None:
            strength = self.strength(z).to(z.dtype).squeeze(-1).sigmoid() * labels.sum(1)  # padding writes nothing
            added = memory.corrections(weights, keys, labels, strength)
        return Written(memory.write(weights, keys, added), state.seen.to(z) + labels.sum(0))

    def predict(self, state: Written, x: Tensor) -> Tensor:
        said = memory.read(state.weights.to(x), self._key(self.embed(x)))
        return mask_unseen(self.log_scale.exp() * said, state.seen.to(x))

    def _key(self, z: Tensor) -> Tensor:
        return self.map(self.keys(z).to(z.dtype))


def fast_weights(
    shape: tuple[int, int, int],
    *,
    width: int = 64,
    normalization: str = "batch",
    keys: int = 64,
    rule: str = "delta",
    feature_map: str = "dpfp-1",
    scale: float = 10.0,
) -> FastWeights:
    """The few-shot papers' net and keys of 64 numbers; ``rule`` is sum or delta, ``feature_map`` elu or dpfp-1, -2,
    -3."""
    net = conv4(shape, width=width, normalization=normalization)
    return FastWeights(net, net.features, keys=keys, rule=rule, feature_map=feature_map, scale=scale)
