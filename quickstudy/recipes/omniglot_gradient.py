"""Omniglot by gradient descent inside the task: further rows of the table of ``omniglot_fewshot``.

The published MAML rows normalize queries together (transductive), and so do the cells that answer them; beside them are
inductive ones: the same trainings with statistics averaged over training tasks, and ones with those of the support.
The authors train for 60,000 updates of 32 tasks (16 at 20 ways) with as many queries as shots; these cells take fewer
and far smaller ones, of 5 queries a class.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from quickstudy.experiment import Experiment
from quickstudy.recipes.cells import Cell
from quickstudy.recipes.omniglot_fewshot import CLASSIFIER, SETTINGS, TABLE
from quickstudy.recipes.pretrained import FROM_CLASSIFIER, Pretrained
from quickstudy.recipes.reread import Reread

MAML = Experiment(learner="maml", data="omniglot", split="random", size=28, calibrated=False)
FIVE = {"steps": 1, "test_steps": 3, "rate": 0.4}  # inner loop, by way
TWENTY = {"steps": 5, "test_steps": 5, "rate": 0.1}
BUDGETS = {(5, 1): (24_000, 4), (5, 5): (12_000, 2), (20, 1): (5_000, 1), (20, 5): (2_000, 1)}  # updates, tasks each
BEGUN = {"stride": False, "head": "fresh", "steps": 5, "test_steps": 5, "rate": 0.03}  # on the classifier's net


def _asked(way: int, shot: int, **options: Any) -> Experiment:
    inner, (steps, batch) = FIVE if way == 5 else TWENTY, BUDGETS[way, shot]
    return replace(MAML, way=way, shot=shot, query=5, batch=batch, steps=steps, options=inner | options)


def _maml(
    variant: str,
    settings: tuple[tuple[int, int], ...] = SETTINGS,
    *,
    estimator: str = "unroll",
    calibrated: bool = False,
    **options: Any,
) -> list[Cell]:
    asked = {(way, shot): replace(_asked(way, shot, **options), estimator=estimator) for way, shot in settings}
    return [Cell(TABLE, "MAML", variant, *at, one, calibrated=calibrated) for at, one in asked.items()]


def _meta_sgd() -> list[Cell]:
    asked = {s: replace(_asked(*s), learner="meta_sgd", options={"rate": 0.1}) for s in SETTINGS}
    return [Cell(TABLE, "Meta-SGD", "", *setting, experiment) for setting, experiment in asked.items()]


def _anil() -> list[Cell]:
    asked = {s: replace(_asked(*s), learner="anil", options=TWENTY, steps=10_000) for s in SETTINGS[2:]}
    return [Cell(TABLE, "ANIL", "", *setting, experiment) for setting, experiment in asked.items()]


def _baseline(variant: str, **options: Any) -> list[Reread]:
    """Fine-tuned in every task."""
    return [
        Reread(TABLE, "baseline classifier", variant, way, shot, CLASSIFIER, options=options) for way, shot in SETTINGS
    ]


def _begun(method: str, variant: str, learner: str, steps: dict[int, int]) -> list[Pretrained]:
    """At 20 ways, with the steps of each shot, from the net that the classifier has learned."""
    asked = replace(MAML, learner=learner, way=20, options=BEGUN)
    each = {shot: replace(asked, shot=shot, steps=some) for shot, some in steps.items()}
    return [Pretrained(TABLE, method, variant, 20, shot, one, before=(CLASSIFIER,)) for shot, one in each.items()]


CELLS = [
    *_maml("conv, second order"),
    *_maml("conv, second order, calibrated afterwards", calibrated=True),
    *_maml("conv, second order, statistics of the support", normalization="support"),
    *_maml("first order, as rerun in the Reptile paper", estimator="first_order"),
    *_maml("no conv", SETTINGS[:2], conv=False),
    *_meta_sgd(),
    *_anil(),
    *_begun("MAML", f"conv, second order, {FROM_CLASSIFIER}", "maml", {1: 2000, 5: 1000}),
    *_begun("ANIL", FROM_CLASSIFIER, "anil", {1: 5000, 5: 5000}),
    *_baseline("cosine, fine-tuned", finetune_steps=10, finetune_rate=0.01),
    *_baseline("softmax, fine-tuned", read="softmax", finetune_steps=50, finetune_rate=0.01),
]
