"""Cells of lifelong learning: the average accuracy over all contexts at the end."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from quickstudy.lifelong import right
from quickstudy.lives import Lifelong
from quickstudy.recipes.cells import AnyCell, Scores, digest
from quickstudy.train import Progress

SCENARIOS = ("task", "domain", "class")
QUESTIONS = {"split": 10_000, "permuted": 100_000}  # in all exams


@dataclass(frozen=True)
class LifeCell(AnyCell):
    """An average accuracy. The score of a question is weighted so that every context counts alike."""

    asked: Lifelong

    trained: ClassVar[bool] = True

    @property
    def setting(self) -> str:
        return f"{self.asked.scenario}-IL"

    def examined(self, tasks: int) -> int:
        """All test pictures."""
        return QUESTIONS[self.asked.stream.partition("-")[0]]

    def life(self, seed: int, scale: float) -> Lifelong:
        """Its life with this seed, ``scale`` times as long."""
        return dataclasses.replace(self.asked, seed=seed, steps=max(1, round(self.asked.steps * scale)))

    def stamp(self, seed: int, scale: float) -> str:
        asked = self.life(seed, scale)
        return f"{asked.method}-{asked.scenario}-seed{seed}-{digest(asked)}"

    def measure(self, seed: int, *, scale: float, tasks: int, runs: Path, progress: bool) -> Scores:
        asked = self.life(seed, scale)
        learner, state, stream, history = asked.go(runs / self.table / self.stamp(seed, scale), progress=progress)
        exams = [right(learner, state, stream, number) for number in range(len(stream))]
        each = sum(map(len, exams)) / len(exams)
        weighted = np.concatenate([exam * each / len(exam) for exam in exams])
        done = Progress(step=asked.steps * len(stream), seconds=sum(history.seconds))
        return Scores(weighted, learner.transductive, stream.sha256, done)
