"""A published table as cells: what was published, what is trained for it here, what came of it."""

from __future__ import annotations

import csv
import dataclasses
import functools
import hashlib
import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np

from quickstudy import devices, metrics
from quickstudy.core import Learner
from quickstudy.data import Splits
from quickstudy.evaluate import evaluate
from quickstudy.experiment import CALIBRATION, Experiment, versions
from quickstudy.recipes.provenance import commit, hardware
from quickstudy.storage import read_json, write_json
from quickstudy.tasks import episodes
from quickstudy.train import Progress, calibrate

C = TypeVar("C", bound="AnyCell")
KEY = ("table", "method", "variant", "setting")


class Scores(NamedTuple):
    """One seed of a cell, measured."""

    of_tasks: np.ndarray  # (t,)
    transductive: bool
    split_sha256: str  # says which test tasks: their classes, or what they are drawn from
    done: Progress  # its training
    precision: str = "float32"  # of the training
    trials: Mapping[str, float] = {}  # where something was chosen: each choice, and its score on validation data


@dataclass(frozen=True)
class AnyCell(ABC):
    """One figure of a table. A cell with the four names of a published one answers it."""

    table: str
    method: str
    variant: str

    score: ClassVar[str] = "accuracy"  # of a task
    metric: ClassVar[str] = "accuracy_percent"  # ``factor`` times the mean score
    factor: ClassVar[float] = 100

    @property
    @abstractmethod
    def setting(self) -> str: ...

    @property
    @abstractmethod
    def trained(self) -> bool:
        """Whether anything in it depends on a seed."""

    @abstractmethod
    def stamp(self, seed: int, scale: float) -> str:
        """A short name for the training of this seed, ``scale`` times as long: cells that need the same share it."""

    @abstractmethod
    def measure(self, seed: int, *, scale: float, tasks: int, runs: Path, progress: bool) -> Scores:
        """Trains (or goes on, or finds it done), and measures on so many test tasks."""

    def beside(self, scores: np.ndarray) -> dict[str, float]:
        """What else is said of the scores (t,) of one seed."""
        return {}

    @property
    def name(self) -> str:
        """A file name that no other cell of the table has."""
        words = f"{self.method} {self.variant} {self.setting}".lower()
        return re.sub(r"[^a-z0-9]+", "-", words).strip("-")

    @property
    def title(self) -> str:
        return ", ".join(filter(None, (self.method, self.variant, self.setting)))


class ExperimentCell(AnyCell):
    """A figure of a learner that ``Experiment`` trains, or that needs no training."""

    asked: Experiment
    trained: bool

    def training(self, seed: int, scale: float) -> Experiment:
        """Its training with this seed, ``scale`` times as long."""
        return dataclasses.replace(self.asked, seed=seed, steps=max(1, round(self.asked.steps * scale)))

    def stamp(self, seed: int, scale: float) -> str:
        return stamped(self.training(seed, scale))

    def learner(
        self, asked: Experiment, splits: Splits, folder: Path, progress: bool, minutes: float | None = None
    ) -> tuple[Learner, Progress]:
        if not self.trained:
            return asked.build(splits), Progress()
        return asked.run(folder, minutes=minutes, progress=progress)


@dataclass(frozen=True)
class Cell(ExperimentCell):
    """An accuracy on episodes of pictures."""

    way: int
    shot: int
    asked: Experiment  # what is trained, in precision "auto": that in which a machine is fastest
    trained: bool = True
    minutes: float | None = None  # the budget as time on this machine, instead of asked.steps
    calibrated: bool = False  # measured with statistics averaged over training tasks, however it was trained

    @property
    def setting(self) -> str:
        return f"{self.way}-way {self.shot}-shot"

    def measure(self, seed: int, *, scale: float, tasks: int, runs: Path, progress: bool) -> Scores:
        splits = self.asked.splits()
        budget = "" if self.minutes is None else f"-{self.minutes:g}minutes"
        asked = settled(self.training(seed, scale))
        folder = runs / self.table / f"{self.stamp(seed, scale)}-{asked.precision}{budget}"
        learner, done = self.learner(asked, splits, folder, progress, self.minutes)
        if self.calibrated:
            calibrate(learner, asked.tasks(splits, learner), CALIBRATION)
        drawn = episodes(splits.test, self.way, self.shot, 15)
        answers = _answers(_kept(self, seed, scale=scale, tasks=tasks, runs=runs))
        result = evaluate(learner, drawn, tasks, name=self.title, shown=0, kept=answers, progress=progress)
        return Scores(result.accuracy, result.transductive, splits.sha256, done, asked.precision)


