"""What the estimators along descents share: segments, one after another, up to a horizon."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from quickstudy.core import Objective
from quickstudy.outer.base import Estimator
from quickstudy.rules.rule import Rule
from quickstudy.tasks.losses import Descent, Losses


class Along(Estimator):
    """Takes the next ``segment`` steps of descents on ``losses``, and new problems after the horizon. ``horizons``: of
    the first ``each`` descents the first, of the next the second, and so on: a curriculum. ``logarithm``: as of
    ``Descent``. What it carries has ``step``, inner steps so far, and ``finished``, descents so far."""

    def __init__(self, losses: Losses, horizons: Sequence[int], each: int, segment: int, logarithm: bool) -> None:
        super().__init__()
        if not horizons or min(*horizons, each, segment) < 1:
            raise ValueError(f"horizons, each and segment are at least 1, got {tuple(horizons)}, {each} and {segment}")
        self.losses, self.horizons, self.each = losses, tuple(horizons), each
        self.segment, self.logarithm = segment, logarithm

    @property
    def objective(self) -> Descent:
        """What the gradients are of."""
        return Descent(self.losses, self.horizons[-1], logarithm=self.logarithm)

    def check(self, module: nn.Module, objective: Objective) -> None:
        ruled(module)

    def next(self, carry: Any) -> tuple[range, bool]:
        """The steps of the next segment, and whether the descents end with it."""
        horizon = self.horizons[min(int(carry.finished) // self.each, len(self.horizons) - 1)]
        first = int(carry.step)
        last = min(first + self.segment, horizon)
        return range(first, last), last == horizon


def ruled(module: nn.Module) -> Rule:
    """The module as the rule it is. Raises ValueError for another."""
    if not isinstance(module, Rule):
        raise ValueError(f"descents are made by a rule, got {type(module).__name__}; see quickstudy.rules")
    return module
