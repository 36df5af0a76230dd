"""What rules that treat every coordinate alike share: all elements of all weights in one row, and back."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from quickstudy.rules.rule import Weights


def flat(weights: Weights, like: Weights | None = None) -> Tensor:
    """(n,): every element of every weight, in the order of the names in ``like``, or in their own."""
    return torch.cat([weights[name].reshape(-1) for name in like or weights])


def shaped(row: Tensor, like: Weights) -> Weights:
    """The weights whose elements are this row (n,)."""
    parts = row.split([w.numel() for w in like.values()])
    return {name: part.reshape(w.shape) for (name, w), part in zip(like.items(), parts, strict=True)}


def log_and_sign(x: Tensor, p: float) -> tuple[Tensor, Tensor]:
    """(log|x| / p, sign x), or (-1, e^p x) where |x| < e^-p (Andrychowicz et al., 2016, appendix A). Both are within
    [-1, 1] for |x| up to e^p."""
    least = math.exp(-p)
    small = x.abs() < least
    size = torch.where(small, -1.0, x.abs().clamp_min(least).log() / p)  # clamped: its slope at 0 would be nan
    return size, torch.where(small, math.exp(p) * x, x.sign())