def run_seed(cell: AnyCell, seed: int, *, scale: float, tasks: int, runs: Path, progress: bool) -> None:
    """Measures one seed of a cell, unless that is done, and keeps its per-task scores."""
    kept = _kept(cell, seed, scale=scale, tasks=tasks, runs=runs)
    if kept.exists():
        return
    scores = cell.measure(seed, scale=scale, tasks=tasks, runs=runs, progress=progress)
    found = {
        cell.score: [score if math.isfinite(score) else None for score in scores.of_tasks.tolist()],
        "transductive": scores.transductive,
        "split_sha256": scores.split_sha256,
        "minutes": scores.done.seconds / 60,
        "steps": scores.done.step,
        "curve": [[point["step"], point["score"]] for point in scores.done.curve if "score" in point],
        "precision": scores.precision,
        "trials": dict(scores.trials),
        "commit": commit(),
        "hardware": hardware(),
        **versions(),
    }
    write_json(kept, found)
    _answers(kept).unlink(missing_ok=True)


def gather(
    cell: AnyCell,
    seeds: int,
    *,
    scale: float,
    tasks: int,
    runs: Path,
    command: str,
    earlier: Mapping[str, Any] | None = None,
) -> dict[str, Any] | None:
    """The cell over the seeds measured so far, or None before the first.

    ``earlier`` is what was gathered before: seeds whose runs are no longer here count as they stand there, if they were
    trained and measured alike.
    """
    paths = {
        seed: _kept(cell, seed, scale=scale, tasks=tasks, runs=runs) for seed in range(seeds if cell.trained else 1)
    }
    found = {str(seed): read_json(path) for seed, path in paths.items() if path.exists()}
    if not found:
        return None
    last = list(found.values())[-1]
    same = {
        "tasks": len(last[cell.score]),
        "training": cell.stamp(0, scale),
        **{key: last[key] for key in ("steps", "split_sha256", "transductive")},
    }
    kept = earlier["by_seed"] if earlier and all(earlier.get(key) == value for key, value in same.items()) else {}
    by_seed = dict(sorted((kept | {seed: _of_seed(cell, part) for seed, part in found.items()}).items()))
    each = list(by_seed.values())
    mean, interval = metrics.pooled([metrics.Estimate(*_numbers(one["value"], one["interval95"])) for one in each])
    return {
        "table": cell.table,
        "method": cell.method,
        "variant": cell.variant,
        "setting": cell.setting,
        "metric": cell.metric,
        "value": _finite(mean),
        "interval95": _finite(interval),
        "published": published(cell),
        "seeds": [int(seed) for seed in by_seed],
        "by_seed": by_seed,
        **same,
        "command": command,
        "commit": ", ".join(sorted({one["commit"] for one in each})),
        "versions": last["versions"],
        "hardware": ", ".join(sorted({one["hardware"] for one in each})),
        "minutes": round(sum(one["minutes"] for one in each) / len(each), 1),
    }


def holds(earlier: Mapping[str, Any] | None, cell: AnyCell, seed: int, scale: float) -> bool:
    """Whether this seed, trained alike, is among what was gathered before, here or on another machine."""
    return earlier is not None and earlier["training"] == cell.stamp(0, scale) and str(seed) in earlier["by_seed"]


