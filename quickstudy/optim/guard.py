"""Notices that a descent has turned back: a learned optimizer can fail on problems unlike those it has learned on."""

from __future__ import annotations

import math
from dataclasses import dataclass

FORGET = 0.9  # of the running mean of the losses
LOST = 0.5  # of what had been gained, or
LEAST = 0.1  # of the first loss, where little had been gained
PATIENCE = 20  # steps in a row
EVERY = 10  # steps between copies of the weights


@dataclass
class Guard:
    """Watches the losses of a descent, as plain numbers."""

    seen: int = 0  # losses
    first: float = math.inf
    mean: float = math.inf  # running
    best: float = math.inf  # running mean so far
    high: int = 0  # steps in a row that were too high
    copied: int = -EVERY  # when the weights were kept last

    def turned_back(self, loss: float) -> bool:
        """Whether the descent is lost, after this loss: no number, or for 20 steps so high that half of what had been
        gained is gone."""
        self.seen += 1
        if not math.isfinite(loss):
            return True
        if self.seen == 1:
            self.first = self.mean = loss
        self.mean = FORGET * self.mean + (1 - FORGET) * loss
        gained = max(self.first - self.best, LEAST * abs(self.first)) if self.seen > 1 else math.inf
        self.high = self.high + 1 if self.mean > self.best + LOST * gained else 0
        self.best = min(self.best, self.mean)
        return self.high >= PATIENCE

    def wants_copy(self) -> bool:
        """Whether the weights are worth keeping, as the best so far; asked once after each loss."""
        if self.mean > self.best or self.seen - self.copied < EVERY:
            return False
        self.copied = self.seen
        return True
