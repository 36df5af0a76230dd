"""Max-pooling that leaves channels last through second derivatives.

PyTorch's second derivative of it puts channels first, and what stands before the pool is slow where layouts meet.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function


class Window(NamedTuple):
    """What is pooled: height and width, steps, and padding."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]


def max_pool(x: Tensor, window: Window) -> Tensor:
    """(n, c, h, w) to the largest number of every window."""
    out: Tensor = Pool.apply(x, window)
    return out


class Pool(Function):
    """The map itself."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, window: Window) -> Tensor:
        out, places = torch.ops.aten.max_pool2d_with_indices(x, *window)
        ctx.save_for_backward(x, places)
        ctx.window = window
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return Spread.apply(g, *ctx.saved_tensors, ctx.window), None


class Spread(Function):
    """The gradient of the outputs to that of the inputs: each number to where the largest was."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, x: Tensor, places: Tensor, window: Window) -> Tensor:
        ctx.save_for_backward(places)
        return torch.ops.aten.max_pool2d_with_indices_backward(g, x, *window, (1, 1), False, places)

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Any:
        (places,) = ctx.saved_tensors
        found = _rows(u).gather(1, _rows(places))
        return found.unflatten(1, places.shape[2:]).movedim(-1, 1), None, None, None


def _rows(a: Tensor) -> Tensor:
    """(n, c, h, w) as (n, h w, c); a view where channels lie last."""
    return a.movedim(1, -1).flatten(1, 2)
