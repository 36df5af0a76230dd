"""The four-block convolutional net of the few-shot papers (Vinyals et al. 2016; Snell et al. 2017; Finn et al.)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from quickstudy.nets.convolution import Conv2d
from quickstudy.nets.norm import BatchNorm, norm
from quickstudy.nets.patches import GreyConv2d, GreyNormed
from quickstudy.nets.sizes import check_sizes


class Conv4(nn.Module):
    """Four blocks of [3x3 convolution, normalization, 2x2 max-pool, ReLU]; (n, *shape) to (n, features).

    The pool stands before the ReLU, which gives the same numbers for a quarter of the work, and the weights lie
    channels-last, which is how two-core and tensor-core convolutions are fastest. ``stride`` halves by the step of the
    convolution instead of a pool, and averages over the places at the end: MAML's net for Omniglot.
    """

    def __init__(self, shape: tuple[int, int, int], width: int, *, normalization: str, stride: bool = False) -> None:
        super().__init__()
        check_sizes(width=width)
        channels, height, square = shape
        if min(height, square) < 16:
            raise ValueError(f"four halvings need pictures of at least 16 x 16, got {height} x {square}; enlarge them")
        inputs = [channels, width, width, width]
        block = _strided if stride else _block
        last = Mean() if stride else nn.Flatten()
        self.blocks = nn.Sequential(*(block(c, width, normalization) for c in inputs), last)
        self.features = width if stride else width * (height // 16) * (square // 16)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x).to(x.dtype)


class Mean(nn.Module):
    """The mean over the places: (n, c, h, w) to (n, c)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def _block(inputs: int, width: int, normalization: str) -> nn.Sequential:
    return nn.Sequential(_normed(inputs, width, normalization, 1), nn.MaxPool2d(2), nn.ReLU(inplace=True))


def _strided(inputs: int, width: int, normalization: str) -> nn.Sequential:
    # what the first layer gives is a view, on which working in place is dear
    return nn.Sequential(_normed(inputs, width, normalization, 2), nn.ReLU(inplace=inputs > 1))


def _normed(inputs: int, width: int, normalization: str, stride: int) -> nn.Sequential:
    """A convolution and its normalization."""
    after, bias = norm(normalization, width), normalization == "none"
    if inputs > 1:
        return nn.Sequential(Conv2d(inputs, width, 3, stride=stride, padding=1, bias=bias), after)
    convolution = GreyConv2d(width, stride=stride, bias=bias)
    return GreyNormed(convolution, after) if isinstance(after, BatchNorm) else nn.Sequential(convolution, after)


def conv4(shape: tuple[int, int, int], *, width: int = 64, normalization: str = "batch", stride: bool = False) -> Conv4:
    """The papers' net for pictures of ``shape`` (channels, height, width)."""
    return Conv4(shape, width, normalization=normalization, stride=stride)
