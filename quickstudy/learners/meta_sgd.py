"""Meta-SGD (Li, Zhou, Chen & Li, 2017): MAML in one step, with a learned rate for every element of every weight."""

from __future__ import annotations

from torch import nn

from quickstudy import rules
from quickstudy.learners.gradient import Gradient
from quickstudy.nets.conv4 import conv4
from quickstudy.nets.heads import Learned


def meta_sgd(
    shape: tuple[int, int, int],
    *,
    way: int,
    width: int = 64,
    normalization: str = "batch",
    stride: bool = True,
    steps: int = 1,
    rate: float = 0.1,
) -> Gradient:
    """MAML's net for Omniglot. Slow: all weights, and as many rates, which start at ``rate`` (the paper draws one from
    0.005 to 0.1). Fast: all weights."""
    net = conv4(shape, width=width, normalization=normalization, stride=stride)
    head = Learned(net.features, way)
    weights = dict(nn.ModuleDict({"net": net, "head": head}).named_parameters())
    return Gradient(net, head, rules.meta_sgd(weights, rate), steps=steps)
