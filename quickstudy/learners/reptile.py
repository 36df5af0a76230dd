"""Reptile (Nichol, Achiam & Schulman, 2018): start where the weights of many tasks are near."""

from __future__ import annotations

from quickstudy.learners.gradient import Gradient
from quickstudy.nets import heads
from quickstudy.nets.conv4 import conv4
from quickstudy.rules import Rule, adam, sgd


def reptile(
    shape: tuple[int, int, int],
    *,
    way: int,
    width: int = 64,
    normalization: str = "batch",
    stride: bool = True,
    head: str = "learned",
    inner: str = "adam",
    steps: int = 5,
    test_steps: int = 50,
    batch: int | None = 10,
    rate: float = 1e-3,
) -> Gradient:
    """The paper's for Omniglot, 5 ways. Slow: all weights. Fast: all weights, after ``steps`` of ``"adam"`` without
    momentum (or ``"sgd"``) on ``batch`` examples each. The learner is the inner loop; what makes it Reptile is the
    estimator that it is trained by."""
    if inner not in ("adam", "sgd"):
        raise ValueError(f"the inner optimizer is adam or sgd, got {inner!r}")
    rule: Rule = adam(rate, betas=(0.0, 0.999)) if inner == "adam" else sgd(rate)
    net = conv4(shape, width=width, normalization=normalization, stride=stride)
    last = heads.head(head, net.features, way)
    return Gradient(net, last, rule, steps=steps, test_steps=test_steps, batch=batch)
