"""Permuted MNIST: ten orders of the pixels, in three scenarios (van de Ven & Tolias, 2018).

Protocol: pictures padded to 32 x 32; two hidden layers of 1,000; Adam with 0.0001; 5,000 steps of 128 examples a
context, as many replayed. The strengths are the published ones; that of SI has no ½ there: 1 is 2 here.
EWC has others in the scenarios that know or need no task, since its Fisher information is of single examples here: with
one of each context the best of a grid that Hsu et al. (2018) print for such gradients, online that of their code. In
class-IL it has a tenth and ten times the published one to choose from as well, on validation digits.
"""

from __future__ import annotations

from typing import Any

from quickstudy.lives import Lifelong
from quickstudy.recipes.lives import SCENARIOS, LifeCell, Strengths

TABLE = "permuted-mnist"
EWC: Strengths = {"task": 100.0, "domain": 100.0, "class": [0.1, 1.0, 10.0]}
ONLINE = {"task": (250.0, 0.8), "domain": (250.0, 0.9), "class": (5.0, 1.0)}  # strength, decay
PREDICTED: dict[str, dict[str, Any]] = {
    "separate": {"strength": 1.0},
    "separate, 1,000 examples": {"strength": 1.0, "examples": 1000},
    "online": {"strength": 5.0, "online": True},
}
SI = {"task": 10.0, "domain": 10.0, "class": 0.2}


def _cell(method: str, variant: str, life: str, scenario: str, **options: Any) -> LifeCell:
    asked = Lifelong(life, options, stream=TABLE, scenario=scenario, steps=5000, rate=1e-4, widths=(1000, 1000))
    return LifeCell(TABLE, method, variant, asked)


CELLS: list[LifeCell] = [
    *(_cell("none (fine-tuning)", "", "naive", s) for s in SCENARIOS),
    *(_cell("EWC", "separate Fisher", "ewc", s, strength=EWC[s], examples=1000) for s in SCENARIOS),
    *(
        _cell("EWC", "online", "ewc", s, strength=ONLINE[s][0], decay=ONLINE[s][1], online=True, examples=1000)
        for s in SCENARIOS
    ),
    *(
        _cell("EWC", f"{variant}, Fisher of the predicted label", "ewc", "class", fisher="predicted", **options)
        for variant, options in PREDICTED.items()
    ),
    *(_cell("SI", "", "si", s, strength=SI[s]) for s in SCENARIOS),
    *(_cell("offline (joint)", "", "joint", s) for s in SCENARIOS),
    *(_cell("LwF", "", "lwf", s, averaged=True) for s in SCENARIOS),
    *(_cell("DGR", "VAE", "generative", s) for s in SCENARIOS),
    *(_cell("DGR + distillation", "VAE", "generative", s, temperature=2.0) for s in SCENARIOS),
]
