"""Sinusoids, each a task: the regression of the MAML paper (Finn, Abbeel & Levine, 2017, section 5.1)."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from quickstudy.core import Examples, Task
from quickstudy.tasks.episodes import bits

AMPLITUDE, PHASE, X = (0.1, 5.0), (0.0, math.pi), (-5.0, 5.0)  # what each is drawn from, uniformly


class Sines:
    """Task ``i`` is a function of (seed, i): y = amplitude · sin(x - phase), and the x of its examples."""

    way = 1  # columns of y

    def __init__(self, shot: int, query: int, *, seed: int = 0) -> None:
        if min(shot, query) < 1:
            raise ValueError(f"shot and query are at least 1, got shot {shot}, query {query}")
        self.shot, self.query, self.seed = shot, query, seed

    def __getitem__(self, index: int) -> Task:
        task = self.batch([index])
        return Task(Examples(task.support.x[0], task.support.y[0]), Examples(task.query.x[0], task.query.y[0]))

    def batch(self, indices: Sequence[int]) -> Task:
        """(t, shot, 1) and (t, query, 1) inputs and values, in float32."""
        draws = self._draws(indices, 2 + self.shot + self.query)
        amplitude, phase, x = _within(draws[:, :1], AMPLITUDE), _within(draws[:, 1:2], PHASE), _within(draws[:, 2:], X)
        both = Examples(_column(x), _column(amplitude * np.sin(x - phase)))
        return Task(*(Examples(*(leaf[:, part] for leaf in both)) for part in self._parts()))

    def curves(self, indices: Sequence[int]) -> np.ndarray:
        """(t, 2) the amplitude and the phase of each task."""
        draws = self._draws(indices, 2)
        return np.stack([_within(draws[:, 0], AMPLITUDE), _within(draws[:, 1], PHASE)], axis=1)

    @property
    def sha256(self) -> str:
        """Says which tasks these are."""
        asked = {"sines": [AMPLITUDE, PHASE, X], "shot": self.shot, "query": self.query, "seed": self.seed}
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()

    def _parts(self) -> tuple[slice, slice]:
        return slice(0, self.shot), slice(self.shot, None)

    def _draws(self, indices: Sequence[int], count: int) -> np.ndarray:
        """(t, count) numbers from 0 to below 1."""
        raw = np.stack([bits(self.seed, index).random_raw(count) for index in indices])
        return (raw >> np.uint64(11)) * 2.0**-53


def sines(shot: int, query: int, *, seed: int = 0) -> Sines:
    """``shot`` examples of a sinusoid to learn from and ``query`` others, all x uniform on -5..5; amplitudes are
    uniform on 0.1..5, phases on 0..π. Tasks of two seeds have nothing in common, whatever their shot and query;
    those of one seed are the same sinusoids."""
    return Sines(shot, query, seed=seed)


def _within(share: np.ndarray, span: tuple[float, float]) -> np.ndarray:
    return span[0] + (span[1] - span[0]) * share


def _column(numbers: np.ndarray) -> Tensor:
    return torch.from_numpy(numbers[..., None].astype(np.float32))
