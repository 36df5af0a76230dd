"""The upper bound: at every context, all the data so far at once."""

from __future__ import annotations

import torch

from quickstudy.core import Examples
from quickstudy.learners.memory import compact, joined
from quickstudy.learners.stepwise import Around, Change, Kept, Stepwise, kept


class Joint(Around):
    """Slow: nothing of its own. Fast: the state of what it wraps, and every example (``past``), pictures as bytes.

    Every context goes on from the weights of the last, with as many steps, on the union of all contexts so far.
    """

    def init(self, way: int) -> Kept:
        return kept(self.learner.init(way), Examples(torch.zeros(0), torch.zeros(0, dtype=torch.int64)))

    def adapt(self, state: Kept, support: Examples, change: Change | None = None) -> Kept:
        every = joined(state.past, compact(support))
        return Kept(self.learner.adapt(state.inner, every, change), every, state.contexts + 1)


def joint(learner: Stepwise) -> Joint:
    """Around a learner that takes steps."""
    return Joint(learner)
