"""Operators on digits whose meaning must be inferred from examples: each task is one operator.

An operator is a base, such as x + y or the larger of both, and what is then made of its result, such as twice it; the
answer is the last digit. Operators that training never meets are made of parts that it does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence

import numpy as np
import torch

from quickstudy.core import Examples, Task
from quickstudy.tasks.episodes import bits

BASE = 10  # digits
HELD_OUT = 5  # every so many-th operator
BASES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "x + y": np.add,
    "x - y": np.subtract,
    "y - x": lambda x, y: y - x,
    "|x - y|": lambda x, y: np.abs(x - y),
    "x y": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "x": lambda x, y: x + 0 * y,
    "y": lambda x, y: y + 0 * x,
    "2 x + y": lambda x, y: 2 * x + y,
    "x + 2 y": lambda x, y: x + 2 * y,
    "x² + y": lambda x, y: x * x + y,
}
AFTER: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "z": lambda z: z,
    "z + 1": lambda z: z + 1,
    "z + 2": lambda z: z + 2,
    "z + 5": lambda z: z + 5,
    "2 z": lambda z: 2 * z,
    "3 z": lambda z: 3 * z,
    "- z": lambda z: -z,
    "z²": lambda z: z * z,
    "9 - 2 z": lambda z: 9 - 2 * z,
    "7 z + 4": lambda z: 7 * z + 4,
}


def operators() -> dict[str, np.ndarray]:
    """(10, 10) answers to x and y, by name, those that are the same only once."""
    x, y = np.arange(BASE)[:, None], np.arange(BASE)[None]
    found: dict[str, np.ndarray] = {}
    for base, first in BASES.items():
        for after, then in AFTER.items():
            table = then(first(x, y)) % BASE
            if not any(np.array_equal(table, other) for other in found.values()):
                found[f"{base}, {after}"] = table
    return found


def split() -> tuple[list[str], list[str]]:
    """The names of the operators that are met in training, and of those that are held out."""
    names = list(operators())
    held = [name for i, name in enumerate(names) if i % HELD_OUT == HELD_OUT // 2]
    return [name for name in names if name not in held], held


class Arithmetic:
    """Task ``i`` is a function of (seed, i): its operator, and pairs of digits, none of them twice."""

    way = BASE  # answers there are
    features = 2 * BASE

    def __init__(self, shot: int, query: int, *, held_out: bool = False, seed: int = 0) -> None:
        if min(shot, query) < 1 or shot + query > BASE**2:
            raise ValueError(
                f"shot and query are at least 1 and there are {BASE**2} pairs of digits, got shot {shot}, query {query}"
            )
        self.shot, self.query, self.held_out, self.seed = shot, query, held_out, seed
        self.names = split()[held_out]
        known = operators()
        self._tables = np.stack([known[name].ravel() for name in self.names])  # (operators, pairs)

    def __getitem__(self, index: int) -> Task:
        task = self.batch([index])
        return Task(*(Examples(part.x[0], part.y[0]) for part in task))

    def batch(self, indices: Sequence[int]) -> Task:
        """(t, shot, 20) and (t, query, 20) pairs of digits, one-hot, and the last digits of the answers."""
        which, pairs = self.drawn(indices)
        x = np.concatenate([np.eye(BASE)[pairs // BASE], np.eye(BASE)[pairs % BASE]], axis=2).astype(np.float32)
        y = np.take_along_axis(self._tables[which], pairs, axis=1)
        parts = slice(0, self.shot), slice(self.shot, None)
        return Task(*(Examples(torch.from_numpy(x[:, part]), torch.from_numpy(y[:, part])) for part in parts))

    def drawn(self, indices: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """(t,) the operator of each task, and its (t, shot + query) pairs, as numbers 10 x + y."""
        raw = np.stack([bits(self.seed, index).random_raw(1 + BASE**2) for index in indices])
        which = (raw[:, 0] % np.uint64(len(self.names))).astype(np.int64)
        return which, np.argsort(raw[:, 1:], axis=1)[:, : self.shot + self.query]

    @property
    def sha256(self) -> str:
        """Says which tasks these are."""
        asked = [self.names, self._tables.tolist(), self.shot, self.query, self.seed]
        return hashlib.sha256(json.dumps({"arithmetic": asked}).encode()).hexdigest()


def arithmetic(shot: int, query: int, *, held_out: bool = False, seed: int = 0) -> Arithmetic:
    """``shot`` examples of an unknown operator on digits and ``query`` others; ``held_out``: of the operators that
    training never meets."""
    return Arithmetic(shot, query, held_out=held_out, seed=seed)
