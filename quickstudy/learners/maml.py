"""Model-agnostic meta-learning (Finn, Abbeel & Levine, 2017): initial weights from which a few steps suffice."""

from __future__ import annotations

from quickstudy.learners.gradient import Gradient
from quickstudy.nets import heads
from quickstudy.nets.conv4 import conv4
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
) -> Gradient:
    """The paper's for Omniglot, 5 ways. Slow: all weights. Fast: all weights, after ``steps`` of gradient descent.

    A ``"fresh"`` head starts at zero instead of being learned: it answers for any number of classes, all alike, and
    the first step then moves the head alone. First-order MAML is the same learner under another estimator.
    """
    net = conv4(shape, width=width, normalization=normalization, stride=stride)
    last = heads.head(head, net.features, way)
    return Gradient(net, last, sgd(rate), steps=steps, test_steps=test_steps)
