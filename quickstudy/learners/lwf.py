"""Learning without forgetting (Li & Hoiem, 2017): what the old learner said of the new data goes on being said."""

from __future__ import annotations

from quickstudy.learners.memory import Present
from quickstudy.learners.replay import Replay
from quickstudy.learners.stepwise import Stepwise


def lwf(learner: Stepwise, *, temperature: float = 2.0, averaged: bool = False) -> Replay:
    """Around a learner that takes steps: replay of the present, distilled, with the paper's temperature. ``averaged``:
    over classes, too, as in the code of the Split MNIST rows of van de Ven & Tolias (2018)."""
    return Replay(learner, Present(), temperature=temperature, averaged=averaged)
