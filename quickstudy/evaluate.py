"""How good a learner is: accuracy on numbered tasks, with what the intervals, the pictures and the pairings need."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from quickstudy import batching, devices, metrics, tree
from quickstudy.core import Learner, Task, check_labels
from quickstudy.data.pool import split_sha256
from quickstudy.tasks import Episodes

BLOCK = 16  # tasks drawn at a time
TOGETHER = 4  # times as many for learners that take many small steps, which cost about the same for more tasks


@dataclass(frozen=True)
class Shown:
    """One task as it was answered, for drawing."""

    index: int
    task: Task  # without the task axis, on the CPU
    classes: tuple[str, ...]  # (way,) names
    answers: np.ndarray  # (q,) labels


@dataclass(frozen=True)
class Evaluation:
    """What a learner did on the tasks 0, 1, 2, ... of a distribution."""

    name: str
    tasks: str  # which tasks: a hash of the pool's classes and the seed
    way: int
    shot: int
    query: int
    accuracy: np.ndarray  # (t,) share of each task's queries that were right
    confidence: np.ndarray  # (t, q) probability given to the answer
    right: np.ndarray  # (t, q) whether it was right
    transductive: bool
    seconds: float
    mistakes: Counter[tuple[str, str]]  # (class shown, class said)
    meetings: Counter[tuple[str, str]]  # how often the first was asked with the second among the choices
    shown: list[Shown] = field(default_factory=list)

    @property
    def estimate(self) -> metrics.Estimate:
        """Accuracy with its 95 % interval over tasks."""
        return metrics.estimate(self.accuracy)

    @property
    def calibration_error(self) -> float:
        return metrics.calibration_error(self.confidence, self.right)


def evaluate(
    learner: Learner, tasks: Episodes, count: int = 1000, *, name: str = "", shown: int = 4, progress: bool = False
) -> Evaluation:
    """The learner, as it is, on the first ``count`` tasks. Raises ValueError for nan among its inputs or answers."""
    devices.prepare()
    learner.eval()
    begun, answers, confidence, drawn = time.perf_counter(), [], [], []
    labels = []
    with tqdm(total=count, disable=not progress, unit="task", desc=name or "evaluating") as bar:
        for block in _blocks(learner, count):
            items = tasks.batch(block)
            probability = _answers(learner, items, tasks.way)
            sure, said = probability.max(-1)
            answers.append(said.cpu().numpy())
            confidence.append(sure.cpu().numpy())
            labels.append(items.query.y.cpu().numpy())
            drawn += [_shown(tasks, items, said, i, block) for i in range(len(block)) if block[i] < shown]
            bar.update(len(block))
    said_all, true_all = np.concatenate(answers), np.concatenate(labels)
    right = said_all == true_all
    mistakes, meetings = _confusions(tasks, said_all, true_all)
    return Evaluation(
        name=name or type(learner).__name__.lower(),
        tasks=_fingerprint(tasks),
        way=tasks.way,
        shot=tasks.shot,
        query=tasks.query,
        accuracy=right.mean(axis=1),
        confidence=np.concatenate(confidence),
        right=right,
        transductive=learner.transductive,
        seconds=time.perf_counter() - begun,
        mistakes=mistakes,
        meetings=meetings,
        shown=drawn,
    )


def accuracies(learner: Learner, tasks: Episodes, count: int) -> np.ndarray:
    """(count,) the accuracy on each of the first tasks, and nothing else: for validation."""
    found = []
    for block in _blocks(learner, count):
        items = tasks.batch(block)
        said = _answers(learner.eval(), items, tasks.way).argmax(-1)
        found.append((said == items.query.y).double().mean(1).cpu().numpy())
    return np.concatenate(found)


def compare(a: Evaluation, b: Evaluation) -> metrics.Estimate:
    """How much more accurate a is than b on the same tasks. Raises ValueError where the tasks were others."""
    if (a.way, a.shot, a.query) != (b.way, b.shot, b.query):
        raise ValueError(
            f"{a.name} was evaluated {a.way}-way {a.shot}-shot with {a.query} queries, {b.name} {b.way}-way "
            f"{b.shot}-shot with {b.query}: only the same tasks can be compared"
        )
    if a.tasks != b.tasks:
        raise ValueError(
            f"{a.name} and {b.name} were evaluated on tasks of other classes or another seed; use the same"
        )
    return metrics.paired(a.accuracy, b.accuracy)


def _blocks(learner: Learner, count: int) -> Iterator[range]:
    size = BLOCK * TOGETHER if learner.together else BLOCK
    return (range(start, min(start + size, count)) for start in range(0, count, size))


def _fingerprint(tasks: Episodes) -> str:
    return f"{split_sha256(tasks.pool.names)[:16]} seed {tasks.seed}"


def _answers(learner: Learner, items: Task, way: int) -> Tensor:
    """(t, q, way) probabilities."""
    for examples in items:
        check_labels(examples.y, way)
        if not bool(torch.isfinite(examples.x).all()):
            raise ValueError("the pictures hold nan or infinity; every pixel must be a number")
    with torch.no_grad():
        whole = tree.size(items) if learner.together else None
        states = tree.cat([learner.adapt_all(group, way) for group in batching.chunks(items.support, whole)])
        logits = tree.cat([learner.predict_all(*pair) for pair in batching.chunks((states, items.query.x))])
    if bool(logits.isnan().any()):
        raise ValueError(f"{type(learner).__name__} answered nan; its weights are damaged or its training diverged")
    return logits.softmax(-1)


def _shown(tasks: Episodes, items: Task, said: Tensor, i: int, block: Sequence[int]) -> Shown:
    names = tuple(tasks.pool.names[c] for c in tasks.classes(block[i]))
    task = tree.map(lambda leaf: leaf[i].cpu(), items)
    return Shown(block[i], task, names, said[i].cpu().numpy())


def _confusions(tasks: Episodes, said: np.ndarray, true: np.ndarray) -> tuple[Counter, Counter]:
    """Counts of (shown, said) pairs of the pool's classes, and of how often the pair could have been confused."""
    mistakes: Counter[tuple[str, str]] = Counter()
    meetings: Counter[tuple[str, str]] = Counter()
    names = tasks.pool.names
    for index, (answers, labels) in enumerate(zip(said, true, strict=True)):
        classes = tasks.classes(index)
        for a, b in zip(labels[answers != labels], answers[answers != labels], strict=True):
            mistakes[names[classes[a]], names[classes[b]]] += 1
    wanted = set(mistakes)
    for index in range(len(said)):
        present = [names[c] for c in tasks.classes(index)]
        meetings.update({(a, b): tasks.query for a in present for b in present if (a, b) in wanted})
    return mistakes, meetings
