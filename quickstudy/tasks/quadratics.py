"""Random quadratics |W θ - y|² (Andrychowicz et al., 2016, section 3.1), in the two drawings that circulate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from quickstudy.rules.rule import Weights
from quickstudy.tasks.losses import Losses, normal, uniform

DRAWINGS = ("gaussian", "uniform")
SPREAD = 0.01  # of the starting weights of the uniform drawing


class Quadratics(Losses):
    """|W θ - y|² / n: the mean over the n numbers of y, which starts near 1 where y is Gaussian and θ is 0, as the
    paper's axis does. Its sum is n times as large."""

    def __init__(self, size: int, *, drawing: str, seed: int) -> None:
        if drawing not in DRAWINGS:
            raise ValueError(f"quadratics are drawn {' or '.join(DRAWINGS)}, got {drawing!r}")
        if size < 1:
            raise ValueError(f"a quadratic has at least 1 coordinate, got {size}")
        self.size, self.drawing, self.seed = size, drawing, seed
        self.name = f"quadratics-{drawing}"

    def batch(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """(p, n, n) matrices, (p, n) targets, (p, n) starts."""
        n, gaussian = self.size, self.drawing == "gaussian"
        drawn = (normal if gaussian else uniform)(self.seed, indices, n * n + n)
        start = np.zeros((len(indices), n)) if gaussian else SPREAD * normal(self.seed + 2**40, indices, n)
        parts = {"matrix": drawn[:, : n * n].reshape(-1, n, n), "target": drawn[:, n * n :], "start": start}
        return {name: torch.from_numpy(part.astype(np.float32)) for name, part in parts.items()}

    def start(self, problems: dict[str, Tensor]) -> Weights:
        return {"theta": problems["start"].clone()}

    def loss(self, weights: Weights, problems: dict[str, Tensor], step: int) -> Tensor:
        reached = (problems["matrix"] @ weights["theta"][..., None])[..., 0]
        return (reached - problems["target"]).square().mean(-1)


def quadratics(size: int = 10, *, drawing: str = "gaussian", seed: int = 0) -> Quadratics:
    """``drawing``: "gaussian", W and y normal, θ from 0, as in the notebook that is copied most; "uniform", W and y
    uniform on 0..1, θ normal of deviation 0.01, as in the authors' code.

    Raises ValueError for another drawing.
    """
    return Quadratics(size, drawing=drawing, seed=seed)
