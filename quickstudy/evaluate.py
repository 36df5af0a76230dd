"""How good a learner is: accuracy on numbered tasks, with what the intervals, the pictures and the pairings need."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from quickstudy import batching, devices, metrics, tree
from quickstudy.core import Learner, Task, check_labels
from quickstudy.data.pool import split_sha256
from quickstudy.storage import digest, load_tensors, save_tensors
from quickstudy.tasks import Episodes

BLOCK = 16  # tasks drawn at a time
TOGETHER = 4  # times as many for learners that take many small steps, which cost about the same for more tasks
EVERY = 10.0  # seconds between two savings of the answers so far


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
    seconds: float  # since it was begun, or gone on with
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


class Answered(NamedTuple):
    """What was asked in the first tasks, and answered; (t, q) each."""

    true: Tensor  # labels
    said: Tensor
    sure: Tensor  # probability given to what was said


def evaluate(
    learner: Learner,
    tasks: Episodes,
    count: int = 1000,
    *,
    name: str = "",
    shown: int = 4,
    kept: Path | None = None,
    progress: bool = False,
) -> Evaluation:
    """The learner, as it is, on the first ``count`` tasks.

    With a file ``kept`` a killed evaluation goes on from there, if the weights, the pictures and the tasks are the
    same; the caller removes the file in the end, and keeps another for a learner that is set otherwise.

    Raises ValueError for nan among its inputs or answers, FileProblem for a damaged file.
    """
    devices.prepare()
    begun = time.perf_counter()
    true, said, sure = (part.numpy() for part in _answered(learner.eval(), tasks, count, name, kept, progress))
    right = said == true
    mistakes, meetings = _confusions(tasks, said, true)
    return Evaluation(
        name=name or type(learner).__name__.lower(),
        tasks=_fingerprint(tasks),
        way=tasks.way,
        shot=tasks.shot,
        query=tasks.query,
        accuracy=right.mean(axis=1),
        confidence=sure,
        right=right,
        transductive=learner.transductive,
        seconds=time.perf_counter() - begun,
        mistakes=mistakes,
        meetings=meetings,
        shown=[_shown(tasks, index, said[index]) for index in range(min(shown, count))],
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


def _answered(learner: Learner, tasks: Episodes, count: int, name: str, kept: Path | None, progress: bool) -> Answered:
    """In all the tasks; those answered before a kill are not answered again."""
    which = _which(learner, tasks, count) if kept else {}
    parts = _before(kept, which)
    done, saved = sum(len(part.said) for part in parts), time.monotonic()
    with tqdm(total=count, initial=done, disable=not progress, unit="task", desc=name or "evaluating") as bar:
        for block in _blocks(learner, count, done):
            items = tasks.batch(block)
            sure, said = _answers(learner, items, tasks.way).max(-1)
            parts.append(Answered(*(part.cpu() for part in (items.query.y, said, sure))))
            bar.update(len(block))
            if kept is not None and time.monotonic() > saved + EVERY:
                save_tensors(kept, tree.cat(parts)._asdict(), which)
                saved = time.monotonic()
    return tree.cat(parts)


def _which(learner: Learner, tasks: Episodes, count: int) -> dict[str, Any]:
    """Whose answers they are, and to what."""
    return {
        "learner": digest(learner.state_dict()),
        "pictures": digest({"images": tasks.pool.images, "starts": tasks.pool.starts}),
        "tasks": [tasks.seed, tasks.way, tasks.shot, tasks.query, count],
    }


def _before(kept: Path | None, which: dict[str, Any]) -> list[Answered]:
    """The answers in the file, if they are this learner's in these tasks."""
    if kept is None or not kept.exists():
        return []
    tensors, of = load_tensors(kept, "remove it")
    return [Answered(**tensors)] if of == which else []


def _blocks(learner: Learner, count: int, done: int = 0) -> Iterator[range]:
    size = BLOCK * TOGETHER if learner.together else BLOCK
    return (range(start, min(start + size, count)) for start in range(done, count, size))


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


def _shown(tasks: Episodes, index: int, said: np.ndarray) -> Shown:
    names = tuple(tasks.pool.names[c] for c in tasks.classes(index))
    return Shown(index, tree.map(lambda leaf: leaf.cpu(), tasks[index]), names, said)


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
