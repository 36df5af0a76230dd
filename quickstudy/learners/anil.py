"""Almost no inner loop (Raghu, Raghu, Bengio & Vinyals, 2020): MAML whose inner loop changes the last layer alone."""

from __future__ import annotations

from quickstudy.learners.gradient import Gradient
from quickstudy.nets import heads
from quickstudy.nets.conv4 import conv4
from quickstudy.rules import sgd


def anil(
    shape: tuple[int, int, int],
    *,
    way: int,
    width: int = 64,
    normalization: str = "batch",
    stride: bool = True,
    head: str = "learned",
    steps: int = 5,
    test_steps: int | None = None,
    rate: float = 0.1,
) -> Gradient:
    """MAML's net for Omniglot. Slow: all weights. Fast: the head, which learns from features computed once."""
    net = conv4(shape, width=width, normalization=normalization, stride=stride)
    last = heads.head(head, net.features, way)
    return Gradient(net, last, sgd(rate), steps=steps, test_steps=test_steps, only=("head",))
