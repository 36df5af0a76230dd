"""Cells of one training that is read in several ways."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from quickstudy.core import Learner
from quickstudy.data import Splits
from quickstudy.experiment import Experiment
from quickstudy.recipes.cells import Cell
from quickstudy.train import Progress


@dataclass(frozen=True)
class Reread(Cell):
    """The training of the baseline classifier, whose features another reader reads: that of the learner ``reader``,
    with these ``options``."""

    reader: str = "classifier"
    options: dict[str, Any] = field(default_factory=dict)

    def learner(
        self, asked: Experiment, splits: Splits, folder: Path, progress: bool, minutes: float | None = None
    ) -> tuple[Learner, Progress]:
        trained: Any
        reading: Any
        trained, done = super().learner(asked, splits, folder, progress, minutes)
        reading = replace(asked, learner=self.reader, options=asked.options | self.options).build(splits)
        reading.reader.embed.load_state_dict(trained.reader.embed.state_dict())
        return reading.eval(), done
