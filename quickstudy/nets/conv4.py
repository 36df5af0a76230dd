"""The four-block convolutional net of the few-shot papers (Vinyals et al. 2016; Snell et al. 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from quickstudy.nets.norm import norm


class Conv4(nn.Module):
    """Four blocks of [3x3 convolution, normalization, 2x2 max-pool, ReLU]; (n, *shape) to (n, features).

    The pool stands before the ReLU, which gives the same numbers for a quarter of the work, and the weights lie
    channels-last, which is how two-core and tensor-core convolutions are fastest.
    """

    def __init__(self, shape: tuple[int, int, int], width: int, *, normalization: str) -> None:
        super().__init__()
        channels, height, square = shape
        if min(height, square) < 16:
            raise ValueError(f"four halvings need pictures of at least 16 x 16, got {height} x {square}; enlarge them")
        inputs = [channels, width, width, width]
        self.blocks = nn.Sequential(*(_block(c, width, normalization) for c in inputs))
        self.features = width * (height // 16) * (square // 16)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x).flatten(1).to(x.dtype)


def _block(inputs: int, width: int, normalization: str) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, width, 3, padding=1, bias=normalization == "none")
    return nn.Sequential(convolution, norm(normalization, width), nn.MaxPool2d(2), nn.ReLU())


def conv4(shape: tuple[int, int, int], *, width: int = 64, normalization: str = "batch") -> Conv4:
    """The papers' net for pictures of ``shape`` (channels, height, width)."""
    return Conv4(shape, width, normalization=normalization)
