"""The small convolutional classifier of Andrychowicz et al. (2016): three layers of 16 filters, a hidden one of 32."""

from __future__ import annotations

from torch import Tensor, nn

from quickstudy.nets.norm import norm

FILTERS, HIDDEN = 16, 32


class Convolutional(nn.Module):
    """(n, channels, height, width) to (n, classes): [5x5 convolution, normalization, ReLU, 2x2 max-pool] three times,
    then a hidden layer, normalized too, and the classes."""

    def __init__(self, shape: tuple[int, int, int], classes: int, *, normalization: str) -> None:
        super().__init__()
        channels, height, width = shape
        if min(height, width) < 8:
            raise ValueError(f"three halvings need pictures of at least 8 x 8, got {height} x {width}; enlarge them")
        self.convolutions = nn.Sequential(*(_block(c, normalization) for c in (channels, FILTERS, FILTERS)))
        inputs = FILTERS * (height // 8) * (width // 8)
        hidden = nn.Linear(inputs, HIDDEN, bias=normalization == "none")
        self.dense = nn.Sequential(
            nn.Flatten(), hidden, norm(normalization, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(self.convolutions(x))


def _block(channels: int, normalization: str) -> nn.Sequential:
    convolution = nn.Conv2d(channels, FILTERS, 5, padding=2, bias=normalization == "none")
    return nn.Sequential(convolution, norm(normalization, FILTERS), nn.ReLU(), nn.MaxPool2d(2))


def convolutional(shape: tuple[int, int, int], classes: int, *, normalization: str = "batch") -> Convolutional:
    """The paper's net for pictures of ``shape`` (channels, height, width)."""
    return Convolutional(shape, classes, normalization=normalization)
