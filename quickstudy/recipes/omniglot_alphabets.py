"""Omniglot's unseen alphabets one after another: what was meta-trained to learn, beside what learns from nothing.

The 20 alphabets of the split ``lake`` that no training of it has seen arrive one by one, 15 drawings of each character
to learn and 5 to be examined on, asked among all characters so far. Prototypes and neighbours add up their states and
take no step; the others are a net of two hidden layers of 400 and 500 steps an alphabet.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quickstudy import devices
from quickstudy.experiment import Experiment
from quickstudy.lives import Lifelong
from quickstudy.recipes.cells import Scores, digest
from quickstudy.recipes.lives import LifeCell
from quickstudy.recipes.omniglot_fewshot import LAKE

TABLE = "omniglot-alphabets"
READER = LAKE[1]


@dataclass(frozen=True)
class TrainedLife(LifeCell):
    """The life of a learner that is meta-trained first, on the alphabets of the training part."""

    reader: Experiment

    def training(self, seed: int, scale: float) -> Experiment:
        return dataclasses.replace(self.reader, seed=seed, steps=max(1, round(self.reader.steps * scale)))

    def stamp(self, seed: int, scale: float) -> str:
        return f"{super().stamp(seed, scale)}-{digest(self.training(seed, scale))}"

    def measure(self, seed: int, *, scale: float, tasks: int, runs: Path, progress: bool) -> Scores:
        reader = dataclasses.replace(self.training(seed, scale), precision=devices.native())
        folder = runs / self.table / f"reader-seed{seed}-{digest(reader)}"
        _, done = reader.run(folder, progress=progress)
        life = dataclasses.replace(self, asked=dataclasses.replace(self.asked, run=str(folder)))
        scores = LifeCell.measure(life, seed, scale=scale, tasks=tasks, runs=runs, progress=progress)
        return scores._replace(done=done, precision=reader.precision)


def _cell(method: str, variant: str, life: str, **options: Any) -> LifeCell:
    return LifeCell(TABLE, method, variant, dataclasses.replace(_life(life), options=options, steps=500))


def _life(method: str) -> Lifelong:
    return Lifelong(method, stream="split-omniglot", scenario="class")


CELLS: list[LifeCell] = [
    TrainedLife(TABLE, "prototypes", "meta-trained on 30 alphabets", _life("prototypes"), READER),
    LifeCell(TABLE, "neighbours", "pixels", _life("neighbours")),
    _cell("none (fine-tuning)", "", "naive"),
    *(
        _cell("EWC", f"sampled label, strength {strength:.0e}", "ewc", strength=strength, fisher="sample")
        for strength in (1e3, 1e5, 1e7)
    ),
    _cell("exact replay", "all examples", "replay", capacity=20_000),
    _cell("exact replay", "1,000 examples", "replay", capacity=1000),
    _cell("LwF", "", "lwf"),
    _cell("offline (joint)", "", "joint"),
]
