"""Baseline++ (Chen, Liu, Kira, Wang & Huang, 2019): train on all classes by cosine, then learn new directions."""

from __future__ import annotations

from quickstudy.learners.classifier import Classifier
from quickstudy.learners.gradient import Gradient
from quickstudy.nets.conv4 import conv4
from quickstudy.nets.heads import Cosine, LearnedCosine
from quickstudy.rules import sgd


def baseline_plus_plus(
    shape: tuple[int, int, int],
    *,
    classes: int,
    width: int = 64,
    normalization: str = "batch",
    scale: float = 10.0,
    epochs: int = 100,
    batch: int = 4,
    rate: float = 0.01,
) -> Classifier:
    """The paper's. Slow: the embedding under a direction for each of ``classes`` training classes. Fast: directions of
    the new classes, from ``epochs`` over the features of the support, ``batch`` at a time in their order."""
    net = conv4(shape, width=width, normalization=normalization)
    rule = sgd(rate, momentum=0.9, dampening=0.9, weight_decay=1e-3)
    new = Cosine(net.features, scale=scale)
    reader = Gradient(net, new, rule, steps=epochs, batch=batch, epochs=True, only=("head",))
    return Classifier(reader, LearnedCosine(net.features, classes, scale=scale))
