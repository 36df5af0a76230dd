"""Black-box adaptation (Hochreiter, Younger & Conwell, 2001): a recurrent net reads data, its state is the model."""

from __future__ import annotations

import math

from quickstudy.learners.sequential import Sequential
from quickstudy.nets.cells import Recurrent
from quickstudy.nets.codes import code


def lstm(
    shape: tuple[int, int, int], *, way: int, hidden: int = 200, forget: float = 1.0, strings: bool = False
) -> Sequential:
    """The LSTM that Santoro et al. (2016) hold against their memory: 200 units over pixels. Slow: all weights. Fast:
    output and cell, and the last label. ``forget`` is added to the first biases of the forget gates. With ``strings``
    the labels are strings of five letters."""
    labels = code(way, strings=strings)
    return Sequential(Recurrent(math.prod(shape) + labels.width, hidden, forget=forget), labels)
