"""Streams inside an episode: a few classes, one drawing after the other, each to be named before its label is told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from quickstudy.core import Examples
from quickstudy.data.pool import Pool
from quickstudy.tasks.episodes import bits, distinct, pictures


class Sequences:
    """Stream ``i`` is a function of (seed, i): its classes, the class of every step, its pictures.

    The class of a step is drawn from all ``way``, whatever came before: in a stream with as many of each, the last
    labels follow from the first ones. A class shows all its pictures before one comes again.
    """

    def __init__(self, pool: Pool, way: int, length: int, *, labels: int | None = None, seed: int = 0) -> None:
        _check(pool, way, length, labels)
        self.pool, self.length, self.seed = pool, length, seed
        self._starts, self._sizes = pool.starts.tolist(), pool.sizes.tolist()
        self.classes, self.way = way, labels or way  # classes a stream, labels there are

    def __getitem__(self, index: int) -> Examples:
        stream = self.batch([index])
        return Examples(stream.x[0], stream.y[0])

    def batch(self, indices: Sequence[int]) -> Examples:
        """(t, length, *shape) pictures and their (t, length) labels."""
        rows, labels = zip(*(self._draw(index) for index in indices), strict=True)
        x = pictures(self.pool, np.stack(rows))
        return Examples(x, torch.from_numpy(np.stack(labels)).to(x.device))

    def _draw(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """(length,) rows of the pool, and their labels."""
        source = bits(self.seed, index)
        classes = distinct(source, len(self.pool), self.classes)
        names = distinct(source, self.way, self.classes)
        steps = (source.random_raw(self.length) % np.uint64(self.classes)).astype(np.int64)
        rows = np.empty(self.length, dtype=np.int64)
        for place, class_ in enumerate(classes):
            met = np.flatnonzero(steps == place)
            order = np.argsort(source.random_raw(self._sizes[class_]))
            rows[met] = self._starts[class_] + np.resize(order, len(met))
        return rows, names[steps]


def sequences(pool: Pool, way: int, length: int, *, labels: int | None = None, seed: int = 0) -> Sequences:
    """``way`` classes a stream, ``length`` steps (the protocol of Santoro et al., 2016). The classes get labels below
    ``labels``, as many as classes unless given, anew in every stream.

    Raises ValueError where the pool has too few classes, or there are too few labels.
    """
    return Sequences(pool, way, length, labels=labels, seed=seed)


def _check(pool: Pool, way: int, length: int, labels: int | None) -> None:
    if min(way, length) < 1:
        raise ValueError(f"way and length are at least 1, got way {way}, length {length}")
    if way > len(pool):
        raise ValueError(f"streams of {way} classes need as many, this part of the data has {len(pool)}; lower way")
    if labels is not None and labels < way:
        raise ValueError(f"{way} classes need as many labels, got {labels}; raise labels")
