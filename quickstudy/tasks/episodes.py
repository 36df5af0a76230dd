"""Episodes from a pool of labelled pictures: N classes, K examples of each to learn from, others to answer for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from quickstudy.core import Examples, Task
from quickstudy.data.pool import Pool


class Episodes:
    """Task ``i`` is a function of (seed, i): its classes, its pictures, their labels and their order."""

    def __init__(self, pool: Pool, way: int, shot: int, query: int, *, seed: int = 0) -> None:
        _check(pool, way, shot, query)
        self.pool, self.way, self.shot, self.query, self.seed = pool, way, shot, query, seed
        self._starts = pool.starts.numpy()
        self._sizes = pool.sizes.numpy()

    def __getitem__(self, index: int) -> Task:
        task = self.batch([index])
        return Task(Examples(task.support.x[0], task.support.y[0]), Examples(task.query.x[0], task.query.y[0]))

    def batch(self, indices: Sequence[int]) -> Task:
        """(t, n, *shape) supports and (t, q, *shape) queries by one gather on the pool's device."""
        rows, labels = self.rows(indices)
        x = pictures(self.pool, rows)
        y = torch.from_numpy(labels).to(x.device)
        n = self.way * self.shot
        return Task(Examples(x[:, :n], y[:, :n]), Examples(x[:, n:], y[:, n:]))

    def rows(self, indices: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """(t, n + q) rows of the pool, and their labels: the support first."""
        drawn = [self._draw(index) for index in indices]
        rows, labels = zip(*drawn, strict=True)
        return np.stack(rows), np.stack(labels)

    def classes(self, index: int) -> np.ndarray:
        """(way,) the pool's class behind each label of this task."""
        return self._classes(self._generator(index))

    def _generator(self, index: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=self.seed, counter=[0, 0, 0, index]))

    def _classes(self, generator: np.random.Generator) -> np.ndarray:
        return generator.choice(len(self.pool), self.way, replace=False)

    def _draw(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        generator = self._generator(index)
        classes = self._classes(generator)
        each = self.shot + self.query
        ranks = generator.random((self.way, int(self._sizes[classes].max())))
        ranks[np.arange(ranks.shape[1]) >= self._sizes[classes][:, None]] = 2  # beyond the end of a smaller class
        picks = self._starts[classes][:, None] + np.argsort(ranks, axis=1)[:, :each]  # (way, each)
        labels = np.broadcast_to(np.arange(self.way)[:, None], picks.shape)
        support = generator.permutation(self.way * self.shot)
        query = generator.permutation(self.way * self.query)
        parts = [(slice(0, self.shot), support), (slice(self.shot, each), query)]
        rows = np.concatenate([picks[:, span].reshape(-1)[order] for span, order in parts])
        return rows, np.concatenate([labels[:, span].reshape(-1)[order] for span, order in parts])


def episodes(pool: Pool, way: int, shot: int, query: int, *, seed: int = 0) -> Episodes:
    """``way`` classes drawn without repetition, ``shot`` pictures of each in the support and ``query`` others of each.

    Raises ValueError where the pool has too few classes, or a class too few pictures.
    """
    return Episodes(pool, way, shot, query, seed=seed)


def pictures(pool: Pool, rows: np.ndarray | Tensor) -> Tensor:
    """(*rows.shape, channels, height, width) from 0 to 1, gathered on the pool's device."""
    index = torch.as_tensor(rows, device=pool.images.device)
    return pool.images[index].float().div_(255)


def _check(pool: Pool, way: int, shot: int, query: int) -> None:
    if min(way, shot, query) < 1:
        raise ValueError(f"way, shot and query are at least 1, got way {way}, shot {shot}, query {query}")
    if way > len(pool):
        raise ValueError(f"{way}-way tasks need {way} classes, this part of the data has {len(pool)}; lower way")
    least = int(pool.sizes.argmin())
    if int(pool.sizes[least]) < shot + query:
        raise ValueError(
            f"shot {shot} + query {query} need {shot + query} pictures of every class, {pool.names[least]!r} has "
            f"{int(pool.sizes[least])}; lower shot or query, or add pictures"
        )
