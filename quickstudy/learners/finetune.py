"""The fine-tuning baseline (Ravi & Larochelle, 2017; Chen et al., 2019: Baseline): train on all classes, then go on."""

from __future__ import annotations

from quickstudy.learners.classifier import Classifier
from quickstudy.learners.gradient import Gradient
from quickstudy.nets.conv4 import conv4
from quickstudy.nets.heads import Fresh, Learned
from quickstudy.rules import sgd


def finetune(
    shape: tuple[int, int, int],
    *,
    classes: int,
    width: int = 64,
    normalization: str = "batch",
    only: str = "all",
    steps: int = 100,
    rate: float = 0.01,
) -> Classifier:
    """The papers' net trained on ``classes`` classes. A task gives it a new softmax layer, which starts at zero, and
    ``steps`` of gradient descent with momentum on ``"all"`` weights, or on those of the new ``"head"`` alone."""
    if only not in ("all", "head"):
        raise ValueError(f"fine-tuning changes all weights or the head, got {only!r}")
    net = conv4(shape, width=width, normalization=normalization)
    names = ("net", "head") if only == "all" else ("head",)
    rule = sgd(rate, momentum=0.9)
    reader = Gradient(net, Fresh(net.features), rule, steps=steps, only=names, frozen_norm=True)
    return Classifier(reader, Learned(net.features, classes))
