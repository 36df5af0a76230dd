"""Learning without forgetting (Li & Hoiem, 2017): what the old learner said of the new data goes on being said."""

from __future__ import annotations

from quickstudy.learners.memory import Present
from quickstudy.learners.replay import Replay
from quickstudy.learners.stepwise import Stepwise


def lwf(learner: Stepwise, *, temperature: float = 2.0) -> Replay:
    """Around a learner that takes steps: replay of the present, distilled, with the paper's temperature."""
    return Replay(learner, Present(), temperature=temperature)
