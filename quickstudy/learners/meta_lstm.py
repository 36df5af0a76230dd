"""The LSTM meta-learner (Ravi & Larochelle, 2017): the optimizer of the inner loop is an LSTM, and is learned."""

from __future__ import annotations

from quickstudy import rules
from quickstudy.learners.gradient import Gradient
from quickstudy.nets import heads
from quickstudy.nets.conv4 import conv4


def meta_lstm(
    shape: tuple[int, int, int],
    *,
    way: int,
    width: int = 32,
    normalization: str = "batch",
    head: str = "learned",
    steps: int = 12,
    hidden: int = 20,
    rate: float = 0.01,
) -> Gradient:
    """The paper's: 12 steps for one shot, 8 for five. Slow: all weights, as the cell's first state, and the LSTM, which
    all weights share and which starts as gradient descent with this ``rate``. Fast: all weights, and the LSTM's memory
    of each."""
    net = conv4(shape, width=width, normalization=normalization)
    last = heads.head(head, net.features, way)
    return Gradient(net, last, rules.meta_lstm(hidden, rate=rate), steps=steps)
