"""Episodes from a pool of labelled pictures: N classes, K examples of each to learn from, others to answer for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from quickstudy.core import Examples, Task
from quickstudy.data.pool import Pool

BLOCK = 16  # tasks drawn at a time: between two training steps the caches are cold, and one alone is dear


class Episodes:
    """Task ``i`` is a function of (seed, i): its classes, its pictures, their labels and their order."""

    def __init__(self, pool: Pool, way: int, shot: int, query: int, *, seed: int = 0) -> None:
        _check(pool, way, shot, query)
        self.pool, self.way, self.shot, self.query, self.seed = pool, way, shot, query, seed
        self._starts = pool.starts.numpy()
        self._sizes = pool.sizes.numpy()
        self._drawn: tuple[int | None, list[tuple[np.ndarray, np.ndarray]]] = (
            None,
            [],
        )  # a block's number, and its tasks

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
        rows, labels = zip(*(self._task(index) for index in indices), strict=True)
        return np.stack(rows), np.stack(labels)

    def classes(self, index: int) -> np.ndarray:
        """(way,) the pool's class behind each label of this task."""
        return self._classes(bits(self.seed, index))

    def _classes(self, source: np.random.Philox) -> np.ndarray:
        return distinct(source, len(self.pool), self.way)

    def _task(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        block, place = divmod(index, BLOCK)
        number, tasks = self._drawn
        if number != block:
            tasks = [self._draw(i) for i in range(block * BLOCK, (block + 1) * BLOCK)]
            self._drawn = (block, tasks)
        return tasks[place]

    def _draw(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        source = bits(self.seed, index)
        classes = self._classes(source)
        each, sizes = self.shot + self.query, self._sizes[classes]
        ranks = source.random_raw((self.way, int(sizes.max()))) >> np.uint64(1)
        ranks[np.arange(ranks.shape[1]) >= sizes[:, None]] = 2**64 - 1  # beyond the end of a smaller class
        picks = self._starts[classes][:, None] + np.argsort(ranks, axis=1)[:, :each]  # (way, each)
        labels = np.broadcast_to(np.arange(self.way)[:, None], picks.shape)
        support = np.argsort(source.random_raw(self.way * self.shot))
        query = np.argsort(source.random_raw(self.way * self.query))
        parts = [(slice(0, self.shot), support), (slice(self.shot, each), query)]
        rows = np.concatenate([picks[:, span].reshape(-1)[order] for span, order in parts])
        return rows, np.concatenate([labels[:, span].reshape(-1)[order] for span, order in parts])


def episodes(pool: Pool, way: int, shot: int, query: int, *, seed: int = 0) -> Episodes:
    """``way`` classes drawn without repetition, ``shot`` pictures of each in the support and ``query`` others of each.

    Raises ValueError where the pool has too few classes, or a class too few pictures.
    """
    return Episodes(pool, way, shot, query, seed=seed)


def bits(seed: int, index: int) -> np.random.Philox:
    """The random bits of task ``index``. NumPy promises these for every version, but not what it draws from them."""
    return np.random.Philox(key=seed, counter=[0, 0, 0, index])


def distinct(source: np.random.Philox, n: int, k: int) -> np.ndarray:
    """(k,) different numbers below n, in random order."""
    if 2 * k >= n:
        return np.argsort(source.random_raw(n))[:k]
    found: dict[int, None] = {}
    while len(found) < k:
        found |= dict.fromkeys((source.random_raw(2 * k) % np.uint64(n)).tolist())
    return np.array(list(found)[:k])


def pictures(pool: Pool, rows: np.ndarray) -> Tensor:
    """(*rows.shape, channels, height, width) from 0 to 1, gathered on the pool's device."""
    index = torch.from_numpy(rows.reshape(-1)).to(pool.images.device)
    return pool.images.index_select(0, index).div(255).view(*rows.shape, *pool.shape)


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
