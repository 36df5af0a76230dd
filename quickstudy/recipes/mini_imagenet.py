"""miniImageNet, 5 ways, 1 and 5 shots: the table of Ravi and Larochelle (2017) and of what came after.

Protocol: their 64 / 16 / 20 classes, 84 x 84, test tasks with 15 queries a class; nets of four blocks with 64 filters,
for inner loops with 32. The papers train for some ten thousand episodes; ``steps`` here are an hour or so of a core or
two for each training, and ``quickstudy reproduce miniimagenet-fewshot --scale 10`` takes ten times as many. Inner loops
learn from one task of 5 queries a class at an update, where the authors of MAML take 2 or 4 of 15. Full contexts are
learned after the net that they read with; beside them, that net is trained on for as long without one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from quickstudy.experiment import Experiment
from quickstudy.recipes.cells import Cell
from quickstudy.recipes.pretrained import FROM_CLASSIFIER, Pretrained
from quickstudy.recipes.reread import Reread

TABLE = "miniimagenet-fewshot"
SHOTS = (1, 5)
BASE = Experiment(data="mini_imagenet", size=84, precision="auto")
PROTOTYPES = {
    1: replace(BASE, way=30, shot=1, query=5, steps=1500),
    5: replace(BASE, way=20, shot=5, query=5, steps=1200),
}
MATCHING = replace(BASE, learner="matching", way=20, query=5, steps=1500)
FURTHER = replace(MATCHING, steps=300, rate=3e-4, validations=5)
CLASSIFIER = replace(BASE, learner="classifier", way=32, shot=1, query=3, steps=2000)  # batches of 128
INNER = replace(BASE, way=5, query=5, precision="float32", calibrated=False)
STEPS = {1: 6000, 5: 2000}  # of inner loops, by shot
CHEAP = {1: 15_000, 5: 5000}  # of those without second derivatives, or with them for the head alone
LONG = {1: 3000, 5: 1500}  # of Meta-LSTM's, which are longer
BRIEF = {1: 3000, 5: 1000}  # of those that begin with a classifier's net
MAML = {"width": 32, "stride": False, "steps": 5, "test_steps": 10, "rate": 0.01}


def _cells(method: str, variant: str, asked: dict[int, Experiment] | Experiment, *, trained: bool = True) -> list[Cell]:
    by_shot = asked if isinstance(asked, dict) else {shot: replace(asked, shot=shot) for shot in SHOTS}
    return [Cell(TABLE, method, variant, 5, shot, by_shot[shot], trained) for shot in SHOTS]


def _supervised(method: str, variant: str, learner: str = "classifier", **options: Any) -> list[Cell]:
    """Trained once on all training classes, whatever the shot."""
    asked = replace(CLASSIFIER, learner=learner, options=options)
    return _cells(method, variant, dict.fromkeys(SHOTS, asked))


def _finetuned(**options: Any) -> list[Reread]:
    """The training of the nearest neighbour baseline, fine-tuned in every task."""
    names = "fine-tuning baseline", ""
    return [Reread(TABLE, *names, 5, shot, CLASSIFIER, reader="finetune", options=options) for shot in SHOTS]


def _inner(
    learner: str, options: dict[str, Any], steps: dict[int, int] = STEPS, **changes: Any
) -> dict[int, Experiment]:
    asked = replace(INNER, learner=learner, options=options, **changes)
    return {shot: replace(asked, shot=shot, steps=steps[shot]) for shot in SHOTS}


def _begun(method: str, variant: str, asked: dict[int, Experiment], **options: Any) -> list[Pretrained]:
    """Trained from the net that the classifier, with these options of the net, has learned."""
    first = replace(CLASSIFIER, options=options)
    words = ", ".join(filter(None, (variant, FROM_CLASSIFIER)))
    return [Pretrained(TABLE, method, words, 5, shot, asked[shot], before=(first,)) for shot in SHOTS]


def _further(variant: str, **options: Any) -> list[Pretrained]:
    """Matching networks that go on from the net of the rows without FCE."""
    nets = {shot: replace(MATCHING, shot=shot) for shot in SHOTS}
    asked = {shot: replace(FURTHER, shot=shot, options=options) for shot in SHOTS}
    names = "matching networks", variant
    return [Pretrained(TABLE, *names, 5, shot, asked[shot], before=(nets[shot],)) for shot in SHOTS]


def _meta_lstm() -> dict[int, Experiment]:
    """With as many inner steps as the paper takes."""
    return {shot: _inner("meta_lstm", {"steps": steps}, LONG)[shot] for shot, steps in ((1, 12), (5, 8))}


CELLS = [
    *_cells("pixels", "cosine, 64/16/20 split", replace(BASE, learner="neighbours"), trained=False),
    *_supervised("nearest neighbour baseline", ""),
    *_finetuned(rate=0.003, steps=50),
    *_supervised("Baseline++ (cosine head)", "Conv-4", "baseline_plus_plus"),
    *_cells("prototypical networks", "squared Euclidean", PROTOTYPES),
    *_cells("matching networks", "no FCE", MATCHING),
    *_further("FCE", context=True),
    *_further("no FCE, as many updates as with it"),
    *_cells("MAML", "second order", _inner("maml", MAML)),
    *_cells("MAML", "first order", _inner("maml", MAML, CHEAP, estimator="first_order")),
    *_cells("MAML", "second order, statistics of the support", _inner("maml", MAML | {"normalization": "support"})),
    *_cells("Meta-LSTM", "", _meta_lstm()),
    *_cells("ANIL", "", _inner("anil", MAML, CHEAP)),
    *_begun("prototypical networks", "squared Euclidean", PROTOTYPES),
    *_begun("MAML", "second order", _inner("maml", MAML | {"head": "fresh"}, BRIEF), width=32),
    *_begun("ANIL", "", _inner("anil", MAML | {"head": "fresh"}, CHEAP), width=32),
]
