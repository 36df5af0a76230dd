"""Cells whose training begins with what another has learned."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from quickstudy.core import Learner
from quickstudy.data import Splits
from quickstudy.experiment import Experiment
from quickstudy.recipes.cells import Cell, ExperimentCell, digest, settled, stamped
from quickstudy.train import Progress

FROM_CLASSIFIER = "begun with the classifier's net"  # the variant, or its last words


class Begun(ExperimentCell):
    """A training that begins with the net that ``first`` learned; its minutes are those of both, its steps and its
    curve its own."""

    first: Experiment

    def stamp(self, seed: int, scale: float) -> str:
        return f"{super().stamp(seed, scale)}-after-{digest(self.first)}"

    def learner(
        self, asked: Experiment, splits: Splits, folder: Path, progress: bool, minutes: float | None = None
    ) -> tuple[Learner, Progress]:
        scale = asked.steps / self.asked.steps
        first = replace(self.first, seed=asked.seed, steps=max(1, round(self.first.steps * scale)))
        name, first = stamped(first), settled(first)
        before = folder.with_name(f"{name}-{first.precision}")
        begun = first.run(before, progress=progress)[1]
        learner, done = super().learner(replace(asked, pretrained=str(before)), splits, folder, progress, minutes)
        return learner, replace(done, seconds=begun.seconds + done.seconds)


@dataclass(frozen=True)
class Pretrained(Begun, Cell):
    """An accuracy on episodes after two trainings."""

    first: Experiment = field(default_factory=Experiment)
