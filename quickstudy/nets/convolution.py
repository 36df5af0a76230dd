"""Convolutions in the precision that is asked for, and in groups that stay fast through second derivatives.

PyTorch takes the double backward of a grouped convolution apart, group by group. A convolution and its two gradients
are three bilinear maps, and the gradients of each are the other two: written so, any derivative of a grouped
convolution is a grouped convolution.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function


class Plan(NamedTuple):
    """What a convolution is besides its tensors."""

    stride: tuple[int, int]
    padding: tuple[int, int]
    groups: int
    size: tuple[int, int]  # height and width of the input
    kernel: tuple[int, int]


def convolve(x: Tensor, w: Tensor, *, stride: tuple[int, int], padding: tuple[int, int], groups: int) -> Tensor:
    """(n, c, h, w) inputs and (o, c / groups, *kernel) weights to outputs; in autocast's precision, as torch's own."""
    x, w = _cast(x, w)
    plan = Plan(stride, padding, groups, (x.shape[2], x.shape[3]), (w.shape[2], w.shape[3]))
    out: Tensor = Forward.apply(x, w, plan)
    return out


class Conv2d(nn.Conv2d):
    """PyTorch's, in autocast's precision under ``vmap`` too, where PyTorch's own on a CPU is not."""

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(*_cast(input, self.weight, self.bias))


def _cast(x: Tensor, *weights: Tensor | None) -> Any:
    """All in autocast's precision, where it is on."""
    kind = x.device.type
    if not torch.is_autocast_enabled(kind):
        return x, *weights
    dtype = torch.get_autocast_dtype(kind)
    return x.to(dtype), *(w if w is None else w.to(dtype) for w in weights)


class Forward(Function):
    """Inputs and weights to outputs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, plan: Plan) -> Tensor:
        _keep(ctx, x, w, plan)
        return F.conv2d(x, w, None, plan.stride, plan.padding, 1, plan.groups)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, w = ctx.saved_tensors
        dx = InputGradient.apply(g, w, ctx.plan) if ctx.needs_input_grad[0] else None
        dw = WeightGradient.apply(x, g, ctx.plan) if ctx.needs_input_grad[1] else None
        return dx, dw, None


class InputGradient(Function):
    """The gradient of the outputs and the weights to that of the inputs."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, w: Tensor, plan: Plan) -> Tensor:
        _keep(ctx, g, w, plan)
        x = _blank(g, len(g), w.shape[1] * plan.groups, *plan.size)
        return _gradient(g, x, w, plan, 0)

    @staticmethod
    def backward(ctx: Any, x: Tensor) -> Any:
        g, w = ctx.saved_tensors
        dg = Forward.apply(x, w, ctx.plan) if ctx.needs_input_grad[0] else None
        dw = WeightGradient.apply(x, g, ctx.plan) if ctx.needs_input_grad[1] else None
        return dg, dw, None


class WeightGradient(Function):
    """The inputs and the gradient of the outputs to that of the weights."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, g: Tensor, plan: Plan) -> Tensor:
        _keep(ctx, x, g, plan)
        w = _blank(g, g.shape[1], x.shape[1] // plan.groups, *plan.kernel)
        return _gradient(g, x, w, plan, 1)

    @staticmethod
    def backward(ctx: Any, w: Tensor) -> Any:
        x, g = ctx.saved_tensors
        w = w.contiguous(memory_format=torch.channels_last)  # as the activations lie, or these would be moved
        dx = InputGradient.apply(g, w, ctx.plan) if ctx.needs_input_grad[0] else None
        dg = Forward.apply(x, w, ctx.plan) if ctx.needs_input_grad[1] else None
        return dx, dg, None


def _keep(ctx: Any, a: Tensor, b: Tensor, plan: Plan) -> None:
    ctx.save_for_backward(a, b)
    ctx.plan = plan


def _blank(like: Tensor, *shape: int) -> Tensor:
    """Stands for a tensor of which only the shape and the layout are read."""
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=torch.channels_last)


def _gradient(g: Tensor, x: Tensor, w: Tensor, plan: Plan, which: int) -> Tensor:
    mask = [which == 0, which == 1, False]
    gradients = torch.ops.aten.convolution_backward(
        g, x, w, None, plan.stride, plan.padding, (1, 1), False, (0, 0), plan.groups, mask
    )
    return gradients[which]
