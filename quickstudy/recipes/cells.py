"""A published table as cells: what was published, what is trained for it here, what came of it."""

from __future__ import annotations

import csv
import dataclasses
import functools
import hashlib
import json
import os
import platform
import re
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np
import torch

from quickstudy import metrics
from quickstudy.core import Learner
from quickstudy.data import Splits
from quickstudy.evaluate import evaluate
from quickstudy.experiment import Experiment, versions
from quickstudy.storage import read_json, write_json
from quickstudy.tasks import episodes
from quickstudy.train import Progress

C = TypeVar("C", bound="AnyCell")
KEY = ("table", "method", "variant", "setting")


class Scores(NamedTuple):
    """One seed of a cell, measured."""

    of_tasks: np.ndarray  # (t,)
    transductive: bool
    split_sha256: str  # says which test tasks: their classes, or what they are drawn from
    done: Progress  # its training


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

    @property
    def name(self) -> str:
        """A file name that no other cell of the table has."""
        words = f"{self.method} {self.variant} {self.setting}".lower()
        return re.sub(r"[^a-z0-9]+", "-", words).strip("-")

    @property
    def title(self) -> str:
        return ", ".join(filter(None, (self.method, self.variant, self.setting)))


@dataclass(frozen=True)
class Cell(AnyCell):
    """An accuracy on episodes of pictures."""

    way: int
    shot: int
    asked: Experiment  # what is trained; a learner without weights is measured as it is
    trained: bool = True
    minutes: float | None = None  # the budget as time on this machine, instead of asked.steps

    @property
    def setting(self) -> str:
        return f"{self.way}-way {self.shot}-shot"

    def training(self, seed: int, scale: float) -> Experiment:
        """Its training with this seed, ``scale`` times as long."""
        return dataclasses.replace(self.asked, seed=seed, steps=max(1, round(self.asked.steps * scale)))

    def stamp(self, seed: int, scale: float) -> str:
        asked = self.training(seed, scale)
        return f"{asked.learner}-{asked.way}way-{asked.shot}shot-seed{seed}-{digest(asked)}"

    def measure(self, seed: int, *, scale: float, tasks: int, runs: Path, progress: bool) -> Scores:
        splits = self.asked.splits()
        budget = "" if self.minutes is None else f"-{self.minutes:g}minutes"
        folder = runs / self.table / f"{self.stamp(seed, scale)}{budget}"
        learner, done = self._learner(self.training(seed, scale), splits, folder, progress)
        drawn = episodes(splits.test, self.way, self.shot, 15)
        result = evaluate(learner, drawn, tasks, name=self.title, shown=0, progress=progress)
        return Scores(result.accuracy, result.transductive, splits.sha256, done)

    def _learner(self, asked: Experiment, splits: Splits, folder: Path, progress: bool) -> tuple[Learner, Progress]:
        if not self.trained:
            return asked.build(splits), Progress()
        return asked.run(folder, minutes=self.minutes, progress=progress)


def run_seed(cell: AnyCell, seed: int, *, scale: float, tasks: int, runs: Path, progress: bool) -> None:
    """Measures one seed of a cell, unless that is done, and keeps its per-task scores."""
    kept = _kept(cell, seed, scale=scale, tasks=tasks, runs=runs)
    if kept.exists():
        return
    scores = cell.measure(seed, scale=scale, tasks=tasks, runs=runs, progress=progress)
    found = {
        cell.score: scores.of_tasks.tolist(),
        "transductive": scores.transductive,
        "split_sha256": scores.split_sha256,
        "minutes": scores.done.seconds / 60,
        "steps": scores.done.step,
        "commit": commit(),
        "hardware": hardware(),
        **versions(),
    }
    write_json(kept, found)


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
    paths = {seed: _kept(cell, seed, scale=scale, tasks=tasks, runs=runs) for seed in range(seeds)}
    found = {str(seed): read_json(path) for seed, path in paths.items() if path.exists()}
    if not found:
        return None
    last = list(found.values())[-1]
    same = {"tasks": tasks, **{key: last[key] for key in ("steps", "split_sha256", "transductive")}}
    kept = earlier["by_seed"] if earlier and all(earlier[key] == value for key, value in same.items()) else {}
    by_seed = dict(sorted((kept | {seed: _of_seed(cell, part) for seed, part in found.items()}).items()))
    each = list(by_seed.values())
    mean, interval = metrics.pooled([metrics.Estimate(one["value"], one["interval95"]) for one in each])
    return {
        "table": cell.table,
        "method": cell.method,
        "variant": cell.variant,
        "setting": cell.setting,
        "metric": cell.metric,
        "value": round(mean, 3),
        "interval95": round(interval, 3),
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


def _of_seed(cell: AnyCell, part: Mapping[str, Any]) -> dict[str, Any]:
    mean, interval = metrics.estimate(cell.factor * np.array(part[cell.score]))
    kept = {key: part[key] for key in ("commit", "hardware")}
    return {"value": round(mean, 3), "interval95": round(interval, 3), "minutes": round(part["minutes"], 1), **kept}


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


def commit() -> str:
    """The commit of the code that runs, with -dirty where it was changed since; "unknown" outside a checkout."""
    root = Path(__file__).parents[2]
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude", "*"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def hardware() -> str:
    """The processor and its cores; the GPU where torch uses one."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else [platform.processor()]
    cpu = f"{os.cpu_count()} cores of {names[0] if names else platform.machine()}"
    return f"{torch.cuda.get_device_name()}, {cpu}" if torch.cuda.is_available() else cpu


def _kept(cell: AnyCell, seed: int, *, scale: float, tasks: int, runs: Path) -> Path:
    return runs / cell.table / "scores" / f"{cell.name}-{tasks}tasks-{cell.stamp(seed, scale)}.json"


def digest(asked: Any) -> str:
    """Eight letters for a dataclass of plain values."""
    return hashlib.sha256(json.dumps(dataclasses.asdict(asked), sort_keys=True).encode()).hexdigest()[:8]


def read_results(folder: Path) -> list[Mapping[str, Any]]:
    """The finished cells of a table, or the benchmarks, in the order of their file names."""
    return [read_json(path) for path in sorted(folder.glob("*.json"))] if folder.is_dir() else []


def matching(cells: Sequence[C], words: str) -> list[C]:
    """The cells whose title holds every one of these words."""
    return [cell for cell in cells if all(word in cell.title.lower() for word in words.lower().split())]
