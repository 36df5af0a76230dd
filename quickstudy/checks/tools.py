"""What the batteries compare with."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from quickstudy import tree
from quickstudy.core import Examples

M = TypeVar("M", bound=nn.Module)
EXACT = 1e-9  # relative, for the same arithmetic in another order


def double(module: M) -> M:
    """A copy in float64 and eval(), without dropout."""
    copied = copy.deepcopy(module).double().eval()
    for part in copied.modules():
        if isinstance(part, nn.modules.dropout._DropoutNd):
            part.p = 0.0
    return copied


def cast(data: Any, dtype: torch.dtype = torch.float64) -> Any:
    """The data with every floating-point leaf in this precision."""
    return tree.map(lambda leaf: leaf.to(dtype) if leaf.is_floating_point() else leaf, data)


def padding(like: Examples) -> Examples:
    """The same inputs, marked as padding."""

    def mark(y: Tensor) -> Tensor:
        return torch.full_like(y, torch.nan if y.is_floating_point() else -1)

    return Examples(like.x, tree.map(mark, like.y))


def error(a: Tensor, b: Tensor, floor: float = 0.0) -> float:
    """The largest difference, relative to the largest finite number of b or the floor; nan where one of them is."""
    if a.shape != b.shape or not a.numel():
        return 0.0 if a.shape == b.shape else float("inf")
    a, b = a.detach().double(), b.detach().double()
    difference = torch.where(a == b, 0, (a - b).abs()).max()  # a == b: infinities
    scale = torch.where(b.isfinite(), b.abs(), 0).max().clamp_min(max(floor, torch.finfo(b.dtype).tiny))
    return float(difference / scale)


def same(a: Tensor, b: Tensor, what: str, *, relative: float = EXACT, floor: float = 0.0) -> None:
    """Raises AssertionError unless a equals b to within the relative error."""
    off = error(a, b, floor)
    assert off <= relative, f"{what} differ by {off:.2g} of the largest, {relative:.2g} is allowed"
