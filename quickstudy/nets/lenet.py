"""LeNet-5 (LeCun et al. 1998) up to its penultimate layer of 84 units."""

from __future__ import annotations

from torch import Tensor, nn


class LeNet(nn.Module):
    """(n, channels, height, width) to (n, 84)."""

    features = 84

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels, height, width = shape
        if min(height, width) < 12:
            raise ValueError(f"LeNet needs pictures of at least 12 x 12, got {height} x {width}; enlarge them")
        self.blocks = nn.Sequential(
            nn.Conv2d(channels, 6, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(_flat(height, width), 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)


def _flat(height: int, width: int) -> int:
    """The size of the second pooled map, 16 channels of it."""
    return 16 * ((height // 2 - 4) // 2) * ((width // 2 - 4) // 2)


def lenet(shape: tuple[int, int, int]) -> LeNet:
    """LeNet for pictures of ``shape``; 28 x 28 gives the classic 400-120-84."""
    return LeNet(shape)
