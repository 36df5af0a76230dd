"""Omniglot by networks that read the support: further rows of the table of ``omniglot_fewshot``.

SNAIL was published after a million iterations of 32 sequences with one query each at a rate of 0.0001, some 32 million
queries. These cells read some thousand batches, with three queries a class, at ten times that rate, which falls, and
begin as a matching network (``learners/snail.py``); one begins at random, at half the rate.
``metrics.json`` in a run has the accuracy on validation tasks at ten points on the way. Meta Networks were published on
an older split than this one.
"""

from __future__ import annotations

from dataclasses import replace

from quickstudy.experiment import Experiment
from quickstudy.recipes.cells import Cell
from quickstudy.recipes.omniglot_fewshot import CLASSIFIER, SETTINGS, TABLE
from quickstudy.recipes.pretrained import FROM_CLASSIFIER, Pretrained

READING = Experiment(data="omniglot", split="random", size=28, query=3, precision="auto")
STEPS = {(5, 1): 4000, (5, 5): 1500, (20, 1): 2000, (20, 5): 2000}
WAYS = {5: 1500, 10: 1000, 15: 700, 20: 500}  # steps of Meta Networks


def _snail(way: int, shot: int) -> Experiment:
    options = {"length": way * shot + 1, "start": "matching"}
    batch = 8 if way == 5 else 4
    steps = STEPS[way, shot]
    return replace(READING, learner="snail", way=way, shot=shot, batch=batch, steps=steps, options=options)


def _from_random(asked: Experiment) -> Experiment:
    return replace(asked, rate=5e-4, options=asked.options | {"start": "random"})


def _meta_networks(way: int) -> Experiment:
    batch = 8 if way < 15 else 4
    return replace(READING, learner="meta_networks", way=way, batch=batch, steps=WAYS[way])


CELLS = [
    *(Cell(TABLE, "SNAIL", "", *setting, _snail(*setting)) for setting in SETTINGS),
    Cell(TABLE, "SNAIL", "random first weights", 20, 1, _from_random(_snail(20, 1))),
    *(Pretrained(TABLE, "SNAIL", FROM_CLASSIFIER, *s, _snail(*s), before=(CLASSIFIER,)) for s in SETTINGS),
    *(Cell(TABLE, "Meta Networks", "previous split", way, 1, _meta_networks(way)) for way in WAYS),
    *(Pretrained(TABLE, "Meta Networks", FROM_CLASSIFIER, w, 1, _meta_networks(w), before=(CLASSIFIER,)) for w in WAYS),
    *(
        Cell(
            TABLE,
            "fast weights",
            f"{rule} rule",
            5,
            1,
            replace(READING, learner="fast_weights", way=30, query=5, steps=1000, options={"rule": rule}),
        )
        for rule in ("sum", "delta")
    ),
]
