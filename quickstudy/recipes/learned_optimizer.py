"""Learned optimizers: figures 4 to 6 of Andrychowicz et al. (2016), the loss after so many steps.

Protocol: 10-dimensional quadratics |W θ - y|² / 10 with Gaussian W and y, from θ = 0, and networks on MNIST with
minibatches of 128, first weights normal of deviation 0.01. Optimizers are learned along descents of 100 steps, unrolled
20 at a time, RNNProp by the logarithm of losses; gradients enter as constants, as published, unless a row says that
they are gone back through.
All is learned and tuned on the training pictures and examined on problems with other first weights, other minibatches
and the test pictures; the loss is that of the minibatch of a step, before it. The hand-designed optimizers have the
rate of ``RATES`` that is best at the end of as many steps of each kind of problem; the learned ones are used as they
are, on all of them.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from torch import Tensor

from quickstudy import devices, plot, rules
from quickstudy.optimizers import LAST, VALID, Training
from quickstudy.recipes.cells import AnyCell, Scores, digest
from quickstudy.rules import Rule
from quickstudy.storage import load_tensors, read_json, save_tensors, write_json
from quickstudy.tasks.losses import Losses, curves
from quickstudy.tasks.problems import problem
from quickstudy.train import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLE = "learned-optimizer"
TEST = 10**9 + 1  # the seed of test problems, which no training has
RATES = tuple(10 ** (k / 2) for k in range(-7, 2))  # 0.0003 to 3.2
TUNED = 20  # problems that decide the rate
PICTURED = 200  # steps of a descent, at most
OPPONENTS: dict[str, Callable[[float], Rule]] = {
    "Adam": rules.adam,
    "RMSprop": rules.rmsprop,
    "NAG": lambda rate: rules.sgd(rate, momentum=0.9, nesterov=True),
    "SGD": rules.sgd,
}
NAMES = {  # of problems, as the published figures are named
    "quadratics": "quadratics",
    "quadratics-uniform": "quadratics drawn uniformly",
    "mnist": "MNIST 20 sigmoid units",
    "mnist-40-units": "MNIST 40 units",
    "mnist-2-layers": "MNIST 2 hidden layers",
    "mnist-relu": "MNIST ReLU",
    "fashion-mnist": "Fashion-MNIST 20 sigmoid units",
}


@dataclass(frozen=True)
class Loss(AnyCell):
    """The mean loss after so many steps, over test problems; beside it the median, where descents diverge."""

    problem: str
    step: int
    length: int  # of the descent, of which this is a point

    score: ClassVar[str] = "loss"
    metric: ClassVar[str] = "loss"
    factor: ClassVar[float] = 1

    @property
    def setting(self) -> str:
        return f"{NAMES[self.problem]}, step {self.step}"

    def beside(self, scores: np.ndarray) -> dict[str, float]:
        lost = int((~np.isfinite(scores)).sum())
        return {"median": round(float(np.median(scores)), 4)} | ({"diverged": lost} if lost else {})

    def measure(self, seed: int, *, scale: float, tasks: int, runs: Path, progress: bool) -> Scores:
        found, done = self.curves(seed, scale=scale, tasks=tasks, runs=runs, progress=progress)
        return Scores(found[:, self.step].double().numpy(), False, "-".join((self.problem, "test", str(TEST))), done)

    def curves(self, seed: int, *, scale: float, tasks: int, runs: Path, progress: bool) -> tuple[Tensor, Progress]:
        """(t, length + 1) losses on the test problems, which all steps of a descent share."""
        devices.prepare()
        rule, done = self.rule(seed, scale=scale, runs=runs, progress=progress)
        name = f"{self.stamp(seed, scale)}-{self.problem}-{self.length}steps-{tasks}problems.safetensors"
        path = runs / TABLE / "curves" / name
        if not path.exists():
            exam = problem(self.problem, part="test", seed=TEST)
            save_tensors(path, {"curves": curves(rule, exam, range(tasks), self.length)}, {})
        return load_tensors(path)[0]["curves"], done

    @abstractmethod
    def rule(self, seed: int, *, scale: float, runs: Path, progress: bool) -> tuple[Rule, Progress]:
        """What makes the descents, and the training it comes from."""


@dataclass(frozen=True)
class Learned(Loss):
    """Of an optimizer that is learned."""

    asked: Training

    trained: ClassVar[bool] = True

    def training(self, seed: int, scale: float) -> Training:
        return dataclasses.replace(self.asked, seed=seed, steps=max(1, round(self.asked.steps * scale)))

    def stamp(self, seed: int, scale: float) -> str:
        return f"{self.asked.rule}-{self.asked.problem}-seed{seed}-{digest(self.training(seed, scale))}"

    def rule(self, seed: int, *, scale: float, runs: Path, progress: bool) -> tuple[Rule, Progress]:
        return self.training(seed, scale).run(self.folder(seed, scale, runs), progress=progress)

    def folder(self, seed: int, scale: float, runs: Path) -> Path:
        """That of its training."""
        return runs / TABLE / self.stamp(seed, scale)


@dataclass(frozen=True)
class Tuned(Loss):
    """Of a hand-designed one."""

    opponent: str

    trained: ClassVar[bool] = False

    def stamp(self, seed: int, scale: float) -> str:
        return f"{self.opponent.lower()}-tuned"

    def rule(self, seed: int, *, scale: float, runs: Path, progress: bool) -> tuple[Rule, Progress]:
        path = runs / TABLE / "rates" / f"{self.opponent.lower()}-{self.problem}-{self.length}steps.json"
        if not path.exists():
            losses = problem(self.problem, seed=VALID)
            by_rate = {rate: end(OPPONENTS[self.opponent](rate), losses, self.length) for rate in RATES}
            best = min(by_rate, key=by_rate.__getitem__)
            write_json(
                path,
                {"rate": best, "losses": {f"{r:.2g}": x if math.isfinite(x) else None for r, x in by_rate.items()}},
            )
        return OPPONENTS[self.opponent](read_json(path)["rate"]), Progress()


@dataclass(frozen=True)
class Ahead(Loss):
    """By how much the loss of the learned one is below the opponent's, problem by problem."""

    learned: Learned
    opponent: Tuned

    trained: ClassVar[bool] = True

    def stamp(self, seed: int, scale: float) -> str:
        return f"{self.learned.stamp(seed, scale)}-{self.opponent.stamp(seed, scale)}"

    def curves(self, seed: int, *, scale: float, tasks: int, runs: Path, progress: bool) -> tuple[Tensor, Progress]:
        how: dict[str, Any] = {"scale": scale, "tasks": tasks, "runs": runs, "progress": progress}
        learned, done = self.learned.curves(seed, **how)
        theirs, _ = self.opponent.curves(seed, **how)
        return theirs[:, : self.step + 1] - learned[:, : self.step + 1], done

    def rule(self, seed: int, *, scale: float, runs: Path, progress: bool) -> tuple[Rule, Progress]:
        return self.learned.rule(seed, scale=scale, runs=runs, progress=progress)

    def beside(self, scores: np.ndarray) -> dict[str, float]:
        return {"median": round(float(np.median(scores)), 4), "share": round(float((scores > 0).mean()), 3)}


