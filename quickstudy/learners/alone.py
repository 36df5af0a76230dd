"""Each context alone: what a learner that had no past, and forgets all of it, makes of every context."""

from __future__ import annotations

from typing import Any

from quickstudy.core import Examples
from quickstudy.learners.stepwise import Around, Change, Kept, Stepwise, kept


class Alone(Around):
    """Slow: nothing of its own. Fast: the state of what it wraps, after the last context only."""

    def init(self, way: int) -> Any:
        return kept(self.learner.init(way), ())

    def adapt(self, state: Kept, support: Examples, change: Change | None = None) -> Kept:
        fresh = self.learner.init(len(self.counts(state)))
        return Kept(self.learner.adapt(fresh, support, change), (), state.contexts + 1)


def alone(learner: Stepwise) -> Alone:
    """Around a learner that takes steps."""
    return Alone(learner)
