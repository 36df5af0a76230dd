"""What it costs to square the gradient of a batch where the Fisher information is the mean of squared gradients.

Lives on Split MNIST in the scenario domain, alike but for how importances are measured, over strengths of the penalty:
the pictures are those of ``split_mnist`` after a fourth of its steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Generator
from torch.func import functional_call

from quickstudy import plot
from quickstudy.core import Examples
from quickstudy.experiment import versions
from quickstudy.learners.elastic import Elastic
from quickstudy.learners.ewc import EWC
from quickstudy.learners.quadratic import Quadratic
from quickstudy.learners.stepwise import Stepwise, inputs
from quickstudy.lifelong import live, right
from quickstudy.lives import Lifelong
from quickstudy.nets.importance import evaluating
from quickstudy.recipes.cells import AnyCell, Scores, gather, run_seed
from quickstudy.recipes.lives import every_context
from quickstudy.rules.rule import Weights
from quickstudy.storage import Run
from quickstudy.train import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLE = "fisher-batch"
STEPS = 500
STRENGTHS = tuple(10.0**power for power in range(3, 11))
BATCHES = (1, 16, 128)


class SquaredMean(Elastic):
    """EWC with a mistake: the mean over batches of the squared gradient of the batch's mean loss."""

    def __init__(self, learner: Stepwise, strength: float, *, batch: int) -> None:
        super().__init__(learner, strength)
        self.batch = batch

    def measure(self, inner: Any, support: Examples, rng: Generator) -> Weights:
        weights = {name: w.detach().requires_grad_() for name, w in self.learner.weights(inner).items()}
        module = self.learner.module(len(self.learner.counts(inner)))
        parts = torch.randperm(len(support.x), generator=rng).split(self.batch)
        total = {name: torch.zeros_like(w) for name, w in weights.items()}
        for part in parts:
            x = inputs(support.x[part], next(iter(weights.values())))
            with evaluating(module), torch.enable_grad():
                loss = F.cross_entropy(functional_call(module, weights, (x,)), support.y[part])
                slopes = torch.autograd.grad(loss, list(weights.values()))
            for name, slope in zip(weights, slopes, strict=True):
                total[name].addcmul_(slope, slope, value=1 / len(parts))
        return total

    def held(self, past: Quadratic, importance: Weights, weights: Weights) -> Quadratic:
        return past.plus(importance, weights)


@dataclass(frozen=True)
class FisherCell(AnyCell):
    """The average accuracy after a life with this strength."""

    batch: int
    strength: float

    trained: ClassVar[bool] = True

    @property
    def setting(self) -> str:
        return f"strength {self.strength:.0e}"

    def stamp(self, seed: int, scale: float) -> str:
        return f"by-{self.batch}-{self.strength:.0e}-seed{seed}-{self._life(seed, scale).steps}steps"

    def measure(self, seed: int, *, scale: float, tasks: int, runs: Path, progress: bool) -> Scores:
        asked = self._life(seed, scale)
        stream = asked.contexts()
        plain: Any = asked.build(stream)
        learner: Elastic = EWC(plain, self.strength, fisher="empirical")
        if self.batch > 1:
            learner = SquaredMean(plain, self.strength, batch=self.batch)
        folder = runs / self.table / self.stamp(seed, scale)
        if not (folder / "config.json").exists():
            Run.create(folder, {"batch": self.batch, "strength": self.strength, **versions()})
        state, history = live(learner, stream, run=Run.open(folder), progress=progress)
        exams = [right(learner, state, stream, number) for number in range(len(stream))]
        done = Progress(step=asked.steps * len(stream), seconds=sum(history.seconds))
        return Scores(every_context(exams), learner.transductive, stream.sha256, done)

    def _life(self, seed: int, scale: float) -> Lifelong:
        return Lifelong(scenario="domain", steps=max(1, round(STEPS * scale)), seed=seed)


def picture(runs: Path, *, scale: float, tasks: int, progress: bool) -> Figure:
    """Accuracy by strength, a line for each way to measure."""
    lines: dict[str, list[tuple[float, float, float]]] = {}
    for cell in CELLS:
        run_seed(cell, 0, scale=scale, tasks=tasks, runs=runs, progress=progress)
        found = gather(cell, 1, scale=scale, tasks=tasks, runs=runs, command="")
        assert found is not None
        lines.setdefault(cell.variant, []).append((cell.strength, found["value"], found["interval95"]))
    return plot.by_size({"Split MNIST, domain": lines}, what="strength", score="average accuracy, %", log=True)


def _variant(batch: int) -> str:
    return f"squared gradients of batches of {batch}" if batch > 1 else "squared gradients of single examples"


CELLS = [FisherCell(TABLE, "EWC", _variant(batch), batch, strength) for batch in BATCHES for strength in STRENGTHS]
