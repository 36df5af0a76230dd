"""Cells whose training begins with what another has learned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from quickstudy.core import Learner
from quickstudy.data import Splits
from quickstudy.experiment import Experiment
from quickstudy.recipes.cells import Cell, ExperimentCell, digest, settled, stamped
from quickstudy.train import Progress

FROM_CLASSIFIER = "begun with the classifier's net"  # the variant, or its last words


class Begun(ExperimentCell):
    """A training that begins with what the last of those ``before`` it learned, which began with what the one before it
    learned, and so on; its minutes are those of all, its steps and its curve its own."""

    before: tuple[Experiment, ...]

    def stamp(self, seed: int, scale: float) -> str:
        return _after(super().stamp(seed, scale), self.before)

    def learner(
        self, asked: Experiment, splits: Splits, folder: Path, progress: bool, minutes: float | None = None
    ) -> tuple[Learner, Progress]:
        scale, seconds, start = asked.steps / self.asked.steps, 0.0, None
        for number, lesson in enumerate(self.before):
            one = replace(lesson, seed=asked.seed, steps=max(1, round(lesson.steps * scale)))
            name, one = _after(stamped(one), self.before[:number]), replace(settled(one), pretrained=start)
            path = folder.with_name(f"{name}-{one.precision}")
            seconds += one.run(path, progress=progress)[1].seconds
            start = str(path)
        learner, done = super().learner(replace(asked, pretrained=start), splits, folder, progress, minutes)
        return learner, replace(done, seconds=seconds + done.seconds)


@dataclass(frozen=True)
class Pretrained(Begun, Cell):
    """An accuracy on episodes after several trainings."""

    before: tuple[Experiment, ...] = ()


def _after(stamp: str, before: tuple[Experiment, ...]) -> str:
    return f"{stamp}-after-{'-'.join(map(digest, before))}" if before else stamp
