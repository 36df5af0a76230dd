"""Linear functions, each a task: the in-context regression of Garg et al. (2022), in and out of distribution."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from quickstudy.core import Examples, Task
from quickstudy.tasks.episodes import bits

PROMPTS = ("normal", "skewed", "orthants", "scaled", "noisy")
SCALE, NOISE = 3.0, 1.0  # of scaled x, of noisy y


class Linear:
    """Task ``i`` is a function of (seed, i): y = w x, w and x normal, and what ``prompt`` makes of them.

    "skewed": the variances of x fall as 1 / i², their sum stays; "orthants": the signs of x are those of one orthant
    in the support and of another in the query; "scaled": x is ``SCALE`` times as large; "noisy": ``NOISE`` times a
    normal number is added to the y of the support.
    """

    way = 1  # columns of y

    def __init__(self, features: int, shot: int, query: int, *, prompt: str = "normal", seed: int = 0) -> None:
        if min(features, shot, query) < 1:
            raise ValueError(f"features, shot and query are at least 1, got {features}, {shot} and {query}")
        if prompt not in PROMPTS:
            raise ValueError(f"no prompt is called {prompt!r}; choose one of {', '.join(PROMPTS)}")
        self.features, self.shot, self.query, self.prompt, self.seed = features, shot, query, prompt, seed

    def __getitem__(self, index: int) -> Task:
        task = self.batch([index])
        return Task(*(Examples(part.x[0], part.y[0]) for part in task))

    def batch(self, indices: Sequence[int]) -> Task:
        """(t, shot, features) and (t, query, features) inputs with one value each, in float32."""
        count, d = self.shot + self.query, self.features
        drawn = self._draws(indices, d * (count + 1) + 2 * d + self.shot)
        w, signs = drawn[:, :d], np.sign(drawn[:, d : 3 * d]).reshape(-1, 2, d)
        noise, x = drawn[:, 3 * d : 3 * d + self.shot], drawn[:, 3 * d + self.shot :].reshape(-1, count, d)
        x = self._moved(x, np.repeat(signs, (self.shot, self.query), axis=1))
        y = (x * w[:, None]).sum(2)
        if self.prompt == "noisy":
            y[:, : self.shot] += NOISE * noise
        parts = slice(0, self.shot), slice(self.shot, None)
        return Task(*(Examples(_tensor(x[:, part]), _tensor(y[:, part, None])) for part in parts))

    @property
    def sha256(self) -> str:
        """Says which tasks these are."""
        asked = [self.features, self.shot, self.query, self.prompt, SCALE, NOISE, self.seed]
        return hashlib.sha256(json.dumps({"linear": asked}).encode()).hexdigest()

    def _moved(self, x: np.ndarray, signs: np.ndarray) -> np.ndarray:
        """(t, n, features) inputs that were normal."""
        if self.prompt == "skewed":
            variances = 1.0 / np.arange(1, self.features + 1) ** 2
            return x * np.sqrt(self.features * variances / variances.sum())
        if self.prompt == "orthants":
            return np.abs(x) * signs
        return SCALE * x if self.prompt == "scaled" else x

    def _draws(self, indices: Sequence[int], count: int) -> np.ndarray:
        """(t, count) normal numbers (Box & Muller, 1958)."""
        raw = np.stack([bits(self.seed, index).random_raw((count, 2)) for index in indices])
        uniform = ((raw >> np.uint64(11)) + 0.5) * 2.0**-53  # above 0, below 1
        return np.sqrt(-2 * np.log(uniform[..., 0])) * np.cos(2 * np.pi * uniform[..., 1])


def linear(features: int, shot: int, query: int, *, prompt: str = "normal", seed: int = 0) -> Linear:
    """``shot`` examples of a linear function of so many ``features`` to learn from, and ``query`` others; y has the
    variance ``features``. ``prompt`` is one of ``PROMPTS``."""
    return Linear(features, shot, query, prompt=prompt, seed=seed)


def _tensor(numbers: np.ndarray) -> Tensor:
    return torch.from_numpy(numbers.astype(np.float32))
