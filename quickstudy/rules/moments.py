"""Running moments of the gradients of coordinates: what makes the inputs of learned rules independent of scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

EPS = 1e-8  # beside the root of the mean square, as in Adam


class Moments(NamedTuple):
    """Of n coordinates."""

    step: Tensor  # (), steps so far
    mean: Tensor  # (k, n) running means of the gradients, one for each rate of forgetting
    square: Tensor  # (n,) running mean of their squares


def none(row: Tensor, means: int) -> Moments:
    """Before the first gradient of coordinates like this row (n,)."""
    return Moments(row.new_zeros(()), row.new_zeros(means, len(row)), torch.zeros_like(row))


def after(row: Tensor, moments: Moments, betas: Sequence[float], beta: float) -> tuple[Tensor, Tensor, Moments]:
    """(n,) the gradient and (k, n) the means divided by the root of the mean square, all corrected for their start at
    zero; and the moments after these gradients (n,). The means forget at ``betas``, the square at ``beta``."""
    step = moments.step + 1
    kept = torch.tensor(betas, dtype=row.dtype, device=row.device)[:, None]
    mean = kept * moments.mean + (1 - kept) * row
    square = beta * moments.square + (1 - beta) * row.square()
    size = root(square / (1 - beta**step)) + EPS
    return row / size, mean / (1 - kept**step) / size, Moments(step, mean, square)


def root(square: Tensor) -> Tensor:
    """The square root, with a slope of zero at zero."""
    return square.clamp_min(EPS**3).sqrt()
