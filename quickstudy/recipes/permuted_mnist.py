"""Permuted MNIST: ten orders of the pixels, in three scenarios (van de Ven & Tolias, 2018).

Protocol: pictures padded to 32 x 32; two hidden layers of 1,000; Adam with 0.0001; 5,000 steps of 128 examples a
context, as many replayed. Strengths and decays are the published ones; that of SI has no ½ there: 1 is 2 here. EWC in
class-IL measures as published, too: the predicted label of every digit. In the other scenarios it has the exact Fisher
information of 1,000 digits and strengths of Hsu et al. (2018): with one of each context the best of a grid that they
print, online that of their code. ``OTHERS`` is what another measure is worth in class-IL.
"""

from __future__ import annotations

from typing import Any

from quickstudy.lives import Lifelong
from quickstudy.recipes.lives import SCENARIOS, LifeCell

TABLE = "permuted-mnist"
EWC: dict[str, dict[str, Any]] = {
    "task": {"strength": 100.0, "examples": 1000},
    "domain": {"strength": 100.0, "examples": 1000},
    "class": {"strength": 1.0, "fisher": "predicted"},
}
ONLINE: dict[str, dict[str, Any]] = {
    "task": {"strength": 250.0, "decay": 0.8, "examples": 1000},
    "domain": {"strength": 250.0, "decay": 0.9, "examples": 1000},
    "class": {"strength": 5.0, "fisher": "predicted"},
}
OTHERS: list[tuple[str, dict[str, Any]]] = [
    ("separate, predicted label, 1,000 digits", {"strength": 1.0, "fisher": "predicted", "examples": 1000}),
    ("separate, exact, 1,000 digits", {"strength": [0.1, 1.0, 10.0], "examples": 1000}),
    ("online, exact, 1,000 digits", {"strength": 5.0, "examples": 1000, "online": True, "decay": 1.0}),
]
SI = {"task": 10.0, "domain": 10.0, "class": 0.2}


def _cell(method: str, variant: str, life: str, scenario: str, **options: Any) -> LifeCell:
    asked = Lifelong(life, options, stream=TABLE, scenario=scenario, steps=5000, rate=1e-4, widths=(1000, 1000))
    return LifeCell(TABLE, method, variant, asked)


CELLS: list[LifeCell] = [
    *(_cell("none (fine-tuning)", "", "naive", s) for s in SCENARIOS),
    *(_cell("EWC", "separate Fisher", "ewc", s, **EWC[s]) for s in SCENARIOS),
    *(_cell("EWC", "online", "ewc", s, online=True, **ONLINE[s]) for s in SCENARIOS),
    *(_cell("EWC", variant, "ewc", "class", **options) for variant, options in OTHERS),
    *(_cell("SI", "", "si", s, strength=SI[s]) for s in SCENARIOS),
    *(_cell("offline (joint)", "", "joint", s) for s in SCENARIOS),
    *(_cell("LwF", "", "lwf", s, averaged=True) for s in SCENARIOS),
    *(_cell("DGR", "VAE", "generative", s) for s in SCENARIOS),
    *(_cell("DGR + distillation", "VAE", "generative", s, temperature=2.0) for s in SCENARIOS),
]
