"""Loss functions whose weights are counted in other units: what is learned on them cannot rely on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from quickstudy.rules.rule import Weights
from quickstudy.tasks.losses import Losses, uniform


class Scaled(Losses):
    """f(c ∘ θ), started at θ / c, with factors c = e^u for every coordinate, u uniform on -spread..spread (random
    scaling of Lv, Jiang & Li, 2017). The losses along the way are those of f under steps of other sizes."""

    def __init__(self, losses: Losses, spread: float, *, seed: int = 0) -> None:
        if not spread > 0:
            raise ValueError(f"the spread of scales is positive, got {spread}; leave the losses as they are for none")
        self.losses, self.spread, self.seed = losses, spread, seed
        self.name = f"{losses.name}, scaled"

    def batch(self, indices: Sequence[int]) -> dict[str, Any]:
        """The problems, and (p, *shape) the factors of each weight."""
        problems = self.losses.batch(indices)
        shapes = {name: w.shape[1:] for name, w in self.losses.start(problems).items()}
        sizes = [shape.numel() for shape in shapes.values()]
        share = uniform(self.seed + 2**41, indices, sum(sizes)).astype(np.float32)
        row = torch.from_numpy(self.spread * (2 * share - 1)).exp()
        parts = zip(shapes.items(), row.split(sizes, dim=1), strict=True)
        return {"inner": problems, "scale": {name: part.reshape(len(indices), *shape) for (name, shape), part in parts}}

    def start(self, problems: dict[str, Any]) -> Weights:
        return {name: w / problems["scale"][name] for name, w in self.losses.start(problems["inner"]).items()}

    def loss(self, weights: Weights, problems: dict[str, Any], step: int) -> Tensor:
        plain = {name: w * problems["scale"][name] for name, w in weights.items()}
        return self.losses.loss(plain, problems["inner"], step)
