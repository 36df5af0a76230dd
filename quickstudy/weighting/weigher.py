"""What all learned weights have in common: they make a loss of a batch, and say how they add up."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from quickstudy.weighting.overlap import Overlap
from quickstudy.weighting.virtual import Virtual

NORMALIZATIONS = ("sum", "count")


class Weigher:
    """Makes a scalar loss of a batch, for any optimizer, and remembers the weights (n,) as ``last``.

    Weights are divided by their sum (``normalize`` "sum", as published), or by the number of examples ("count"). With
    "sum", a batch in which every weight is 0 has the loss 0 with slope 0; and a single example counts as much as
    a full batch, however small its weight was before.
    """

    def __init__(self, virtual: Virtual, normalize: str) -> None:
        if normalize not in NORMALIZATIONS:
            raise ValueError(f"normalize is {' or '.join(NORMALIZATIONS)}, got {normalize!r}")
        self.virtual, self.normalize = virtual, normalize
        self.overlap = Overlap(virtual.valid[0])
        self.last = torch.zeros(0)

    @property
    def model(self) -> nn.Module:
        return self.virtual.model

    def normalized(self, weights: Tensor) -> Tensor:
        """(n,) from non-negative (n,): what each loss is multiplied by before they are added."""
        if self.normalize == "count":
            return weights / len(weights)
        total = weights.sum()
        return weights / torch.where(total > 0, total, 1.0)

    def weighted(self, weights: Tensor, losses: Tensor) -> Tensor:
        """The scalar loss, with weights that are constants."""
        self.last = weights.detach()
        return (self.last * losses).sum()

    def real_losses(self, *batch: Any) -> Tensor:
        """(n,) by the model as it is: here, and only here, its buffers move as in any training step."""
        return self.virtual.measured(*batch)
