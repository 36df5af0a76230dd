"""Model-agnostic meta-learning for regression (Finn, Abbeel & Levine, 2017, section 5.1), on vectors of numbers."""

from __future__ import annotations

from collections.abc import Sequence

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
    rate: float = 0.01,
) -> Gradient:
    """The paper's for sinusoids. Slow: all weights. Fast: all weights, after ``steps`` of descent on squared error.

    ``way`` counts the columns of y. The loss is the mean over them and over the examples.
    """
    net = mlp(shape, widths=widths)
    return Gradient(net, Learned(net.features, way), sgd(rate), steps=steps, test_steps=test_steps, values=True)