def end(rule: Rule, losses: Losses, steps: int) -> float:
    """The mean loss of the last steps of the descents that decide; infinity where one diverges."""
    found = float(curves(rule, losses, range(TUNED), steps)[:, -LAST:].mean())
    return found if math.isfinite(found) else math.inf


def picture(runs: Path, *, scale: float, tasks: int, progress: bool) -> Figure:
    """The learning curves of every method on each kind of problem, of the first seed, as long as the published ones."""
    panels: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    shown = [cell for cell in LOSSES if cell.length <= PICTURED]
    for cell in shown:
        if cell.length == max(other.length for other in shown if other.problem == cell.problem):
            name = f"{cell.method}, {cell.variant}" if isinstance(cell, Learned) else cell.method
            found, _ = cell.curves(0, scale=scale, tasks=tasks, runs=runs, progress=progress)
            panels.setdefault(NAMES[cell.problem], {})[name] = np.arange(cell.length + 1), found.numpy()
    return plot.descents([plot.Panel(title, "step", lines) for title, lines in panels.items()])


QUADRATIC = Training(problem="quadratics", batch=128, steps=2000, rate=3e-3, validations=10, examined=128)
UNIFORM = dataclasses.replace(QUADRATIC, problem="quadratics-uniform")
PLAIN = Training(problem="mnist", sample=1500, batch=1, steps=1800, rate=3e-3, validations=10, examined=20)
THROUGH = Training(
    problem="mnist",
    options={"p": 5.0, "detached": False},
    clip=0.5,
    batch=1,
    steps=2000,
    rate=2e-3,
    validations=10,
    examined=20,
)
ROBUST = dataclasses.replace(
    THROUGH, rule="rnnprop", options={"detached": False}, scaled=1.0, logarithm=True, steps=1000
)

LSTM = ("LSTM", "coordinate-wise, learned")
EXACT = ("LSTM", "through the gradients")
RNNPROP = ("RNNProp", "through the gradients, random scales")
ALL = [(LSTM, PLAIN), (EXACT, THROUGH), (RNNPROP, ROBUST)]
FIGURES: list[tuple[str, Sequence[int], list[tuple[tuple[str, str], Training]]]] = [
    ("quadratics", (20, 100, 200), [(LSTM, QUADRATIC)]),
    ("mnist", (20, 100, 200), ALL),
    ("mnist-relu", (100,), ALL),
    ("mnist-40-units", (100,), ALL),
    ("mnist-2-layers", (100,), ALL),
    ("fashion-mnist", (100,), ALL),
    ("mnist", (500,), ALL),
    ("quadratics-uniform", (100,), [(LSTM, UNIFORM)]),
]  # problem, steps, what is learned


def _cells() -> Iterator[Loss]:
    """A hand-designed optimizer is tuned for the step at which it is measured, but no fewer than the 100 for which the
    learned ones are trained; those make one descent."""
    for name, steps, learned in FIGURES:
        for step in steps:
            for who in OPPONENTS:
                yield Tuned(TABLE, who, "tuned rate", name, step, max(step, 100), who)
            for words, asked in learned:
                yield Learned(TABLE, *words, name, step, max(steps), asked)


def _ahead(cells: Sequence[Loss]) -> Iterator[Ahead]:
    """The LSTMs against tuned Adam, at the steps that were published for both."""
    by_name = {(cell.method, cell.variant, cell.problem, cell.step): cell for cell in cells}
    compared = [("quadratics", LSTM, "the same problems")]
    compared += [("mnist", LSTM, "the same problems"), ("mnist", EXACT, "through the gradients, the same problems")]
    for (name, who, words), step in itertools.product(compared, (20, 100)):
        learned, adam = by_name[*who, name, step], by_name["Adam", "tuned rate", name, step]
        assert isinstance(learned, Learned)
        assert isinstance(adam, Tuned)
        yield Ahead(TABLE, "LSTM below tuned Adam", words, name, step, step, learned, adam)


LOSSES: list[Loss] = list(_cells())
CELLS: list[Loss] = [*LOSSES, *_ahead(LOSSES)]
