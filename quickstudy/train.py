"""The one outer loop: slow weights from many tasks, whatever the learner, the tasks, the objective, the estimator."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from quickstudy import batching, devices, metrics, parallel, tree
from quickstudy.core import Learner, Objective, Tasks
from quickstudy.files import FileProblem
from quickstudy.nets.norm import BatchNorm, recording
from quickstudy.outer import Estimator, Unroll
from quickstudy.rules.applied import Applied
from quickstudy.storage import Run

L = TypeVar("L", bound=Learner)
Validate = Callable[[Any], float | np.ndarray]
RECORDS = 200  # points of a learning curve
SHARE = 0.02  # of the time, at most, that goes to writing checkpoints


class Diverged(ArithmeticError):
    """The loss is no longer a number."""


@dataclass
class Progress:
    """Where a training stands: all of it is in a checkpoint."""

    step: int = 0
    seconds: float = 0.0
    curve: list[dict[str, float]] = field(default_factory=list)  # {"step", "loss"} and, at validations, "score"
    best: dict[str, float] | None = None  # {"step", "score"} of the weights that are kept
    top: list[float] = field(default_factory=list)  # the highest validation so far, task by task


def train(
    learner: nn.Module,
    tasks: Tasks[Any],
    *,
    steps: int,
    batch: int = 1,
    rate: float = 1e-3,
    objective: Objective | None = None,
    estimator: Estimator | None = None,
    optimizer: str = "adam",
    validate: Validate | None = None,
    validations: int = 10,
    precision: str = "float32",
    clip: float | None = None,
    seed: int = 0,
    run: Run | None = None,
    progress: bool = False,
) -> Progress:
    """Meta-trains the learner, or any module that comes with an ``objective``, in place and leaves it in ``eval()``
    with its best weights.

    Step ``s`` reads the tasks ``s * batch ...``; the rate falls from ``rate`` to 0, along a half cosine with "adam",
    linearly with "sgd", the plain descent that Reptile was published with; "adam-constant" keeps it. Unless another
    ``estimator`` is given, the gradients are exact. Gradients longer than ``clip`` are scaled to that length.
    ``validate(learner)`` scores it ``validations`` times, higher is better, by a number or by one for each of the same
    tasks. Kept are the latest weights that are as good as the best, up to one standard error of the difference on those
    tasks (Breiman et al., 1984, who take the simplest; here the rate falls, and later weights are the quieter ones).
    Without ``validate`` they are the last. With a ``run``, a killed training goes on from its folder to the same
    weights, bit for bit.

    In a group of processes (``parallel``) each takes its share of every step's tasks, and all end with the weights of
    one process up to rounding, bit for bit those of as many processes. What a learner draws at random is drawn anew
    each step by (seed, step, rank): only such learners depend on the number of processes.

    Raises Diverged where the loss becomes nan or infinite, ValueError for a budget that is none, for a batch with
    fewer tasks than processes, and for an optimizer that does not exist.
    """
    if steps < 1 or batch < 1:
        raise ValueError(f"a training takes at least one step of one task, got steps {steps}, batch {batch}")
    if clip is not None and not clip > 0:
        raise ValueError(f"clip is the longest gradient, a positive number, got {clip}")
    devices.prepare()
    goal = objective or _own(learner, tasks)
    loop = _Loop(learner, tasks, goal, estimator or Unroll(), steps, batch, rate, precision, seed, optimizer, clip)
    state = loop.resume(run)
    parallel.spread(learner)
    run, progress = (run, progress) if parallel.main() else (None, False)
    with tqdm(total=steps, initial=state.step, disable=not progress, unit="step", desc="training") as bar:
        loop.go(state, run, bar, validate, max(1, validations))
    loop.restore_best()
    learner.eval()
    if run is not None:
        metrics = {"steps": steps, "seconds": state.seconds, "best": state.best, "curve": state.curve}
        run.finish(learner.state_dict(), metrics)
    parallel.spread(learner)  # so that nobody leaves before the folder is written
    return state


class _Loop:
    """The moving parts of one training: weights, optimizer, the estimator's carry, the best weights so far."""

    def __init__(
        self,
        learner: nn.Module,
        tasks: Tasks[Any],
        objective: Objective,
        estimator: Estimator,
        steps: int,
        batch: int,
        rate: float,
        precision: str,
        seed: int,
        optimizer: str = "adam",
        clip: float | None = None,
    ) -> None:
        self.learner, self.tasks, self.objective, self.estimator = learner, tasks, objective, estimator
        self.steps, self.batch, self.precision, self.seed = steps, batch, precision, seed
        slow_weights(learner)
        self.clip = clip
        self.optimizer = Applied(learner, optimizer, rate=rate)
        self.carry = estimator.init(learner)
        if parallel.size() > 1 and tree.leaves(self.carry):
            raise ValueError(
                f"{type(estimator).__name__} carries a state from step to step, which {parallel.size()} processes "
                "cannot share; train in one process"
            )
        self.best: dict[str, Tensor] = {}
        self.where = next(iter(self.optimizer.weights.values())).device

    def go(self, state: Progress, run: Run | None, bar: Any, validate: Validate | None, validations: int) -> None:
        every = max(1, self.steps // RECORDS)
        exams = {math.ceil(self.steps * (i + 1) / validations) for i in range(validations)}
        begun, due = time.monotonic() - state.seconds, 0.0
        since: list[Tensor] = []
        while state.step < self.steps:
            since.append(self.step(state.step))
            state.step += 1
            bar.update()
            exam = state.step in exams
            if not (exam or state.step % every == 0):
                continue
            self.record(state, since, validate if exam else None)
            since, state.seconds = [], time.monotonic() - begun
            bar.set_postfix(_postfix(state, isinstance(self.learner, Learner)))
            if run is not None and (time.monotonic() > due or state.step == self.steps):
                writing = time.monotonic()
                run.save_checkpoint(*self.checkpoint(state))
                due = time.monotonic() + (time.monotonic() - writing) / SHARE

    def step(self, step: int) -> Tensor:
        """One update; the loss before it."""
        torch.manual_seed(self.seed * 1_000_003 + step + parallel.rank() * 2**40)
        self.learner.train()
        items = self.tasks.batch(parallel.shard(range(step * self.batch, (step + 1) * self.batch)))
        with devices.precision(self.precision, self.where):
            loss, grads, self.carry = self.estimator.step(self.learner, items, self.objective, self.carry)
        loss, *grads = parallel.average([loss, *grads], tree.size(items))
        if self.clip is not None:
            longer = nn.utils.get_total_norm(grads) / self.clip
            torch._foreach_div_(grads, longer.clamp_min(1))
        self.optimizer.step(grads, step / self.steps, loss)
        return loss

    def record(self, state: Progress, since: list[Tensor], validate: Validate | None) -> None:
        loss = float(torch.stack(since).mean())
        if not math.isfinite(loss):
            raise Diverged(
                f"the loss became {loss} by step {state.step}; look for nan in the data, lower --rate, or use float32"
            )
        state.curve.append({"step": state.step, "loss": loss})
        if validate is None:
            return
        scores = parallel.agreed(np.atleast_1d(validate(self.learner.eval())))
        score = float(scores.mean())
        if not math.isfinite(score):  # a validation descent diverged
            return
        state.curve[-1]["score"] = score
        if not state.top or score >= np.mean(state.top):
            state.top = scores.tolist()
        if _as_good(scores, state.top):
            state.best = {"step": state.step, "score": score}
            self.best = {name: value.clone() for name, value in self.learner.state_dict().items()}

    def restore_best(self) -> None:
        if self.best:
            self.learner.load_state_dict(self.best)

    def checkpoint(self, state: Progress) -> tuple[dict[str, Tensor], dict[str, Any]]:
        parts = {
            "learner": self.learner.state_dict(),
            "best": self.best,
            "carry": self.carry,
            "optimizer": self.optimizer.memory,
        }
        return dict(tree.items(parts)), dataclasses.asdict(state)

    def resume(self, run: Run | None) -> Progress:
        """Where the run's checkpoint left off; the start where there is none. Raises FileProblem for one that another
        version wrote."""
        saved = run.load_checkpoint() if run is not None else None
        if run is None or saved is None:
            return Progress()
        tensors, meta = saved
        own = dict(self.learner.state_dict())
        try:
            self.learner.load_state_dict({name: tensors[f"learner.{name}"] for name in own})
            if meta["best"] is not None:
                self.best = {name: tensors[f"best.{name}"].to(own[name].device) for name in own}
            self.carry = tree.restore(self.carry, _under("carry", tensors))
            self.optimizer.restore(_under("optimizer", tensors))
            return Progress(**meta)
        except (KeyError, TypeError, RuntimeError) as error:
            raise FileProblem(
                f"{run.path} was left half trained by another version of quickstudy, which keeps other things in its "
                f"checkpoint, or its config was changed ({error}): finish it as it was begun, or train anew"
            ) from error


def _under(part: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a part, by their names in it."""
    return {name.removeprefix(f"{part}."): t for name, t in tensors.items() if name.startswith(f"{part}.")}


def _as_good(scores: np.ndarray, top: list[float]) -> bool:
    """Whether these are at most one standard error below the highest, on the same tasks."""
    below = np.subtract(top, scores)
    return below.mean() <= (metrics.standard_error(below) if len(top) > 1 else 0)


def calibrate(learner: L, tasks: Tasks[Any], indices: Iterable[int], *, way: int | None = None) -> L:
    """Fixes batch normalization: the statistics that the objective meets, averaged over training tasks.

    Afterwards ``eval()`` answers each query by itself. Without batch normalization nothing changes.
    """
    if not any(isinstance(module, BatchNorm) for module in learner.modules()):
        return learner
    with torch.no_grad(), recording(learner):
        for index in indices:
            learner.objective(way or _way(tasks))(learner, tasks[index])
    return learner


def slow_weights(learner: nn.Module) -> list[nn.Parameter]:
    """What a training would change. Raises ValueError where there is nothing."""
    weights = batching.trainable(learner)
    if not weights:
        raise ValueError(f"{type(learner).__name__} has no weights to train; evaluate it as it is")
    return weights


def pace(
    learner: Learner,
    tasks: Tasks[Any],
    *,
    batch: int,
    precision: str,
    estimator: Estimator | None = None,
    seconds: float = 4.0,
) -> float:
    """Seconds a training step takes here, measured on a copy of the learner."""
    copied = copy.deepcopy(learner)
    how = estimator or Unroll()
    loop = _Loop(copied, tasks, copied.objective(_way(tasks)), how, 10**9, batch, 1e-3, precision, 0)
    for step in range(3):
        loop.step(step)
    begun, done = time.perf_counter(), 0
    while parallel.agreed(time.perf_counter() - begun < seconds):
        loop.step(done)
        done += 1
    return (time.perf_counter() - begun) / done


def _way(tasks: Any) -> int:
    return tasks.way


def _own(module: nn.Module, tasks: Any) -> Objective:
    """What it minimizes unless told otherwise. Raises ValueError for a module that is no learner."""
    if not isinstance(module, Learner):
        raise ValueError(f"{type(module).__name__} is no learner and has no objective of its own; give it one")
    return module.objective(_way(tasks))


def _postfix(state: Progress, percent: bool) -> dict[str, str]:
    shown = {"loss": f"{state.curve[-1]['loss']:.3f}"}
    scores = [point["score"] for point in state.curve if "score" in point]
    return shown | ({"valid": f"{100 * scores[-1]:.1f}%" if percent else f"{scores[-1]:.4g}"} if scores else {})