def _of_seed(cell: AnyCell, part: Mapping[str, Any]) -> dict[str, Any]:
    scores = cell.factor * np.array(_numbers(*part[cell.score]))
    mean, interval = metrics.estimate(scores)
    kept = {key: part[key] for key in ("precision", "commit", "hardware")}
    kept |= {key: part[key] for key in ("curve", "trials") if part.get(key)}
    figures = {"value": _finite(mean), "interval95": _finite(interval), **cell.beside(scores)}
    return figures | {"minutes": round(part["minutes"], 1), **kept}


def _finite(number: float) -> float | None:
    """To three decimals, as a file holds it; None for what is none, since JSON has no infinity."""
    return round(number, 3) if math.isfinite(number) else None


def _numbers(*kept: float | None) -> list[float]:
    """And back: infinity for None."""
    return [math.inf if number is None else number for number in kept]


def worded(result: Mapping[str, Any]) -> str:
    """A gathered figure with its interval; medians, and tasks that diverged, where they say more than the mean."""
    digits = 3 if result["metric"] in ("loss", "forgetting_points") else 2
    interval = f" ± {result['interval95']:.{digits}f}" if result["interval95"] else ""  # none of a single number
    mean = "no mean" if result["value"] is None else f"{result['value']:.{digits}f}{interval}"
    seeds = result["by_seed"].values()
    medians, lost = [one["median"] for one in seeds if "median" in one], sum(one.get("diverged", 0) for one in seeds)
    words = [f"median {np.mean(medians):.{digits}f}"] if medians else []
    words += [f"{lost} of {result['tasks'] * len(seeds)} diverged"] if lost else []
    return f"{mean} ({', '.join(words)})" if words else mean


@functools.cache
def _published() -> dict[tuple[str, ...], dict[str, str]]:
    text = (resources.files("quickstudy.recipes") / "published.csv").read_text(encoding="utf-8")
    rows = reversed(list(csv.DictReader(text.splitlines())))  # the paper's own stands before what others got
    return {tuple(row[key] for key in KEY): row for row in rows}


def published(cell: AnyCell) -> dict[str, Any] | None:
    """What the paper printed for this cell: value, 95 % interval if it gave one, the paper."""
    row = _published().get((cell.table, cell.method, cell.variant, cell.setting))
    if row is None:
        return None
    interval = float(row["interval95"]) if row["interval95"] else None
    return {"value": float(row["value"]), "interval95": interval, "paper": row["paper"]}


def _kept(cell: AnyCell, seed: int, *, scale: float, tasks: int, runs: Path) -> Path:
    return runs / cell.table / "scores" / f"{cell.name}-{tasks}tasks-{cell.stamp(seed, scale)}.json"


def _answers(kept: Path) -> Path:
    """The answers so far, for a reading that is killed."""
    return kept.with_suffix(".safetensors")


def stamped(asked: Experiment) -> str:
    """A short name for a training."""
    return f"{asked.learner}-{asked.way}way-{asked.shot}shot-seed{asked.seed}-{digest(asked)}"


def settled(asked: Experiment) -> Experiment:
    """With a precision; "auto" is that in which this machine is fastest."""
    return dataclasses.replace(asked, precision=devices.native()) if asked.precision == "auto" else asked


def digest(asked: Any) -> str:
    """Eight letters for a dataclass of plain values: for those that are not the defaults, so that one more field leaves
    the letters of what was asked before as they were."""
    usual, said = dataclasses.asdict(type(asked)()), dataclasses.asdict(asked)
    changed = {key: value for key, value in said.items() if value != usual[key]}
    return hashlib.sha256(json.dumps(changed, sort_keys=True).encode()).hexdigest()[:8]


def read_results(folder: Path) -> list[Mapping[str, Any]]:
    """The finished cells of a table, or the benchmarks, in the order of their file names."""
    return [read_json(path) for path in sorted(folder.glob("*.json"))] if folder.is_dir() else []


def matching(cells: Sequence[C], words: str) -> list[C]:
    """The cells whose title holds every one of these words."""
    return [cell for cell in cells if all(word in cell.title.lower() for word in words.lower().split())]
