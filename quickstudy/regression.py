"""How good a regressor is: its squared error after each gradient step, or each example, on numbered tasks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from quickstudy import batching, devices, metrics, tree
from quickstudy.core import Learner, Task, Tasks, squared_error
from quickstudy.learners.gradient import Gradient

BLOCK = 100  # tasks drawn at a time
Score = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Errors:
    """The errors of one learner, step by step or example by example."""

    name: str
    of_tasks: np.ndarray  # (t, steps + 1) mean squared error on the query of each task, from before any step

    @property
    def estimates(self) -> list[metrics.Estimate]:
        """(steps + 1) means over tasks with their 95 % intervals."""
        return [metrics.estimate(column) for column in self.of_tasks.T]


@dataclass(frozen=True)
class Adaptation:
    """One task before and after adaptation, for drawing: a curve of one input and one value."""

    name: str
    x: np.ndarray  # (q,) in rising order
    true: np.ndarray  # (q,)
    support: np.ndarray  # (n, 2) points
    said: dict[int, np.ndarray]  # (q,) by the number of steps


def errors(learner: Learner, tasks: Tasks[Task], count: int = 1000, *, steps: int = 10, name: str = "") -> Errors:
    """The learner on the first ``count`` tasks after 0, 1, ... ``steps`` steps on the support of each; infinite for
    a task whose answers are no longer numbers."""
    devices.prepare()

    def one(task: Task) -> Tensor:
        return torch.stack([squared_error(said, task.query.y) for said in answers(learner, task, task.query.x, steps)])

    blocks = (range(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))
    found = np.concatenate([_mapped(one, tasks.batch(block)) for block in blocks])
    return Errors(name or type(learner).__name__.lower(), np.where(np.isnan(found), np.inf, found))


def by_examples(
    learner: Learner, tasks: Tasks[Task], count: int = 1000, *, score: Score = squared_error, name: str = ""
) -> Errors:
    """The learner on the first ``count`` tasks after 0, 1, ... examples of the support of each, read one by one;
    ``score`` of (q, way) answers and y is the error, unless given as something else, such as the share that is right.
    """
    devices.prepare()
    learner.eval()
    way = _way(tasks)

    def one(task: Task) -> Tensor:
        state = learner.init(way)
        found = [score(learner.predict(state, task.query.x), task.query.y)]
        for i in range(len(task.support.x)):
            state = learner.adapt(state, tree.index(task.support, slice(i, i + 1)))
            found.append(score(learner.predict(state, task.query.x), task.query.y))
        return torch.stack(found)

    blocks = (range(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))
    found = np.concatenate([_mapped(one, tasks.batch(block)) for block in blocks])
    return Errors(name or type(learner).__name__.lower(), found)


def constant(f: Callable[[Tensor], Tensor], tasks: Tasks[Task], count: int = 1000) -> np.ndarray:
    """(t,) errors of a function of x that learns nothing."""
    items = tasks.batch(range(count))
    return squared_error(f(items.query.x), items.query.y).double().numpy()


def adaptation(learner: Learner, task: Task, *, steps: Sequence[int] = (0, 1, 10), name: str = "") -> Adaptation:
    """What the learner says of the queries of a task, (q, 1), after each of these numbers of steps."""
    order = task.query.x[:, 0].argsort()
    x, y = task.query.x[order], task.query.y[order, 0]
    with torch.no_grad():
        said = [values[:, 0].cpu().numpy() for values in answers(learner, task, x, max(steps))]
    points = torch.cat([*task.support], -1).cpu().numpy()
    name = name or type(learner).__name__.lower()
    return Adaptation(name, x[:, 0].cpu().numpy(), y.cpu().numpy(), points, {step: said[step] for step in steps})


def answers(learner: Learner, task: Task, x: Tensor, steps: int) -> Iterator[Tensor]:
    """(q, way) what it says of x before any step, after one, ... after ``steps``."""
    single = stepwise(learner)
    state = single.init(task.support.y.shape[-1])
    yield single.predict(state, x)
    for _ in range(steps):
        state = single.adapt(state, task.support)
        yield single.predict(state, x)


def stepwise(learner: Learner) -> Learner:
    """The same weights in ``eval()``, one gradient step a call of ``adapt``: k calls are k steps, since the state
    keeps the rule's memory. A learner of another kind takes its call as the step."""
    single = copy.copy(learner.eval())
    if isinstance(single, Gradient):
        if single.batch is not None:
            raise ValueError("steps on parts of the support cannot be told apart; use a learner with batch=None")
        single.test_steps = 1
    return single


def _mapped(f: Callable[[Any], Any], items: Task) -> np.ndarray:
    with torch.no_grad():
        return batching.over_tasks(f, items).double().cpu().numpy()


def _way(tasks: Any) -> int:
    return tasks.way
