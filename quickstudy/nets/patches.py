"""The first convolution of one-channel pictures, and its batch normalization, as one matrix product.

With a single input channel the library's convolutions have nothing to multiply by; nine shifted copies of the picture
and a product of matrices take a CPU half the time, there and back. And the moments of the outputs follow from those of
the nine, so that normalizing them is a change of the weights: the largest activations of a net are never read for it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quickstudy.nets.attention import full_precision
from quickstudy.nets.norm import BatchNorm


class GreyConv2d(nn.Conv2d):
    """(n, 1, h, w) to (n, outputs, h / stride, w / stride): 3x3, padded by one, channels last."""

    def __init__(self, outputs: int, *, stride: int, bias: bool) -> None:
        super().__init__(1, outputs, 3, stride=stride, padding=1, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        if not input.is_cpu:
            return super().forward(input)
        columns = shifted(input, self.stride[0])  # (9, n, height, width)
        out = _product(columns.flatten(1), self.weight.flatten(1).T)
        return _placed(out if self.bias is None else out + self.bias, columns)


class GreyNormed(nn.Sequential):
    """A GreyConv2d without bias and its BatchNorm, at once."""

    def __init__(self, convolution: GreyConv2d, norm: BatchNorm) -> None:
        super().__init__(convolution, norm)

    def forward(self, input: Tensor) -> Tensor:
        convolution, norm = self
        assert isinstance(convolution, GreyConv2d)
        assert isinstance(norm, BatchNorm)
        if not input.is_cpu:
            return super().forward(input)
        columns = shifted(input, convolution.stride[0])
        flat, weight = columns.flatten(1), convolution.weight.flatten(1)  # (9, places), (outputs, 9)
        mean, variance = norm.settled(lambda: _moments(flat, weight))
        scale = torch.rsqrt(variance + norm.eps) * norm.weight
        shift = norm.bias - mean * scale
        ones = torch.ones_like(flat[:1])  # carry the shift, which added afterwards would be another pass
        both = torch.cat([(weight * scale[:, None]).T, shift[None]])
        return _placed(_product(torch.cat([flat, ones]), both), columns)


def _product(columns: Tensor, weights: Tensor) -> Tensor:
    """(places, outputs) from (k, places) and (k, outputs). The weights are laid out so that the gradient by them is a
    product without transposes: with two of them MKL is far slower on AMD processors."""
    return columns.T @ weights.contiguous()


def _moments(columns: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """(outputs,) mean and biased variance of weight @ columns, from those of the nine columns."""
    with full_precision(columns):
        middle = columns.mean(1)
        centred = columns - middle[:, None]
        spread = centred @ centred.T / columns.shape[1]  # (9, 9)
        return weight @ middle, ((weight @ spread) * weight).sum(1)


def _placed(out: Tensor, columns: Tensor) -> Tensor:
    """(places, outputs) as (n, outputs, height, width), channels last."""
    return out.view(*columns.shape[1:], out.shape[-1]).movedim(-1, 1)


def shifted(x: Tensor, stride: int) -> Tensor:
    """(9, n, h / stride, w / stride): what each of the nine weights meets at every place."""
    height, width = (-(-side // stride) for side in x.shape[2:])
    padded = F.pad(x[:, 0], (1, 1, 1, 1))
    rows = [slice(i, i + stride * (height - 1) + 1, stride) for i in range(3)]
    columns = [slice(j, j + stride * (width - 1) + 1, stride) for j in range(3)]
    return torch.stack([padded[:, row, column] for row in rows for column in columns])
