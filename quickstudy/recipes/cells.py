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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

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

KEY = ("table", "method", "variant", "setting")


@dataclass(frozen=True)
class Cell:
    """One figure of a table. A cell with the four names of a published one answers it."""

    table: str
    method: str
    variant: str
    way: int
    shot: int
    asked: Experiment  # what is trained; a learner without weights is measured as it is
    trained: bool = True
    minutes: float | None = None  # the budget as time on this machine, instead of asked.steps

    @property
    def setting(self) -> str:
        return f"{self.way}-way {self.shot}-shot"

    @property
    def name(self) -> str:
        """A file name that no other cell of the table has."""
        words = f"{self.method} {self.variant} {self.setting}".lower()
        return re.sub(r"[^a-z0-9]+", "-", words).strip("-")

    @property
    def title(self) -> str:
        return f"{self.method}, {self.variant}, {self.setting}"

    def training(self, seed: int, scale: float) -> Experiment:
        """Its training with this seed, ``scale`` times as long."""
        return dataclasses.replace(self.asked, seed=seed, steps=max(1, round(self.asked.steps * scale)))


def run_seed(cell: Cell, seed: int, *, scale: float, tasks: int, runs: Path, progress: bool) -> None:
    """Trains (or goes on, or finds it done) and measures one seed of a cell; keeps its per-task scores."""
    kept = _kept(cell, seed, scale=scale, tasks=tasks, runs=runs)
    if kept.exists():
        return
    asked = cell.training(seed, scale)
    splits = asked.splits()
    learner, done = _learner(cell, asked, splits, runs, progress)
    drawn = episodes(splits.test, cell.way, cell.shot, 15)
    result = evaluate(learner, drawn, tasks, name=cell.title, shown=0, progress=progress)
    found = {
        "accuracy": result.accuracy.tolist(),
        "transductive": result.transductive,
        "split_sha256": splits.sha256,
        "minutes": done.seconds / 60,
        "steps": done.step,
        "commit": commit(),
        "hardware": hardware(),
        **versions(),
    }
    write_json(kept, found)


def gather(cell: Cell, seeds: int, *, scale: float, tasks: int, runs: Path, command: str) -> dict[str, Any] | None:
    """The cell over the seeds measured so far, or None before the first."""
    paths = {seed: _kept(cell, seed, scale=scale, tasks=tasks, runs=runs) for seed in range(seeds)}
    found = {seed: read_json(path) for seed, path in paths.items() if path.exists()}
    if not found:
        return None
    parts = list(found.values())
    mean, interval = metrics.over_seeds(np.array([part["accuracy"] for part in parts]))
    return {
        "table": cell.table,
        "method": cell.method,
        "variant": cell.variant,
        "setting": cell.setting,
        "metric": "accuracy_percent",
        "value": round(100 * mean, 3),
        "interval95": round(100 * interval, 3),
        "published": published(cell),
        "tasks": tasks,
        "seeds": sorted(found),
        "by_seed": [round(100 * float(np.mean(part["accuracy"])), 3) for part in parts],
        "transductive": parts[0]["transductive"],
        "split_sha256": parts[0]["split_sha256"],
        "steps": parts[0]["steps"],
        "command": command,
        "commit": ", ".join(sorted({part["commit"] for part in parts})),
        "versions": parts[-1]["versions"],
        "hardware": ", ".join(sorted({part["hardware"] for part in parts})),
        "minutes": round(sum(part["minutes"] for part in parts) / len(parts), 1),
    }


@functools.cache
def _published() -> dict[tuple[str, ...], dict[str, str]]:
    text = (resources.files("quickstudy.recipes") / "published.csv").read_text(encoding="utf-8")
    return {tuple(row[key] for key in KEY): row for row in csv.DictReader(text.splitlines())}


def published(cell: Cell) -> dict[str, Any] | None:
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


def _learner(cell: Cell, asked: Experiment, splits: Splits, runs: Path, progress: bool) -> tuple[Learner, Progress]:
    if not cell.trained:
        return asked.build(splits), Progress()
    budget = "" if cell.minutes is None else f"-{cell.minutes:g}minutes"
    folder = runs / cell.table / f"{_hash(asked)}{budget}"
    return asked.run(folder, minutes=cell.minutes, progress=progress)


def _kept(cell: Cell, seed: int, *, scale: float, tasks: int, runs: Path) -> Path:
    asked = cell.training(seed, scale)
    return runs / cell.table / "scores" / f"{cell.name}-{tasks}tasks-{_hash(asked)}.json"


def _hash(asked: Experiment) -> str:
    """A short name for a training: cells that need the same one share it."""
    text = json.dumps(dataclasses.asdict(asked), sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{asked.learner}-{asked.way}way-{asked.shot}shot-seed{asked.seed}-{digest}"


def read_results(folder: Path) -> list[Mapping[str, Any]]:
    """The finished cells of a table, or the benchmarks, in the order of their file names."""
    return [read_json(path) for path in sorted(folder.glob("*.json"))] if folder.is_dir() else []


def matching(cells: Sequence[Cell], words: str) -> list[Cell]:
    """The cells whose title holds every one of these words."""
    return [cell for cell in cells if all(word in cell.title.lower() for word in words.lower().split())]
