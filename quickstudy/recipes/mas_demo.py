"""The demo of memory aware synapses: how far a pair of digits is below what it was when it had just been learned.

Protocol of the authors' notebook: five pairs of digits, 1 and 2 to 9 and 0, with heads of their own, two hidden layers
of 256, gradient descent at 0.001 in batches of 200, 20 passes a pair, importances added up, their strength 1 (which is
2 here). Not theirs: the first pair takes them 10 passes at 0.01; the momentum is a guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from quickstudy.experiment import versions
from quickstudy.learners import mas
from quickstudy.learners.continual import Continual
from quickstudy.lifelong import live
from quickstudy.lives import Lifelong
from quickstudy.nets.mlp import mlp
from quickstudy.recipes.cells import AnyCell, Scores
from quickstudy.rules import sgd
from quickstudy.storage import Run
from quickstudy.tasks import streams
from quickstudy.train import Progress

TABLE = "split-mnist"
BATCH, PASSES, PAIR = 200, 20, 12_000  # digits of a pair
ORDER = (1, 2, 3, 4, 5, 6, 7, 8, 9, 0)
WIDTHS, RATE, MOMENTUM, STRENGTH = (256, 256), 1e-3, 0.9, 2.0


@dataclass(frozen=True)
class Forgetting(AnyCell):
    """Points lost between the end of a context and the end of the life, a score for each context but the last."""

    score: ClassVar[str] = "forgetting"
    metric: ClassVar[str] = "forgetting_points"
    trained: ClassVar[bool] = True

    @property
    def setting(self) -> str:
        return "task-IL, average forgetting"

    def stamp(self, seed: int, scale: float) -> str:
        return f"mas-demo-{ORDER[0]}to{ORDER[-1]}-seed{seed}-{self._steps(scale)}steps"

    def measure(self, seed: int, *, scale: float, tasks: int, runs: Path, progress: bool) -> Scores:
        pools, steps = Lifelong().contexts(), self._steps(scale)
        stream = streams.split(pools.train, pools.test, 2, scenario="task", order=ORDER)
        torch.manual_seed(seed)
        net = mlp(stream.shape, widths=WIDTHS)
        rule = sgd(RATE, momentum=MOMENTUM)
        plain = Continual(net, net.features, rule, steps=steps, batch=BATCH, mask="own", seed=seed)
        folder = runs / self.table / self.stamp(seed, scale)
        if not (folder / "config.json").exists():
            Run.create(folder, {"steps": steps, "strength": STRENGTH, **versions()})
        learner = mas(plain, strength=STRENGTH)
        _, history = live(learner, stream, run=Run.open(folder), progress=progress)
        done = Progress(step=steps * len(stream), seconds=sum(history.seconds))
        return Scores(lost(history.matrix), learner.transductive, stream.sha256, done)

    def _steps(self, scale: float) -> int:
        return max(1, round(scale * PASSES * PAIR / BATCH))


def lost(accuracy: np.ndarray) -> np.ndarray:
    """(contexts - 1,) from the (contexts + 1, contexts) accuracies of a life, the first before any data."""
    after = accuracy[1:]
    return (np.diag(after) - after[-1])[:-1]


CELLS = [Forgetting(TABLE, "MAS", "Omega accumulated, lr 1e-3")]
