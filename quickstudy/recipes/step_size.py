"""Step sizes learned by reinforcement (Daniel, Taylor & Nowozin, 2016), in the table learned-optimizer: the rate of SGD
or RMSprop is a policy, learned by relative entropy policy search on descents of 100 steps.

A policy is learned on quadratics of the same drawing, or on networks of 20 sigmoid units on MNIST, and used as it is on
more units, more layers, another activation, other pictures and longer descents too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from quickstudy import devices, rules
from quickstudy.experiment import versions
from quickstudy.optimizers import VALID
from quickstudy.policy_search import Each, learn
from quickstudy.recipes.cells import digest
from quickstudy.recipes.learned_optimizer import FIGURES, TABLE, Loss
from quickstudy.rules import Rule
from quickstudy.rules.step_size import StepSize
from quickstudy.storage import Run
from quickstudy.tasks.problems import problem
from quickstudy.train import Progress


@dataclass(frozen=True)
class Search:
    """One policy search, as plain values."""

    direction: str = "sgd"
    rate: float = 0.01  # constant, of the policy in the middle of the first ones
    problem: str = "mnist"
    updates: int = 20
    samples: int = 32
    problems: int = 2  # an update
    examined: int = 8
    epsilon: float = 0.5
    seed: int = 0

    def run(self, folder: Path, *, progress: bool = False) -> tuple[StepSize, Progress]:
        """Searches into the folder, or goes on with what it holds, or finds it done."""
        rule = rules.step_size(self.direction, rate=self.rate)
        if not (folder / "config.json").exists():
            Run.create(folder, {"step_size": dataclasses.asdict(self), **versions()})
        losses, exam = problem(self.problem, seed=self.seed), problem(self.problem, seed=VALID)
        done = learn(
            rule,
            losses,
            exam,
            updates=self.updates,
            samples=self.samples,
            problems=self.problems,
            examined=self.examined,
            epsilon=self.epsilon,
            seed=self.seed,
            run=Run.open(folder),
            progress=progress,
        )
        return rule, done


@dataclass(frozen=True)
class Controlled(Loss):
    """The loss where a learned policy has the rate."""

    asked: Search

    trained: ClassVar[bool] = True

    def search(self, seed: int, scale: float) -> Search:
        return dataclasses.replace(self.asked, seed=seed, updates=max(1, round(scale * self.asked.updates)))

    def stamp(self, seed: int, scale: float) -> str:
        asked = self.search(seed, scale)
        return f"step-size-{asked.direction}-{asked.problem}-seed{seed}-{digest(asked)}"

    def rule(self, seed: int, *, scale: float, runs: Path, progress: bool) -> tuple[Rule, Progress]:
        devices.prepare()
        made, done = self.search(seed, scale).run(runs / TABLE / self.stamp(seed, scale), progress=progress)
        return Each(made, made.policy.detach()), done


METHODS = {"sgd": "SGD", "rmsprop": "RMSprop"}
QUADRATICS = {"samples": 64, "problems": 8, "examined": 64}
NETWORKS_FROM = 0.1  # a rate: those of networks are larger


def _asked(direction: str, name: str) -> Search:
    if name.startswith("quadratics"):
        return Search(direction, problem=name, **QUADRATICS)
    return Search(direction, NETWORKS_FROM)


def _cells() -> Iterator[Loss]:
    for name, steps, _ in FIGURES:
        for step in steps:
            for direction, method in METHODS.items():
                asked = _asked(direction, name)
                yield Controlled(TABLE, "step-size policy", method, name, step, max(steps), asked)


CELLS: list[Loss] = list(_cells())
