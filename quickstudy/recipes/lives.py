"""Cells of lifelong learning: the average accuracy over all contexts at the end."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from quickstudy.lifelong import right
from quickstudy.lives import Lifelong
from quickstudy.recipes.cells import AnyCell, Scores, digest
from quickstudy.train import Progress

SCENARIOS = ("task", "domain", "class")
CHOOSING = 1000  # the seed of lives that choose


@dataclass(frozen=True)
class LifeCell(AnyCell):
    """An average accuracy.

    Where what is asked is ``shuffled``, seed 0 has the classes in their order nevertheless, as van de Ven's code does.
    Where its option ``strength`` is a list, the one is taken that is best on validation pictures, in a life with a seed
    that no other has, and the classes in their order; the scores tell what each had (``trials``).
    """

    asked: Lifelong

    trained: ClassVar[bool] = True

    @property
    def setting(self) -> str:
        return f"{self.asked.scenario}-IL"

    def life(self, seed: int, scale: float) -> Lifelong:
        """Its life with this seed, ``scale`` times as long, whatever its strength."""
        steps = self.asked.steps if self.asked.reads else max(1, round(self.asked.steps * scale))
        shuffled = self.asked.shuffled and seed > 0
        return dataclasses.replace(self.asked, seed=seed, steps=steps, shuffled=shuffled)

    def stamp(self, seed: int, scale: float) -> str:
        asked = self.life(seed, scale)
        return f"{asked.method}-{asked.scenario}-seed{seed}-{digest(asked)}"

    def measure(self, seed: int, *, scale: float, tasks: int, runs: Path, progress: bool) -> Scores:
        asked = self.life(seed, scale)
        trials = self._trials(asked, runs, progress)
        if trials:
            asked = _with_strength(asked, max(trials, key=lambda strength: trials[strength]))
        home = runs / self.table
        learner, state, stream, history = asked.go(
            home / self.stamp(seed, scale), progress=progress, generators=home / "generators"
        )
        exams = [right(learner, state, stream, number) for number in range(len(stream))]
        steps = 0 if asked.reads else asked.steps * len(stream)
        done = Progress(step=steps, seconds=sum(history.seconds))
        first = self.life(0, scale).contexts()  # seeds differ in it, and count together
        tried = {f"strength {strength:g}": round(100 * score, 2) for strength, score in trials.items()}
        return Scores(every_context(exams), learner.transductive, first.sha256, done, trials=tried)

    def _trials(self, asked: Lifelong, runs: Path, progress: bool) -> dict[float, float]:
        """What each strength of the list has on validation pictures; nothing where there is no list."""
        strengths = asked.options.get("strength")
        found = {}
        for strength in strengths if isinstance(strengths, list) else []:
            trial = _with_strength(asked, strength, seed=CHOOSING, examine="valid", shuffled=False)
            folder = runs / self.table / "chosen" / f"{trial.method}-{trial.scenario}-{digest(trial)}"
            history = trial.go(folder, progress=progress)[3]
            found[strength] = float(history.matrix[-1].mean())
        return found


def _with_strength(asked: Lifelong, strength: float, **more: Any) -> Lifelong:
    return dataclasses.replace(asked, options={**asked.options, "strength": strength}, **more)


def every_context(exams: Sequence[np.ndarray]) -> np.ndarray:
    """The scores of all questions, weighted so that every context counts alike in their mean."""
    each = sum(map(len, exams)) / len(exams)
    return np.concatenate([exam * each / len(exam) for exam in exams])
