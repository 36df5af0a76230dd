"""Omniglot by instance: table 1 of Santoro et al. (2016), accuracy when a class is met for the k-th time in a stream.

Protocol: 20 x 20, quarter-turns are classes, streams of ten steps a class on average, the class of each step drawn
independently; the label of a step is told with the next one. One training serves all the instances of a method.

Strings are learned in three trainings: of five classes with balanced letters, until something is looked up, of five
and of fifteen classes as published.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from quickstudy.experiment import Experiment
from quickstudy.instances import instances
from quickstudy.recipes.cells import ExperimentCell, Scores
from quickstudy.recipes.pretrained import Begun

TABLE = "omniglot-instances"
INSTANCES = (1, 2, 3, 4, 5, 10)
FIVE = Experiment(data="omniglot", split="random", size=20, way=5, batch=16)
SPELLED = replace(FIVE, labels=5**5, options={"strings": True})
PIXELS = replace(FIVE, learner="neighbours", options={"dark": True})  # the files' own polarity; any names will do
ONE_HOT, FEWER, STRINGS = "one-hot labels, 5 classes", "string labels, 5 classes", "string labels, 15 classes"


@dataclass(frozen=True)
class InstanceCell(ExperimentCell):
    """The accuracy when a class is met for the k-th time."""

    instance: int
    asked: Experiment
    trained: bool = True

    @property
    def setting(self) -> str:
        return f"instance {self.instance}"

    def measure(self, seed: int, *, scale: float, tasks: int, runs: Path, progress: bool) -> Scores:
        splits, asked = self.asked.splits(), self.training(seed, scale)
        folder = runs / TABLE / f"{self.stamp(seed, scale)}-{asked.precision}"
        learner, done = self.learner(asked, splits, folder, progress)
        drawn = asked.streams(splits.test)
        result = instances(learner, drawn, tasks, name=self.title, progress=progress)
        return Scores(result.of_streams(self.instance), result.transductive, splits.sha256, done, asked.precision)


@dataclass(frozen=True)
class GrownCell(Begun, InstanceCell):
    """The same after several trainings."""

    before: tuple[Experiment, ...] = ()


def _cells(method: str, variant: str, asked: Experiment, *, trained: bool = True) -> list[InstanceCell]:
    return [InstanceCell(TABLE, method, variant, k, asked, trained) for k in INSTANCES]


def _spelled(five: str, fifteen: str, learner: str, steps: tuple[int, int, int]) -> list[GrownCell]:
    """Strings of five classes and of fifteen, by what the paper calls the methods there; ``steps`` of each training."""
    balanced, few, many = (replace(SPELLED, learner=learner, steps=some) for some in steps)
    balanced, many = replace(balanced, letters=5), replace(many, way=15)
    return [
        *(GrownCell(TABLE, five, FEWER, k, few, before=(balanced,)) for k in INSTANCES),
        *(GrownCell(TABLE, fifteen, STRINGS, k, many, before=(balanced, few)) for k in INSTANCES),
    ]


CELLS = [
    *_cells("MANN", ONE_HOT, replace(FIVE, learner="mann", steps=7000)),
    *_cells("LSTM", ONE_HOT, replace(FIVE, learner="lstm", steps=100_000)),
    *_cells("feedforward", ONE_HOT, replace(FIVE, learner="feedforward", steps=625)),
    *_spelled("MANN, LSTM controller", "MANN LRUA, LSTM controller", "mann", (1000, 5000, 1600)),
    *_spelled("LSTM", "LSTM", "lstm", (10_000, 20_000, 5000)),
    *_cells("kNN, raw pixels", FEWER, PIXELS, trained=False),
    *_cells("kNN, raw pixels", STRINGS, replace(PIXELS, way=15), trained=False),
]
