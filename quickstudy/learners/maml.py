"""Model-agnostic meta-learning (Finn, Abbeel & Levine, 2017): initial weights from which a few steps suffice."""

from __future__ import annotations

from quickstudy.learners.gradient import Gradient
from quickstudy.nets import heads
from quickstudy.nets.conv4 import Conv4, conv4
from quickstudy.nets.mlp import MLP, mlp
from quickstudy.rules import sgd


def maml(
    shape: tuple[int, int, int],
    *,
    way: int,
    width: int = 64,
    normalization: str = "batch",
    stride: bool = True,
    head: str = "learned",
    steps: int = 1,
    test_steps: int = 3,
    rate: float = 0.4,
    conv: bool = True,
    proximal: float = 0.0,
) -> Gradient:
    """The paper's for Omniglot, 5 ways. Slow: all weights. Fast: all weights, after ``steps`` of gradient descent.

    A ``"fresh"`` head starts at zero instead of being learned: it answers for any number of classes, all alike, and
    the first step then moves the head alone. Without ``conv`` the net is the paper's fully connected one. First-order
    MAML is the same learner under another estimator; iMAML under ``implicit``, ``proximal`` being its lambda.
    """
    net: Conv4 | MLP = conv4(shape, width=width, normalization=normalization, stride=stride)
    if not conv:
        net = mlp(shape, widths=(256, 128, 64, 64), normalization=normalization)
    last = heads.head(head, net.features, way)
    return Gradient(net, last, sgd(rate), steps=steps, test_steps=test_steps, proximal=proximal)
