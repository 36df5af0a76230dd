"""Plain labelled batches, as tasks with an empty support: what a supervised classifier is trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from quickstudy.core import Examples, Task
from quickstudy.data.pool import Pool
from quickstudy.tasks.episodes import bits, pictures


class Batches:
    """Batch ``i`` holds ``size`` pictures drawn anew from the whole pool, labelled as the pool numbers its classes."""

    def __init__(self, pool: Pool, size: int, *, seed: int = 0) -> None:
        if size < 1:
            raise ValueError(f"a batch holds at least 1 picture, got {size}")
        self.pool, self.size, self.seed = pool, size, seed
        self.way = len(pool)
        self._labels = pool.labels

    def __getitem__(self, index: int) -> Task:
        task = self.batch([index])
        return Task(Examples(task.support.x[0], task.support.y[0]), Examples(task.query.x[0], task.query.y[0]))

    def batch(self, indices: Sequence[int]) -> Task:
        """(t, 0, *shape) supports and (t, size, *shape) queries."""
        rows = np.stack([self._draw(index) for index in indices])
        x = pictures(self.pool, rows)
        y = self._labels[rows].to(x.device)
        return Task(Examples(x[:, :0], y[:, :0]), Examples(x, y))

    def _draw(self, index: int) -> np.ndarray:
        raw = bits(self.seed, index).random_raw(self.size)
        return (raw % np.uint64(len(self.pool.images))).astype(np.int64)


def batches(pool: Pool, size: int, *, seed: int = 0) -> Batches:
    """Labelled batches of ``size`` pictures; the class of a picture is its class in the pool."""
    return Batches(pool, size, seed=seed)
