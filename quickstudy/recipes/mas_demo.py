"""The demo of memory aware synapses: how far a pair of digits is below what it was when it had just been learned.

Protocol of the authors' notebook: five pairs of digits, 1 and 2 to 9 and 0, with heads of their own; two hidden layers
of 256 over standardized pixels; gradient descent with momentum, the first pair 10 passes at 0.01 in batches of 200, the
others 20 passes at 0.001 in batches of 150; importances added up, their strength 1 (which is 2 here). Theirs alone: of
every pair they keep the weights that were best on its test digits.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from quickstudy import devices
from quickstudy.learners import mas
from quickstudy.learners.continual import Continual
from quickstudy.learners.elastic import Elastic
from quickstudy.lifelong import exams
from quickstudy.lives import Lifelong
from quickstudy.nets.mlp import MLP, mlp
from quickstudy.recipes.cells import AnyCell, Scores
from quickstudy.rules import sgd
from quickstudy.tasks.streams import Context, Stream
from quickstudy.train import Progress

TABLE = "split-mnist"
PAIRS = ((1, 2), (3, 4), (5, 6), (7, 8), (9, 0))
PAIR = 12_000  # digits
MEAN, DEVIATION = 0.1307, 0.3081  # of a pixel
WIDTHS, MOMENTUM, STRENGTH = (256, 256), 0.9, 2.0


class Part(NamedTuple):
    """How a pair is learned."""

    rate: float
    passes: int
    batch: int

    def steps(self, scale: float) -> int:
        return max(1, round(scale * self.passes * PAIR / self.batch))


FIRST, REST = Part(1e-2, 10, 200), Part(1e-3, 20, 150)


@dataclass(frozen=True)
class Forgetting(AnyCell):
    """Points lost between the end of a context and the end of the life, a score for each context but the last."""

    score: ClassVar[str] = "forgetting"
    metric: ClassVar[str] = "forgetting_points"
    trained: ClassVar[bool] = True

    @property
    def setting(self) -> str:
        return "task-IL, average forgetting"

    def stamp(self, seed: int, scale: float) -> str:
        return f"mas-demo-seed{seed}-{FIRST.steps(scale)}+{REST.steps(scale)}steps"

    def measure(self, seed: int, *, scale: float, tasks: int, runs: Path, progress: bool) -> Scores:
        devices.prepare()
        stream, begun = pairs(), time.monotonic()
        torch.manual_seed(seed)
        net = mlp(stream.shape, widths=WIDTHS)
        first, rest = (_learner(net, part, seed, scale) for part in (FIRST, REST))
        state = first.init(stream.way)
        with torch.no_grad():
            accuracy = [exams(first, state, stream)]
            for number in tqdm(range(len(stream)), unit="pair", disable=not progress):
                state = (rest if number else first).adapt(state, stream[number])
                accuracy.append(exams(rest, state, stream))
        steps = FIRST.steps(scale) + (len(stream) - 1) * REST.steps(scale)
        done = Progress(step=steps, seconds=time.monotonic() - begun)
        return Scores(lost(np.array(accuracy)), rest.transductive, stream.sha256, done)


def pairs() -> Stream:
    """Their digits, pixels less their mean over their deviation."""
    pools = Lifelong().contexts()
    contexts = [Context(pair, _standardized, "standardized") for pair in PAIRS]
    return Stream(pools.train, pools.test, contexts, scenario="task")


def _standardized(x: Tensor) -> Tensor:
    return (x - MEAN) / DEVIATION


def _learner(net: MLP, part: Part, seed: int, scale: float) -> Elastic:
    rule = sgd(part.rate, momentum=MOMENTUM)
    plain = Continual(net, net.features, rule, steps=part.steps(scale), batch=part.batch, mask="own", seed=seed)
    return mas(plain, strength=STRENGTH)


def lost(accuracy: np.ndarray) -> np.ndarray:
    """(contexts - 1,) from the (contexts + 1, contexts) accuracies of a life, the first before any data."""
    after = accuracy[1:]
    return (np.diag(after) - after[-1])[:-1]


CELLS = [Forgetting(TABLE, "MAS", "Omega accumulated, lr 1e-3")]
