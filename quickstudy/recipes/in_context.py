"""Learning in context (Garg et al., 2022): linear functions beside least squares, and operators on digits.

Protocol: a transformer of three layers of 64 reads streams of x and y and is trained on the loss of every answer.
Linear functions of 5 features: the squared error over 5 after so many examples, for x as in training and for others.
Digits: the share of right last digits for operators met in training and for operators held out. Beside them stands what
can be had: least squares of the smallest norm, which is off by 1 - k / d after k < d examples and then by nothing; and
the vote of all operators there are, those held out among them, that agree with the examples.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor

from quickstudy import plot
from quickstudy.core import Learner
from quickstudy.experiment import versions
from quickstudy.learners import in_context, least_squares
from quickstudy.recipes.cells import AnyCell, Scores, digest
from quickstudy.regression import Errors, by_examples
from quickstudy.storage import Run
from quickstudy.tasks import Arithmetic, Linear, arithmetic, linear, prompts
from quickstudy.tasks.arithmetic import operators
from quickstudy.train import Progress, train

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLE = "in-context"
TEST = 10**9  # seed of the tasks that no training has
DIMENSIONS, LONGEST, QUERIES = 5, 10, 10  # of linear functions; the examples that are measured; what is asked of each
DIGITS, ASKED = 16, 20  # the same of operators
WORDS = {
    "normal": "",
    "skewed": "skewed x",
    "orthants": "x of another orthant asked",
    "scaled": "three times x",
    "noisy": "noise of 1 on y",
}


@dataclass(frozen=True)
class Training:
    """What is trained, as plain values."""

    problem: str = "linear"  # or "arithmetic"
    width: int = 64
    layers: int = 3
    heads: int = 2
    batch: int = 64
    steps: int = 10_000
    rate: float = 1e-3
    seed: int = 0

    def run(self, folder: Path, *, progress: bool = False) -> tuple[Learner, Progress]:
        """Trains into the folder, or goes on with what it holds."""
        if not (folder / "config.json").exists():
            Run.create(folder, {TABLE: dataclasses.asdict(self), **versions()})
        torch.manual_seed(self.seed)
        learner = self.build()
        lessons = linear(DIMENSIONS, LONGEST + 1, 1, seed=self.seed)
        done = train(
            learner,
            prompts(arithmetic(DIGITS + 1, 1, seed=self.seed) if self.problem == "arithmetic" else lessons),
            steps=self.steps,
            batch=self.batch,
            rate=self.rate,
            seed=self.seed,
            run=Run.open(folder),
            progress=progress,
        )
        return learner, done

    def build(self) -> Learner:
        digits = self.problem == "arithmetic"
        return in_context(
            Arithmetic.features if digits else DIMENSIONS,
            way=Arithmetic.way if digits else 1,
            values=not digits,
            length=(DIGITS if digits else LONGEST) + 1,
            width=self.width,
            layers=self.layers,
            heads=self.heads,
        )


@dataclass(frozen=True)
class ByExamples(AnyCell):
    """A figure after so many examples."""

    examples: int
    asked: Training | None  # None: of what is not trained

    @property
    def trained(self) -> bool:
        return self.asked is not None

    def training(self, seed: int, scale: float) -> Training:
        assert self.asked is not None
        return dataclasses.replace(self.asked, seed=seed, steps=max(1, round(self.asked.steps * scale)))

    def stamp(self, seed: int, scale: float) -> str:
        if self.asked is None:
            return "as-it-is"
        return f"{self.asked.problem}-seed{seed}-{digest(self.training(seed, scale))}"

    def learner(self, seed: int, *, scale: float, runs: Path, progress: bool) -> tuple[Learner, Progress]:
        return self.training(seed, scale).run(runs / TABLE / self.stamp(seed, scale), progress=progress)

    def measure(self, seed: int, *, scale: float, tasks: int, runs: Path, progress: bool) -> Scores:
        exam = self.exam()
        learner, done = None, Progress()
        if self.asked is not None:
            learner, done = self.learner(seed, scale=scale, runs=runs, progress=progress)
        return Scores(self.scores(learner, tasks)[:, self.examples], False, exam.sha256, done)

    @abstractmethod
    def exam(self) -> Linear | Arithmetic:
        """The test tasks."""

    @abstractmethod
    def scores(self, learner: Learner | None, tasks: int) -> np.ndarray:
        """(t, examples + 1) of the test tasks; without a learner, what can be had."""


@dataclass(frozen=True)
class LinearCell(ByExamples):
    """The squared error over the number of features."""

    prompt: str = "normal"
    features: int = DIMENSIONS

    score: ClassVar[str] = "squared_error_over_d"
    metric: ClassVar[str] = "squared_error_over_d"
    factor: ClassVar[float] = 1

    @property
    def setting(self) -> str:
        words = (f"linear regression d={self.features}", WORDS[self.prompt], seen(self.examples))
        return ", ".join(filter(None, words))

    def exam(self) -> Linear:
        return drawn(self.prompt, self.features)

    def scores(self, learner: Learner | None, tasks: int) -> np.ndarray:
        found = by_examples(learner or least_squares(self.features), self.exam(), tasks)
        return found.of_tasks / self.features


@dataclass(frozen=True)
class DigitsCell(ByExamples):
    """The share of right answers."""

    held_out: bool = False

    @property
    def setting(self) -> str:
        return f"digits, operators {'held out' if self.held_out else 'met'}, {seen(self.examples)}"

    def exam(self) -> Arithmetic:
        return arithmetic(DIGITS, ASKED, held_out=self.held_out, seed=TEST)

    def scores(self, learner: Learner | None, tasks: int) -> np.ndarray:
        if learner is None:
            return votes(self.exam(), tasks)
        return by_examples(learner, self.exam(), tasks, score=right).of_tasks


def seen(examples: int) -> str:
    """So many of them, in words."""
    return f"{examples} example{'s' * (examples != 1)}"


def drawn(prompt: str, features: int = DIMENSIONS) -> Linear:
    """The test tasks, with as many examples as are measured."""
    return linear(features, max(LONGEST, features), QUERIES, prompt=prompt, seed=TEST)


def right(logits: Tensor, y: Tensor) -> Tensor:
    """The share of (q,) answers that the largest of (q, way) logits gives."""
    return (logits.argmax(-1) == y).double().mean()


def votes(exam: Arithmetic, tasks: int) -> np.ndarray:
    """(t, shot + 1): the share of right answers by vote of the operators that agree with 0, 1, ... examples."""
    known = {name: table.ravel() for name, table in operators().items()}
    tables = np.stack(list(known.values()))  # (operators, pairs)
    which, pairs = exam.drawn(range(tasks))
    truth = np.stack([known[name] for name in exam.names])[which]  # (t, pairs)
    found = []
    for answers, asked in zip(truth, pairs, strict=True):
        agree = np.cumprod(tables[:, asked[: exam.shot]] == answers[asked[: exam.shot]], axis=1)  # (operators, shot)
        agree = np.concatenate([np.ones((len(tables), 1), dtype=agree.dtype), agree], axis=1)
        said = tables[:, asked[exam.shot :]]  # (operators, query)
        ballots = np.einsum("ok,oqa->kqa", agree, said[..., None] == np.arange(Arithmetic.way))
        found.append((ballots.argmax(2) == answers[asked[exam.shot :]]).mean(1))
    return np.stack(found)


def picture(runs: Path, *, scale: float, tasks: int, progress: bool) -> Figure:
    """The errors by the number of examples, and the share of right digits, of the first seed and of what can be had."""
    panels: dict[str, list[Errors]] = {}
    for prompt, words in WORDS.items():
        cell = LinearCell(TABLE, "", "", 0, LINEAR, prompt=prompt)
        panels[f"d = {DIMENSIONS}" + (f", {words}" if words else "")] = _both(cell, "least squares", runs, scale, tasks)
    for held_out in (False, True):
        digits = DigitsCell(TABLE, "", "", 0, ARITHMETIC, held_out=held_out)
        panels[f"digits, operators {'held out' if held_out else 'met'}"] = _both(digits, "vote", runs, scale, tasks)
    return plot.by_examples(panels)


def _both(cell: ByExamples, other: str, runs: Path, scale: float, tasks: int) -> list[Errors]:
    learner, _ = cell.learner(0, scale=scale, runs=runs, progress=False)
    return [Errors("transformer", cell.scores(learner, tasks)), Errors(other, cell.scores(None, tasks))]


LINEAR, ARITHMETIC = Training(), Training(problem="arithmetic", steps=8000)
LEAST, VOTE = ("minimum-norm least squares", "noise-free"), ("vote of the operators that agree", "reference line")
NET = ("transformer", "3 layers, 2 heads, d 64")
LENGTHS = (0, 1, 2, 4, 8, DIGITS)

CELLS: list[AnyCell] = [
    *(LinearCell(TABLE, *LEAST, k, None, features=20) for k in (0, 5, 10, 15, 20)),
    *(LinearCell(TABLE, *LEAST, k, None) for k in range(LONGEST + 1)),
    *(LinearCell(TABLE, *NET, k, LINEAR) for k in range(LONGEST + 1)),
    *(
        LinearCell(TABLE, *who, k, asked, prompt=prompt)
        for who, asked in (((LEAST[0], "reference line"), None), (NET, LINEAR))
        for prompt in list(WORDS)[1:]
        for k in (3, LONGEST)
    ),
    *(
        DigitsCell(TABLE, *who, k, asked, held_out=held_out)
        for who, asked in ((VOTE, None), (NET, ARITHMETIC))
        for held_out in (False, True)
        for k in LENGTHS
    ),
]
