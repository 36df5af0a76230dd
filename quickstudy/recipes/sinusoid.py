"""Sinusoids from five points: table 2 of the MAML paper (Finn, Abbeel & Levine, 2017), mean squared error by step.

Protocol: two hidden layers of 40; trained with 10 + 10 examples a task, one inner step, 25 tasks a step, 70,000 steps;
tested on tasks of another seed with 100 queries each, by as many steps of gradient descent on the support as the
setting says. The inner rate is 0.001, as in the authors' command; the paper's text says 0.01, which has cells of its
own. ``pretrained on all tasks`` is the same net trained on all sinusoids as if they were one function; its rate of
fine-tuning is the one of ``RATES`` that is best on validation tasks after ten steps.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor

from quickstudy import plot
from quickstudy.core import Learner, Task, squared_error
from quickstudy.experiment import versions
from quickstudy.learners import maml_regressor
from quickstudy.learners.gradient import Gradient
from quickstudy.recipes.cells import AnyCell, Scores, digest
from quickstudy.regression import adaptation, constant, errors
from quickstudy.rules import sgd
from quickstudy.storage import Run
from quickstudy.tasks import Sines, sines
from quickstudy.tasks.sines import AMPLITUDE
from quickstudy.train import Progress, train

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLE = "sinusoid"
STEPS = 10  # measured
VALID, TEST = 10**9, 10**9 + 1  # seeds of tasks, which no training has
RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)


@dataclass(frozen=True)
class Training:
    """What is trained, as plain values."""

    joint: bool = False  # one net for all sinusoids, rather than one to start from
    shot: int = 10
    query: int = 10
    batch: int = 25
    steps: int = 70_000
    rate: float = 1e-3
    optimizer: str = "adam-constant"
    inner_rate: float = 0.01  # the paper's text
    seed: int = 0

    def run(self, folder: Path, *, progress: bool = False) -> tuple[Gradient, Progress]:
        """Trains into the folder, or goes on with what it holds."""
        if not (folder / "config.json").exists():
            Run.create(folder, {TABLE: dataclasses.asdict(self), **versions()})
        torch.manual_seed(self.seed)
        learner = maml_regressor(rate=self.inner_rate)
        done = train(
            learner,
            sines(self.shot, self.query, seed=self.seed),
            steps=self.steps,
            batch=self.batch,
            rate=self.rate,
            optimizer=self.optimizer,
            objective=before_any_step if self.joint else None,
            seed=self.seed,
            run=Run.open(folder),
            progress=progress,
        )
        return (tuned(learner) if self.joint else learner), done


class ErrorCell(AnyCell):
    """A mean squared error, beside it the median: a task that diverged is nearly all of the mean."""

    score: ClassVar[str] = "mse"
    metric: ClassVar[str] = "mse"
    factor: ClassVar[float] = 1

    def beside(self, scores: np.ndarray) -> dict[str, float]:
        lost = int((~np.isfinite(scores)).sum())
        return {"median": round(float(np.median(scores)), 3)} | ({"diverged": lost} if lost else {})


@dataclass(frozen=True)
class Adapted(ErrorCell):
    """The error after so many steps on the support."""

    shot: int
    step: int
    asked: Training
    words: str = ""  # the setting, where it is not said as in the MAML paper

    trained: ClassVar[bool] = True

    @property
    def setting(self) -> str:
        return self.words or f"{self.shot}-shot, step {self.step}"

    def training(self, seed: int, scale: float) -> Training:
        return dataclasses.replace(self.asked, seed=seed, steps=max(1, round(self.asked.steps * scale)))

    def stamp(self, seed: int, scale: float) -> str:
        return f"{'joint' if self.asked.joint else 'maml'}-seed{seed}-{digest(self.training(seed, scale))}"

    def learner(self, seed: int, *, scale: float, runs: Path, progress: bool) -> tuple[Gradient, Progress]:
        return self.training(seed, scale).run(runs / TABLE / self.stamp(seed, scale), progress=progress)

    def measure(self, seed: int, *, scale: float, tasks: int, runs: Path, progress: bool) -> Scores:
        learner, done = self.learner(seed, scale=scale, runs=runs, progress=progress)
        exam = drawn(self.shot)
        found = errors(learner, exam, tasks, steps=self.step)
        return Scores(found.of_tasks[:, self.step], learner.transductive, exam.sha256, done)


@dataclass(frozen=True)
class Line(ErrorCell):
    """The error of a function of x alone, which learns nothing from a task."""

    function: Callable[[Tensor], Tensor]

    trained: ClassVar[bool] = False

    @property
    def setting(self) -> str:
        return "any"

    def stamp(self, seed: int, scale: float) -> str:
        return "as-it-is"

    def measure(self, seed: int, *, scale: float, tasks: int, runs: Path, progress: bool) -> Scores:
        exam = drawn(5)
        return Scores(constant(self.function, exam, tasks), False, exam.sha256, Progress())


def drawn(shot: int) -> Sines:
    """The test tasks."""
    return sines(shot, 100, seed=TEST)


def before_any_step(learner: Learner, task: Task) -> Tensor:
    """The objective of a net that is to fit all tasks as if they were one."""
    return squared_error(learner.predict(learner.init(task.query.y.shape[-1]), task.query.x), task.query.y)


def tuned(learner: Gradient) -> Gradient:
    """With the rate that is best on validation tasks after ten steps."""

    def error(rate: float) -> float:
        learner.rule = sgd(rate)
        return float(errors(learner, sines(5, 100, seed=VALID), 300, steps=STEPS).of_tasks[:, -1].mean())

    learner.rule = sgd(min(RATES, key=error))
    return learner


def average(x: Tensor) -> Tensor:
    """The mean over all sinusoids, E[amplitude] · E[sin(x - phase)]: of the functions of x alone, the best."""
    return -sum(AMPLITUDE) / math.pi * x.cos()


def picture(runs: Path, *, scale: float, tasks: int, progress: bool) -> Figure:
    """The first test task before and after adaptation, and the error by step, of both methods' first seed."""
    exam, curves, found = drawn(5), [], []
    for asked in (MAML, JOINT):
        cell = Adapted(TABLE, "", "", 5, STEPS, asked)
        learner, _ = cell.learner(0, scale=scale, runs=runs, progress=progress)
        name = "pretrained on all tasks" if asked.joint else "MAML"
        curves.append(adaptation(learner, exam[0], steps=(0, 1, STEPS), name=name))
        found.append(errors(learner, exam, tasks, steps=STEPS, name=name))
    return plot.regression(curves, found)


MAML, JOINT = Training(inner_rate=0.001), Training(joint=True)
SETTINGS = (1, 5, STEPS)

CELLS: list[AnyCell] = [
    *(Adapted(TABLE, "MAML", "trained with 10 examples, 1 step", 5, step, MAML) for step in SETTINGS),
    *(Adapted(TABLE, "MAML", "inner rate 0.01", 5, step, Training()) for step in SETTINGS),
    *(Adapted(TABLE, "pretrained on all tasks", "", 5, step, JOINT) for step in SETTINGS),
    *(
        Adapted(TABLE, "MAML", "trained with 10 examples", shot, 1, MAML, f"one step, test-shot {shot}")
        for shot in (5, 10, 20)
    ),
    Line(TABLE, "predict zero", "reference line", torch.zeros_like),
    Line(TABLE, "best function of x alone", "reference line", average),
]
