"""Omniglot, 5 and 20 ways, 1 and 5 shots: the table that every few-shot paper prints.

Protocol: 28 x 28, quarter-turns are classes, 1,100 / 100 / 423 characters, 1,000 test tasks with 15 queries a class,
inductive (batch statistics averaged over training tasks). ``lake`` cells test on alphabets never seen.
"""

from __future__ import annotations

from dataclasses import replace

from quickstudy.experiment import Experiment
from quickstudy.recipes.cells import Cell

TABLE = "omniglot-fewshot"
SETTINGS = ((5, 1), (5, 5), (20, 1), (20, 5))  # (way, shot)
BASE = Experiment(data="omniglot", split="random", size=28, way=60, query=5, precision="auto")

PROTOTYPES = {1: replace(BASE, shot=1, steps=6000), 5: replace(BASE, shot=5, steps=3000)}
MATCHING = {
    1: replace(BASE, learner="matching", shot=1, steps=4000, rate=2e-3),
    5: replace(BASE, learner="matching", shot=5, steps=3000, rate=2e-3),
}
SIAMESE = replace(BASE, learner="siamese", steps=4000, rate=2e-3)
CLASSIFIER = replace(BASE, learner="classifier", steps=2000)
PIXELS = replace(BASE, learner="neighbours", options={"dark": True})  # the files' own polarity
BRIGHT = replace(BASE, learner="neighbours")
DENSITY = replace(BASE, learner="density", options={"bandwidth": 2.0})


def _cells(method: str, variant: str, asked: dict[int, Experiment] | Experiment, *, trained: bool = True) -> list[Cell]:
    by_shot = asked if isinstance(asked, dict) else {1: asked, 5: asked}
    return [Cell(TABLE, method, variant, way, shot, by_shot[shot], trained) for way, shot in SETTINGS]


def _lake(asked: dict[int, Experiment]) -> dict[int, Experiment]:
    """On the other split, a fifth as long."""
    return {shot: replace(one, split="lake", steps=one.steps // 5) for shot, one in asked.items()}


LAKE = _lake(PROTOTYPES)

CELLS = [
    *_cells("pixels", "cosine, no fine-tuning", PIXELS, trained=False),
    *_cells("pixels", "cosine, bright ink", BRIGHT, trained=False),
    *_cells("pixels", "cosine, bright ink, lake split", replace(BRIGHT, split="lake"), trained=False),
    *_cells("kernel density", "Gaussian on pixels", DENSITY, trained=False),
    *_cells("prototypical networks", "squared Euclidean", PROTOTYPES),
    *_cells("matching networks", "cosine, no fine-tuning", MATCHING),
    *_cells("convolutional siamese net", "cosine, no fine-tuning", SIAMESE),
    *_cells("baseline classifier", "cosine, no fine-tuning", CLASSIFIER),
    *_cells("prototypical networks", "squared Euclidean, lake split", LAKE),
    Cell(TABLE, "prototypical networks", "squared Euclidean, ten minutes of training", 5, 1, PROTOTYPES[1], minutes=10),
]
