"""A life: contexts one after another, and after each what is still known of all."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Generator, Tensor
from tqdm import tqdm

from quickstudy import devices, metrics, tree
from quickstudy.core import Examples, Learner
from quickstudy.learners.generative import Generated
from quickstudy.learners.memory import Stored
from quickstudy.learners.stepwise import StepObjective, Stepwise
from quickstudy.recalled import Recalled
from quickstudy.rules.rule import Weights
from quickstudy.storage import Run
from quickstudy.tasks import Stream

S = TypeVar("S")
Watch = Callable[[Learner, Stream, int, Any], None]
TOGETHER = 1000  # questions asked at a time


@dataclass
class History:
    """What was measured along a life: all of it is in a checkpoint."""

    accuracy: list[list[float]] = field(default_factory=list)  # row i: of every context, after i contexts
    seconds: list[float] = field(default_factory=list)  # of learning each context
    nbytes: list[int] = field(default_factory=list)  # of the state, after each context
    examples: list[int] = field(default_factory=list)  # in the state, after each context

    @property
    def matrix(self) -> np.ndarray:
        """(contexts + 1, contexts) shares right; the first row is before any data."""
        return np.array(self.accuracy)

    def measures(self) -> dict[str, float | None]:
        """Average accuracy, forgetting, transfers and costs at the end."""
        return metrics.of_a_life(self.matrix) | {
            "seconds": sum(self.seconds),
            "state_bytes": self.nbytes[-1],
            "examples_stored": self.examples[-1],
        }


def live(
    learner: Learner[S], stream: Stream, *, run: Run | None = None, watch: Watch | None = None, progress: bool = False
) -> tuple[S, History]:
    """The state after all contexts, and the history. With a ``run``, a killed life goes on from its folder at the
    context in which it was killed, and ends with the same bits. ``watch`` is shown the learner, the stream, the number
    of contexts and the state, at first and after every context, before that is in the checkpoint."""
    devices.prepare()
    state, history = learner.eval().init(stream.way), History()
    kept = run.load_checkpoint() if run is not None else None
    if kept is not None:
        where = tree.leaves(state)[0].device
        state = tree.restore(state, {path: leaf.to(where) for path, leaf in kept[0].items()})
        history = History(**kept[1])
    with torch.no_grad():
        if not history.accuracy:
            history.accuracy.append(exams(learner, state, stream))
            if watch is not None:
                watch(learner, stream, 0, state)
        for number in range(len(history.accuracy) - 1, len(stream)):
            begun = _clock(learner)
            state = _learned(learner, state, stream, number, progress)
            history.seconds.append(_clock(learner) - begun)
            history.nbytes.append(tree.nbytes(state))
            history.examples.append(stored(state))
            history.accuracy.append(exams(learner, state, stream))
            if watch is not None:
                watch(learner, stream, number + 1, state)
            if run is not None:
                run.save_checkpoint(dict(tree.items(state)), dataclasses.asdict(history))
    if run is not None:
        run.finish({}, dataclasses.asdict(history) | {"measures": history.measures()})
    return state, history


def _clock(learner: Learner[S]) -> float:
    """In seconds, as if nothing had been recalled."""
    return time.monotonic() + sum(module.spared for module in learner.modules() if isinstance(module, Recalled))


def _learned(learner: Learner[S], state: S, stream: Stream, number: int, progress: bool) -> S:
    """The state after one more context; who takes steps is in ``train()`` meanwhile, who only reads is not: support
    and query are then read alike."""
    if not isinstance(learner, Stepwise):
        return learner.adapt(state, stream[number])
    name = f"context {number + 1} of {len(stream)}"
    generators = [module for module in learner.modules() if isinstance(module, Generated)]
    steps = learner.steps + sum(module.steps for module in generators)
    with tqdm(total=steps, desc=name, unit="step", disable=not progress) as bar, telling(generators, bar):
        state = learner.train().adapt(state, stream[number], lambda objective: Watched(objective, bar))
        bar.set_postfix_str("")
    learner.eval()
    return state


@contextmanager
def telling(generators: Sequence[Generated], bar: Any) -> Iterator[None]:
    """Their steps are counted by a progress bar, too."""
    for module in generators:
        module.told = bar.update
    try:
        yield
    finally:
        for module in generators:
            module.told = None


class Watched(StepObjective):
    """An objective whose steps are counted by a progress bar, which says so when none are left: importances may take
    as long again."""

    def __init__(self, objective: StepObjective, bar: Any) -> None:
        self.objective, self.bar = objective, bar

    def __call__(self, weights: Weights, batch: Examples, rng: Generator) -> Tensor:
        return self.objective(weights, batch, rng)

    def slope(self, weights: Weights, batch: Examples, rng: Generator) -> tuple[Weights, Tensor]:
        self.bar.update()
        if self.bar.n == self.bar.total:
            self.bar.set_postfix_str("measuring")
        return self.objective.slope(weights, batch, rng)


def exams(learner: Learner[S], state: S, stream: Stream) -> list[float]:
    """The share right of every context. Raises ArithmeticError where answers are no numbers."""
    found = [float(right(learner, state, stream, number).mean()) for number in range(len(stream))]
    if not all(map(math.isfinite, found)):
        raise ArithmeticError("the answers are no numbers any more; lower the rate, or the strength of the penalty")
    return found


def right(learner: Learner[S], state: S, stream: Stream, number: int) -> np.ndarray:
    """(n,) for every question of a context's exam, whether the answer is right: among the answers that the scenario
    allows, and of k that are alike, as often as guessing would be, 1 / k."""
    exam, allowed = stream.exam(number), stream.choices(number)
    parts = zip(exam.x.split(TOGETHER), exam.y.split(TOGETHER), strict=True)
    with torch.no_grad():
        found = [_right(learner.predict(state, x), y, allowed.to(x.device)) for x, y in parts]
    return torch.cat(found).double().cpu().numpy()


def _right(said: Tensor, y: Tensor, allowed: Tensor) -> Tensor:
    said = said[:, allowed]
    place = (allowed.cumsum(0) - 1)[y]
    most = said == said.amax(1, keepdim=True)
    return most.gather(1, place[:, None])[:, 0] / most.sum(1)


def stored(state: Any) -> int:
    """The examples that a state holds as they were."""
    return sum(len(part.y) for part in _parts(state) if isinstance(part, Examples | Stored))


def _parts(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        node = tuple(node.values())
    if isinstance(node, tuple | list):
        yield node
        for branch in node:
            yield from _parts(branch)
