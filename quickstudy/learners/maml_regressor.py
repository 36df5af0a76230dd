"""Model-agnostic meta-learning for regression (Finn, Abbeel & Levine, 2017, section 5.1), on vectors of numbers."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from quickstudy.learners.gradient import Gradient
from quickstudy.nets.heads import Learned
from quickstudy.nets.mlp import mlp
from quickstudy.rules import sgd


def maml_regressor(
    shape: Sequence[int] = (1,),
    *,
    way: int = 1,
    widths: Sequence[int] = (40, 40),
    steps: int = 1,
    test_steps: int = 10,
    rate: float = 0.001,
    spread: float = 0.01,
) -> Gradient:
    """The paper's for sinusoids. Slow: all weights. Fast: all weights, after ``steps`` of descent on squared error.

    ``way`` counts the columns of y. The loss is the mean over them and over the examples. The first weights have the
    standard deviation ``spread``, and the ``rate`` is 0.001, as in the authors' code (the paper's text says 0.01).
    """
    net = mlp(shape, widths=widths)
    learner = Gradient(net, Learned(net.features, way), sgd(rate), steps=steps, test_steps=test_steps, values=True)
    _begin(learner, spread)
    return learner


def _begin(module: nn.Module, spread: float) -> None:
    """Weights from a normal distribution cut off at two standard deviations, biases of zero."""
    for weight in module.parameters():
        if weight.dim() > 1:
            nn.init.trunc_normal_(weight, std=spread, a=-2 * spread, b=2 * spread)
        else:
            nn.init.zeros_(weight)
