"""A labelled pool: decoded pictures sorted by class, from which tasks are drawn by index."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True)
class Pool:
    """Class ``c`` owns ``images[starts[c]:starts[c + 1]]``; ink is bright: 255 where a pen was."""

    images: Tensor  # (N, channels, height, width) uint8
    starts: Tensor  # (classes + 1,) int64, on the CPU
    names: tuple[str, ...]  # (classes,), such as "Greek/character03"

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.dim() != 4:
            raise ValueError(
                f"a pool holds uint8 pictures of (N, channels, height, width), got {self.images.dtype} of "
                f"{tuple(self.images.shape)}"
            )
        if len(self.starts) != len(self.names) + 1 or int(self.starts[-1]) != len(self.images):
            raise ValueError(
                f"{len(self.names)} classes and {len(self.images)} pictures need {len(self.names) + 1} starts that end "
                f"at {len(self.images)}, got {len(self.starts)} that end at {int(self.starts[-1])}"
            )

    def __len__(self) -> int:
        """The number of classes."""
        return len(self.names)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one picture."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    @property
    def sizes(self) -> Tensor:
        """(classes,) pictures of each class."""
        return self.starts.diff()

    @property
    def labels(self) -> Tensor:
        """(N,) the class of every picture."""
        return torch.repeat_interleave(torch.arange(len(self)), self.sizes)

    def select(self, classes: Sequence[int]) -> Pool:
        """The pool of these classes alone, in this order."""
        spans = [torch.arange(int(self.starts[c]), int(self.starts[c + 1])) for c in classes]
        rows = torch.cat(spans) if spans else torch.zeros(0, dtype=torch.int64)
        return Pool(self.images[rows], _starts([len(s) for s in spans]), tuple(self.names[c] for c in classes))

    def rotated(self) -> Pool:
        """Four times the classes: each as it is and turned by 90, 180 and 270 degrees (Santoro et al. 2016)."""
        turned = [torch.rot90(self.images, quarter, dims=(2, 3)) for quarter in range(4)]
        names = tuple(f"{name}@{90 * quarter}" if quarter else name for quarter in range(4) for name in self.names)
        return Pool(torch.cat(turned), _starts(self.sizes.repeat(4).tolist()), names)

    def to(self, device: torch.device | str) -> Pool:
        return Pool(self.images.to(device), self.starts, self.names)


class Splits(NamedTuple):
    """Three pools of different classes (or, for MNIST, of different pictures), and how they were split."""

    train: Pool
    valid: Pool
    test: Pool
    name: str  # such as "random"

    def to(self, device: torch.device | str) -> Splits:
        """The same on another device."""
        return Splits(self.train.to(device), self.valid.to(device), self.test.to(device), self.name)

    @property
    def sha256(self) -> str:
        """The hash of which class is where: two tables with the same hash used the same split."""
        return split_sha256(self.train.names, self.valid.names, self.test.names)


def split_sha256(*parts: Sequence[str]) -> str:
    """The SHA-256 of lists of class names, as JSON."""
    return hashlib.sha256(json.dumps([list(part) for part in parts]).encode()).hexdigest()


def hash_order(names: Sequence[str], seed: int) -> list[str]:
    """The names in an order that depends on the seed alone: on no generator, version or machine."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest())


def _starts(sizes: Sequence[int]) -> Tensor:
    return torch.tensor([0, *sizes]).cumsum(0)


def build(groups: dict[str, Tensor]) -> Pool:
    """The pool of {class name: (n, channels, height, width) uint8}, in the dictionary's order."""
    return Pool(torch.cat(list(groups.values())), _starts([len(g) for g in groups.values()]), tuple(groups))
