"""The first convolution of one-channel pictures, as one matrix product.

With a single input channel the library's convolutions have nothing to multiply by; nine shifted copies of the picture
and a product of matrices take a CPU half the time, there and back.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GreyConv2d(nn.Conv2d):
    """(n, 1, h, w) to (n, outputs, h / stride, w / stride): 3x3, padded by one, channels last."""

    def __init__(self, outputs: int, *, stride: int, bias: bool) -> None:
        super().__init__(1, outputs, 3, stride=stride, padding=1, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        if not input.is_cpu:
            return super().forward(input)
        if torch.is_autocast_enabled("cpu"):
            input = input.to(torch.get_autocast_dtype("cpu"))
        columns = shifted(input, self.stride[0])  # (9, n, height, width)
        out = columns.flatten(1).T @ self.weight.flatten(1).T
        out = out if self.bias is None else out + self.bias
        return out.view(*columns.shape[1:], -1).movedim(-1, 1)


def shifted(x: Tensor, stride: int) -> Tensor:
    """(9, n, h / stride, w / stride): what each of the nine weights meets at every place."""
    height, width = (-(-side // stride) for side in x.shape[2:])
    padded = F.pad(x[:, 0], (1, 1, 1, 1))
    rows = [slice(i, i + stride * (height - 1) + 1, stride) for i in range(3)]
    columns = [slice(j, j + stride * (width - 1) + 1, stride) for j in range(3)]
    return torch.stack([padded[:, row, column] for row in rows for column in columns])
