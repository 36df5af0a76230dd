"""Cells whose training begins with the net of another."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from quickstudy import devices
from quickstudy.core import Learner
from quickstudy.data import Splits
from quickstudy.experiment import Experiment
from quickstudy.recipes.cells import Cell, digest, stamped
from quickstudy.train import Progress

FROM_CLASSIFIER = "begun with the classifier's net"  # the variant, or its last words


@dataclass(frozen=True)
class Pretrained(Cell):
    """A training that begins with the net that ``first`` learned, in precision "auto"; its minutes are those of both,
    its steps and its curve its own."""

    first: Experiment = field(default_factory=Experiment)

    def stamp(self, seed: int, scale: float) -> str:
        return f"{super().stamp(seed, scale)}-after-{digest(self.first)}"

    def learner(
        self, asked: Experiment, splits: Splits, folder: Path, progress: bool, minutes: float | None = None
    ) -> tuple[Learner, Progress]:
        scale = asked.steps / self.asked.steps
        first = replace(self.first, seed=asked.seed, steps=max(1, round(self.first.steps * scale)))
        name = f"{stamped(first)}-{devices.native()}"
        before = folder.with_name(name)
        begun = replace(first, precision=devices.native()).run(before, progress=progress)[1]
        learner, done = super().learner(replace(asked, pretrained=str(before)), splits, folder, progress, minutes)
        return learner, replace(done, seconds=begun.seconds + done.seconds)
