"""The data of the table data-weights: two digits of which one is rare, and pictures with wrong labels.

``rare``: 5,000 training pictures of the digits 4 (0.5 %) and 9, five of each of which are taken out as clean ones; 500
balanced test pictures (Ren et al., 2018). ``flipped``: 10,000 training pictures of MNIST or Fashion-MNIST, of which an
exact share has the label of another class, each alike; 20 clean ones of each class, from pictures that are not learned
from; what is left of those chooses the best epoch. Which pictures, and which labels, depends on the seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from quickstudy import data
from quickstudy.core import Examples
from quickstudy.data import Pool

RARE, COMMON = 4, 9
LEARNED, FOURS, CLEAN_OF_TWO, ASKED = 5000, 25, 5, 250  # pictures; of them rare; clean of a class; test of a class
NOISY, FLIPPED, CLEAN_OF_TEN = 10_000, 0.4, 20


@dataclass(frozen=True)
class Noisy:
    """Pictures are uint8, (n, 1, 28, 28)."""

    learned: Examples
    wrong: Tensor  # (n,) whose label is wrong
    clean: Examples
    choosing: Examples  # other clean ones; none for ``rare``
    test: Examples
    names: tuple[str, ...]  # of the classes
    sha256: str  # of the classes

    def to_float(self, x: Tensor) -> Tensor:
        """(n, 1, 28, 28) from 0 to 1."""
        return x.float().div_(255).contiguous(memory_format=torch.channels_last)


def rare(seed: int) -> Noisy:
    """Fours, class 1, among nines, class 0."""
    splits, chance = data.mnist(), Generator().manual_seed(seed)
    fours = _some(splits.train, RARE, FOURS, chance)
    nines = _some(splits.train, COMMON, LEARNED - FOURS, chance)
    asked = [_some(splits.test, digit, ASKED, chance) for digit in (COMMON, RARE)]
    learned = _labelled([nines[CLEAN_OF_TWO:], fours[CLEAN_OF_TWO:]])
    none = torch.zeros(len(learned.y), dtype=torch.bool)
    clean = _labelled([nines[:CLEAN_OF_TWO], fours[:CLEAN_OF_TWO]])
    empty = Examples(clean.x[:0], clean.y[:0])
    return Noisy(learned, none, clean, empty, _labelled(asked), ("9", "4"), splits.sha256)


def flipped(name: str, seed: int) -> Noisy:
    """``name``: mnist or fashion_mnist."""
    splits, chance = data.load(name), Generator().manual_seed(seed)
    taken = torch.randperm(len(splits.train.images), generator=chance)[:NOISY]
    y = splits.train.labels[taken]
    wrong = torch.zeros(len(y), dtype=torch.bool)
    wrong[torch.randperm(len(y), generator=chance)[: round(FLIPPED * len(y))]] = True
    other = (y + torch.randint(1, len(splits.train), y.shape, generator=chance)) % len(splits.train)
    rows = [torch.randperm(int(size), generator=chance) for size in splits.valid.sizes]
    of_class = [splits.valid.select([c]).images[order] for c, order in enumerate(rows)]
    return Noisy(
        Examples(splits.train.images[taken], torch.where(wrong, other, y)),
        wrong,
        _labelled([part[:CLEAN_OF_TEN] for part in of_class]),
        _labelled([part[CLEAN_OF_TEN:] for part in of_class]),
        Examples(splits.test.images, splits.test.labels),
        splits.train.names,
        splits.sha256,
    )


def _some(pool: Pool, number: int, count: int, chance: Generator) -> Tensor:
    """So many pictures of a class."""
    images = pool.select([number]).images
    return images[torch.randperm(len(images), generator=chance)[:count]]


def _labelled(groups: list[Tensor]) -> Examples:
    """The groups one after another, labelled 0, 1, ..."""
    sizes = torch.tensor([len(group) for group in groups])
    return Examples(torch.cat(groups), torch.arange(len(groups)).repeat_interleave(sizes))
