"""How much a fast weight matrix holds, and whether it can change its mind: the synthetic tests of Schlag et al. (2021).

Protocol: keys of 64 numbers are learned on the task itself, values are normal and drawn anew every time, 64 numbers
each. ``capacity``: as many different keys as pairs, written by the sum rule; ``softmax attention`` over the pairs
stands beside it. ``replacement``: every key is written twice, in random order, and asked for its last value. The score
is the squared error of a value, whose variance is 1. The error rises above a number of keys where it passes ``RISEN``.
"""

from __future__ import annotations

import hashlib
import time
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quickstudy import batching, plot
from quickstudy.nets import fast_weights as memory
from quickstudy.recipes.cells import AnyCell, Scores, gather, run_seed
from quickstudy.rules.applied import Applied
from quickstudy.train import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLE = "fast-weights"
SIZE = 64  # numbers of a key, and of a value
STEPS, RATE = 1000, 0.2  # of Adam, its rate falling to 0
TOGETHER = 4  # drawn sequences a step
RISEN = 0.05
GRID = (20, 60, 100, 140, 200, 260, 320, 400, 500, 600)
REPLACED = (20, 50, 100, 150, 200)
MAPS = (  # by the names that the published rows have
    ("linear, d_key 64", "elu"),
    ("DPFP-1", "dpfp-1"),
    ("DPFP-2", "dpfp-2"),
    ("DPFP-3", "dpfp-3"),
    ("softmax attention", "softmax"),
)


class Memory(nn.Module):
    """So many learned keys, and a rule to write them by."""

    def __init__(self, keys: int, map: str, *, rule: str = "sum") -> None:
        super().__init__()
        self.keys = nn.Parameter(torch.randn(keys, SIZE))
        self.sharpness = nn.Parameter(torch.tensor(3.0)) if map == "softmax" else None
        self.map = memory.feature_map(map) if map != "softmax" else _unit
        self.strength = nn.Linear(SIZE, 1) if rule == "delta" else None

    def forward(self, order: Tensor, values: Tensor) -> Tensor:
        """(t, keys, SIZE): what every key reads after the writes (t, n), numbers of keys, of values (t, n, SIZE)."""
        asked = self.map(self.keys)
        written = asked[order]  # (t, n, features)
        if self.sharpness is not None:
            return (self.sharpness.exp() * asked @ written.mT).softmax(-1) @ values
        start = values.new_zeros(len(order), SIZE, written.shape[-1])
        if self.strength is not None:
            strength = self.strength(self.keys)[order].squeeze(-1).sigmoid()
            values = memory.corrections(start, written, values, strength)
        return memory.read(memory.write(start, written, values), asked)


def errors(made: Memory, order: Tensor, values: Tensor) -> Tensor:
    """(t,) squared errors of the last value of every key."""
    times = torch.arange(order.shape[1]).expand_as(order)
    last = torch.zeros(len(order), len(made.keys), dtype=torch.long).scatter_reduce(1, order, times, "amax")
    wanted = values.gather(1, last[..., None].expand(-1, -1, SIZE))
    return (made(order, values) - wanted).square().mean((1, 2))


