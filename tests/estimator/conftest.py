from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from quickstudy import learners

LETTERS = ("alpha", "beta", "gamma", "delta")


def drawing(letter: int, number: int, size: int = 32) -> np.ndarray:
    """(size, size) uint8, dark ink on bright paper: each letter a few strokes of its own, each drawing a bit moved."""
    chance = np.random.default_rng([letter, 0])
    ends = chance.integers(4, size - 4, (3, 2, 2))
    moved = ends + np.random.default_rng([letter, number + 1]).integers(-1, 2, (3, 2, 2))
    page = np.full((size, size), 255, dtype=np.uint8)
    for begin, end in moved:
        for t in np.linspace(0, 1, 2 * size):
            row, column = (begin + t * (end - begin)).round().astype(int)
            page[row - 1 : row + 1, column - 1 : column + 1] = 0
    return page


@pytest.fixture(scope="session")
def drawings():
    """((16, 32, 32) pictures, (16,) letters), four of each."""
    pairs = [(drawing(c, i), name) for c, name in enumerate(LETTERS) for i in range(4)]
    return np.stack([page for page, _ in pairs]), np.array([name for _, name in pairs])


@pytest.fixture(scope="session")
def asked():
    """Three more drawings of each letter."""
    pairs = [(drawing(c, i), name) for c, name in enumerate(LETTERS) for i in range(10, 13)]
    return np.stack([page for page, _ in pairs]), np.array([name for _, name in pairs])


@pytest.fixture
def folder(tmp_path, drawings):
    """The same as a folder of class folders."""
    root = tmp_path / "letters"
    for number, (page, name) in enumerate(zip(*drawings, strict=True)):
        (root / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(page).save(root / name / f"{number:02}.png")
    return root


def small(shape):
    """A net of no use and no batch statistics, which answers differently for every picture."""
    return learners.prototypes(shape, width=8, normalization="group")


@pytest.fixture
def net():
    return small
