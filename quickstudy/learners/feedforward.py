"""A net that remembers nothing but the last label: the control of Santoro et al. (2016), which stays near chance."""

from __future__ import annotations

import math

from quickstudy.learners.sequential import Sequential
from quickstudy.nets.cells import FeedForward
from quickstudy.nets.codes import code


def feedforward(shape: tuple[int, int, int], *, way: int, hidden: int = 200, strings: bool = False) -> Sequential:
    """One hidden layer over pixels and the last label. Slow: all weights. Fast: the last label. With ``strings`` the
    labels are strings of five letters."""
    labels = code(way, strings=strings)
    return Sequential(FeedForward(math.prod(shape) + labels.width, hidden), labels)