def drawn(count: int, keys: int, times: int, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """(count, keys · times) which key is written, each so many times, and the values."""
    order = torch.stack([torch.randperm(keys * times, generator=chance) % keys for _ in range(count)])
    return order, torch.randn(count, keys * times, SIZE, generator=chance)


def learned(keys: int, map: str, rule: str, times: int, seed: int, steps: int) -> Memory:
    """The memory with keys that suit the test. Without replacement, the expected error is known and is learned on."""
    torch.manual_seed(seed)
    made, chance = Memory(keys, map, rule=rule), torch.Generator().manual_seed(seed)
    adam, weights = Applied(made, rate=RATE), batching.trainable(made)
    for step in range(steps):
        loss = errors(made, *drawn(TOGETHER, keys, times, chance)).mean() if times > 1 else expected(made)
        adam.step(torch.autograd.grad(loss, weights), step / steps, loss)
    return made


def expected(made: Memory) -> Tensor:
    """The mean squared error over normal values, where every key was written once by the sum rule, or is attended to:
    the squared distance of what is read of every value from what should be, which is itself alone."""
    features = made.map(made.keys)
    read = features @ features.mT
    if made.sharpness is not None:
        read = (made.sharpness.exp() * read).softmax(-1)
    return (read - torch.eye(len(read))).square().sum(1).mean()


def _unit(x: Tensor) -> Tensor:
    return F.normalize(x, dim=-1)


@dataclass(frozen=True)
class MemoryCell(AnyCell):
    """A figure of memories whose keys were learned."""

    map: str

    trained: ClassVar[bool] = True
    factor: ClassVar[float] = 1

    def stamp(self, seed: int, scale: float) -> str:
        return f"seed{seed}-{round(STEPS * scale)}steps"

    def measure(self, seed: int, *, scale: float, tasks: int, runs: Path, progress: bool) -> Scores:
        steps, begun = max(1, round(STEPS * scale)), time.perf_counter()
        scores = self.scores(seed, steps, tasks)
        return Scores(scores, False, _sha256(tasks), Progress(step=steps, seconds=time.perf_counter() - begun))

    @abstractmethod
    def scores(self, seed: int, steps: int, tasks: int) -> np.ndarray:
        """(t,) of so many draws of values."""


@dataclass(frozen=True)
class Retrieval(MemoryCell):
    """The error of what so many keys read."""

    keys: int
    times: int = 1
    rule: str = "sum"

    score: ClassVar[str] = "squared_error"
    metric: ClassVar[str] = "squared_error"

    @property
    def setting(self) -> str:
        return f"{self.keys} keys"

    def scores(self, seed: int, steps: int, tasks: int) -> np.ndarray:
        return retrieved(self.keys, self.map, self.rule, self.times, seed, steps, tasks)


@dataclass(frozen=True)
class Limit(MemoryCell):
    """The largest number of keys, in steps of 20, up to which the error is at most ``RISEN``."""

    score: ClassVar[str] = "keys"
    metric: ClassVar[str] = "count"

    @property
    def setting(self) -> str:
        return "number of keys above which the error rises"

    def scores(self, seed: int, steps: int, tasks: int) -> np.ndarray:
        keys = 20
        while keys <= GRID[-1] and retrieved(keys, self.map, "sum", 1, seed, steps, 20).mean() <= RISEN:
            keys += 20
        return np.full(tasks, keys - 20.0)


def retrieved(keys: int, map: str, rule: str, times: int, seed: int, steps: int, tasks: int) -> np.ndarray:
    """(t,) errors over test draws, which no training has."""
    made, chance = learned(keys, map, rule, times, seed, steps), torch.Generator().manual_seed(10**9)
    with torch.no_grad():
        found = [errors(made, *drawn(1, keys, times, chance)) for _ in range(tasks)]
    return torch.cat(found).double().numpy()


def _sha256(tasks: int) -> str:
    return hashlib.sha256(f"torch generator {10**9}, {tasks} draws of {SIZE}".encode()).hexdigest()


def picture(runs: Path, *, scale: float, tasks: int, progress: bool) -> Figure:
    """The error by the number of keys: of the feature maps, and of the two rules where values are replaced."""
    panels: dict[str, dict[str, list[tuple[float, float, float]]]] = {}
    for title, cells in (("every key written once", CAPACITY), ("every key written twice", REPLACEMENT)):
        for cell in cells:
            run_seed(cell, 0, scale=scale, tasks=tasks, runs=runs, progress=progress)
            found = gather(cell, 1, scale=scale, tasks=tasks, runs=runs, command="")
            assert found is not None
            line = panels.setdefault(title, {}).setdefault(cell.method, [])
            line.append((cell.keys, found["value"], found["interval95"]))
    return plot.by_size(panels, what="keys", score="squared error of a value")


CAPACITY = [Retrieval(TABLE, name, "capacity", map, keys) for name, map in MAPS for keys in GRID]
REPLACEMENT = [
    Retrieval(TABLE, f"{rule} rule", "replacement, DPFP-1, each key written twice", "dpfp-1", keys, 2, rule)
    for rule in ("sum", "delta")
    for keys in REPLACED
]
CELLS: list[AnyCell] = [
    *(Limit(TABLE, name, "capacity", map) for name, map in MAPS if map != "softmax"),
    *CAPACITY,
    *REPLACEMENT,
]
