"""Split MNIST: five pairs of digits, in three scenarios (van de Ven & Tolias, 2019; Hsu et al., 2018).

Protocol: two hidden layers of 400; Adam with 0.001; 2,000 steps of 128 examples a context, as many replayed; of the
60,000 training digits the last 5,000 are for validation, by which a strength is chosen where there are several. Every
seed but 0 deals the digits to the contexts in an order of its own. The published distillation is averaged over classes,
so that it weighs less in class-IL; our generative replay distils in full. The rows of Hsu et al. have pairs in order
and 4 passes, about 350 steps. Their penalties and that of SI have no ½: what is a strength of 1 there is 2 here.
"""

from __future__ import annotations

from typing import Any

from quickstudy.lives import Lifelong
from quickstudy.recipes.lives import SCENARIOS, LifeCell

TABLE = "split-mnist"
Strengths = dict[str, float | list[float]]  # of each scenario: one, or several to choose from
HSU: dict[str, Any] = {"shuffled": False, "steps": 350}  # four passes
GAN = 12_000  # steps of generator and critic, one to five, as many of the generator as a VAE takes
EWC: Strengths = {"task": [1e3, 1e5, 1e7, 1e9, 1e11], "domain": [1e5, 1e6, 1e7, 1e8], "class": 1e8}
SI: Strengths = {"task": [20.0, 200.0, 2e3], "domain": [100.0, 1e3, 1e4, 1e5], "class": 10.0}
FISHERS: list[tuple[str, dict[str, Any]]] = [
    ("EXACT (sum over classes)", {}),
    ("EXACT, n=500", {"examples": 500}),
    ("SAMPLE (label drawn from the model)", {"fisher": "sample"}),
    ("EMPIRICAL (true label)", {"fisher": "empirical"}),
]


def _cells(method: str, variant: str, life: str, options: dict[str, Any] | None = None, **more: Any) -> list[LifeCell]:
    """One for each scenario."""
    more = {"shuffled": True} | more
    return [
        LifeCell(TABLE, method, variant, Lifelong(life, options or {}, scenario=scenario, **more))
        for scenario in SCENARIOS
    ]


def _held(method: str, variant: str, life: str, strengths: Strengths, **options: Any) -> list[LifeCell]:
    """One for each scenario, each with its own strengths."""
    lives = (Lifelong(life, {"strength": strengths[s], **options}, scenario=s, shuffled=True) for s in SCENARIOS)
    return [LifeCell(TABLE, method, variant, asked) for asked in lives]


def _fisher(variant: str, options: dict[str, Any]) -> LifeCell:
    asked = Lifelong("ewc", {"strength": EWC["task"], **options}, scenario="task", shuffled=True)
    return LifeCell(TABLE, "EWC", f"Fisher: {variant}", asked)


CELLS: list[LifeCell] = [
    *_cells("none (fine-tuning)", "", "naive"),
    *_cells("offline (joint)", "", "joint"),
    *_held("EWC", "separate Fisher", "ewc", EWC),
    *_held("EWC", "online", "ewc", EWC, online=True),
    *_held("SI", "", "si", SI),
    *_cells("MAS", "reg 1", "mas", {"strength": 2.0}, **HSU),
    *_cells("MAS", "strength chosen", "mas", {"strength": [0.02, 0.2, 2.0, 20.0]}, **HSU),
    *_cells("naive rehearsal", "1.1k images", "replay", {"capacity": 1100}, **HSU),
    *_cells("exact replay", "1,000 examples", "replay", {"capacity": 1000}),
    *_cells("LwF", "", "lwf", {"averaged": True}),
    *_cells("LwF", "distillation in full", "lwf"),
    *_cells("noise replay", "labelled by the old learner", "noise"),
    *_cells("DGR", "VAE", "generative"),
    *_cells("DGR", "GAN with gradient penalty", "generative", {"generator": "gan", "steps": GAN}),
    *_cells("DGR + distillation", "VAE", "generative", {"temperature": 2.0}),
    *(_fisher(*row) for row in FISHERS),
]
