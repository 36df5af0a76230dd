"""Streams inside an episode: a few classes, one drawing after the other, each to be named before its label is told."""

from __future__ import annotations

import math
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

    def __init__(
        self, pool: Pool, way: int, length: int, *, labels: int | None = None, letters: int | None = None, seed: int = 0
    ) -> None:
        _check(pool, way, length, labels)
        self.classes, self.way = way, way if labels is None else labels  # classes a stream, labels there are
        self._places = 0 if letters is None else _places(self.way, letters)
        self.letters = letters
        self.pool, self.length, self.seed = pool, length, seed
        self._starts, self._sizes = pool.starts.tolist(), pool.sizes.tolist()

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
        names = self._names(source)
        steps = (source.random_raw(self.length) % np.uint64(self.classes)).astype(np.int64)
        rows = np.empty(self.length, dtype=np.int64)
        for place, class_ in enumerate(classes):
            met = np.flatnonzero(steps == place)
            order = np.argsort(source.random_raw(self._sizes[class_]))
            rows[met] = self._starts[class_] + np.resize(order, len(met))
        return rows, names[steps]

    def _names(self, source: np.random.Philox) -> np.ndarray:
        """(classes,) labels."""
        if self.letters is None:
            return distinct(source, self.way, self.classes)
        names = np.zeros(self.classes, dtype=np.int64)
        for _ in range(self._places):
            alphabet = distinct(source, self.letters, self.letters)
            names = self.letters * names + alphabet[distinct(source, self.classes, self.classes) % self.letters]
        return names


def sequences(
    pool: Pool, way: int, length: int, *, labels: int | None = None, letters: int | None = None, seed: int = 0
) -> Sequences:
    """``way`` classes a stream, ``length`` steps (the protocol of Santoro et al., 2016). The classes get labels below
    ``labels``, as many as classes unless given, anew in every stream.

    Labels drawn at random and written in so many ``letters`` have some letters more often than others, and a learner
    that counts them has learned something. Where ``letters`` is given, each stands at each place in as many classes, up
    to one; two classes may get the same label.

    Raises ValueError where the pool has too few classes, there are too few labels, or no power of the letters is the
    number of labels.
    """
    return Sequences(pool, way, length, labels=labels, letters=letters, seed=seed)


def _check(pool: Pool, way: int, length: int, labels: int | None) -> None:
    if min(way, length) < 1:
        raise ValueError(f"way and length are at least 1, got way {way}, length {length}")
    if way > len(pool):
        raise ValueError(f"streams of {way} classes need as many, this part of the data has {len(pool)}; lower way")
    if labels is not None and labels < way:
        raise ValueError(f"{way} classes need as many labels, got {labels}; raise labels")


def _places(labels: int, letters: int) -> int:
    """How long the strings of so many letters are of which there are so many."""
    places = 0 if letters < 2 else round(math.log(labels, letters))
    if places == 0 or letters**places != labels:
        raise ValueError(f"{letters} letters make no {labels} strings of one length; 5 letters make 3125, of five")
    return places
