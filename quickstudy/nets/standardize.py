"""Batch normalization by batch statistics, about as fast as the fused one; moments and second derivatives of its own.

The fused kernel adds up a channel that lies last number by number: from a few thousand places on, its result has three
digits in single precision. And PyTorch composes its second derivative of many small operations; written out it is
five sums and two linear combinations a channel.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

MOST_PARTS = 64


def standardize(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """(n, c, ...) by the moments of its batch, times (c,) scales, plus (c,) shifts."""
    out: Tensor = Standardize.apply(_last(x), weight, bias, eps)
    return out


class Standardize(Function):
    """The map itself."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        ctx.eps = eps
        if x.is_cpu and x.dtype == weight.dtype and x.dim() in (2, 4):
            flat = _flat(x)
            mean, variance = _moments(flat)
            inverse = torch.rsqrt(variance + eps)
            scale = inverse * weight
            last = torch.channels_last if x.dim() == 4 else torch.contiguous_format
            out = torch.empty_like(x, memory_format=last)  # of its own and no view: what follows may be in place
            torch.addcmul(bias - mean * scale, flat, scale, out=_flat(out))
        else:
            out, mean, inverse = torch.native_batch_norm(x, weight, bias, None, None, True, 0.0, eps)
        ctx.save_for_backward(x, weight, mean, inverse)
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return *Gradient.apply(g, *ctx.saved_tensors, ctx.eps), None


class Gradient(Function):
    """The gradients for x, the scales and the shifts, from that of the outputs."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, x: Tensor, weight: Tensor, mean: Tensor, inverse: Tensor, eps: float) -> Any:
        found = torch.ops.aten.native_batch_norm_backward(
            _last(g), x, weight, None, None, mean, inverse, True, eps, [True, True, True]
        )
        ctx.save_for_backward(g, x, weight, mean, inverse, *found[1:])
        ctx.eps = eps
        return found

    @staticmethod
    def backward(ctx: Any, dx: Tensor, dweight: Tensor, dbias: Tensor) -> Any:
        """With y standing for x standardized, P(v) = v - mean(v) - y mean(v y) and s = scale * inverse, ``forward``
        computes s P(g), sum(g y) and sum(g): differentiate <dx, s P(g)> + dweight sum(g y) + dbias sum(g)."""
        g, x, weight, mean, inverse, sum_gy, sum_g = ctx.saved_tensors
        u, flat, n = _flat(dx), _flat(g), dx.numel() // dx.shape[1]
        if torch.is_grad_enabled():  # a third derivative is asked for, and goes through the moments too
            variance, mean = torch.var_mean(_flat(x), 0, correction=0)
            inverse = torch.rsqrt(variance + ctx.eps)
        y = torch.addcmul(-mean * inverse, _flat(x), inverse)  # (places, c)
        if torch.is_grad_enabled():
            sum_gy, sum_g = (flat * y).sum(0), flat.sum(0)
        mean_g, mean_gy, mean_u, mean_uy = sum_g / n, sum_gy / n, u.mean(0), (u * y).mean(0)
        inner = (u * flat).sum(0) - n * (mean_u * mean_g + mean_uy * mean_gy)  # <u, P(g)>
        s = weight * inverse
        for_g = torch.addcmul(dbias - s * mean_u, y, dweight - s * mean_uy).addcmul_(u, s)
        a, b = dweight - s * mean_uy, -s * mean_gy  # the cotangent of y is a g + b u
        constant = -inverse * (a * mean_g + b * mean_u)
        along = -inverse * (a * mean_gy + b * mean_uy) - s * inverse * inner / n
        for_x = torch.addcmul(constant, y, along).addcmul_(flat, inverse * a).addcmul_(u, inverse * b)
        return _back(for_g, g), _back(for_x, x), inverse * inner, None, None, None


def _last(x: Tensor) -> Tensor:
    """With channels last, which the kernels on a CPU are slow without if only one side has them."""
    return x.contiguous(memory_format=torch.channels_last) if x.is_cpu and x.dim() == 4 else x


def _moments(flat: Tensor) -> tuple[Tensor, Tensor]:
    """(c,) mean and biased variance of (places, c), from those of parts of the places, side by side."""
    places, channels = flat.shape
    if not places:
        return flat.new_zeros(channels), flat.new_ones(channels)
    parts = next(d for d in range(min(MOST_PARTS, places), 0, -1) if places % d == 0)
    means, variances = torch.batch_norm_update_stats(flat.reshape(-1, parts * channels), None, None, 0.0)
    between, mean = torch.var_mean(means.view(parts, channels), 0, correction=0)
    return mean, variances.view(parts, channels).mean(0) + between


def _flat(a: Tensor) -> Tensor:
    """(n, c, ...) as (n ..., c), in at least single precision; a view where channels lie last."""
    return a.movedim(1, -1).flatten(0, -2).to(torch.promote_types(a.dtype, torch.float32))


def _back(flat: Tensor, like: Tensor) -> Tensor:
    shape = like.movedim(1, -1).shape
    return flat.view(shape).movedim(-1, 1).to(like.dtype)
