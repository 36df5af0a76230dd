"""Learned data weights, on two digits of which one is rare and on pictures with wrong labels.

``200:1`` is the protocol of Ren et al. (2018): their net, momentum 0.9, rate 0.001, batches of 100; 8,000 steps for
what weighs by a rule, 4,000 for what learns its weights, ten clean pictures; ``pos_ratio 0.995`` the same data and net
with the training of TorchOpt's example, 30 epochs of Adam. ``40 % wrong labels``: LeNet on 10,000 pictures, 40 epochs
of momentum 0.9 at 0.05, a tenth of it in the last ten; 200 clean pictures, of which 100 a step. The best epoch is
chosen on other clean pictures. ``wrong labels found`` is the area under the receiver's curve of the mean weight of an
example over the training (``baseline``: of its loss), in each of twenty parts of the training set.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from sklearn.metrics import roc_auc_score
from torch import Tensor

from quickstudy import plot
from quickstudy.recipes.cells import AnyCell, Scores, digest
from quickstudy.recipes.weighted import WEIGHERS, Training
from quickstudy.storage import load_tensors
from quickstudy.train import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLE = "data-weights"
PARTS = 20
SHOWN = 24  # wrong labels in the picture
LAST, BEST, FOUND = "last epoch", "best epoch", "wrong labels found"


@dataclass(frozen=True)
class Weighted(AnyCell):
    """An accuracy after the last epoch; of what is called the best epoch, after that."""

    words: str
    asked: Training

    trained: ClassVar[bool] = True

    @property
    def setting(self) -> str:
        return self.words

    def training(self, seed: int, scale: float) -> Training:
        steps, tuning = max(1, round(scale * self.asked.steps)), round(scale * self.asked.tuning)
        return dataclasses.replace(self.asked, seed=seed, steps=steps, tuning=tuning)

    def stamp(self, seed: int, scale: float) -> str:
        asked = self.training(seed, scale)
        return f"{asked.data}-{asked.method}-seed{seed}-{digest(asked)}".replace(" ", "-")

    def measure(self, seed: int, *, scale: float, tasks: int, runs: Path, progress: bool) -> Scores:
        asked, folder = self.training(seed, scale), runs / TABLE / self.stamp(seed, scale)
        run = asked.run(folder, progress=progress)
        kept, problem = load_tensors(folder / "weights.safetensors")[0], asked.problem()
        done = Progress(step=asked.steps + asked.tuning, seconds=run.metrics["seconds"])
        return Scores(self.scores(kept, problem.wrong), False, problem.sha256, done)

    def scores(self, kept: dict[str, Tensor], wrong: Tensor) -> np.ndarray:
        """(t,) from what a training kept."""
        return kept["best" if self.words.endswith(BEST) else "last"].double().numpy()


@dataclass(frozen=True)
class Finding(Weighted):
    """How well the weights tell right labels from wrong ones."""

    score: ClassVar[str] = "auroc"
    metric: ClassVar[str] = "auroc_percent"

    def scores(self, kept: dict[str, Tensor], wrong: Tensor) -> np.ndarray:
        parts = zip(kept["trust"].chunk(PARTS), wrong.chunk(PARTS), strict=True)
        return np.array([roc_auc_score((~bad).numpy(), trust.numpy()) for trust, bad in parts])


def _rare(method: str) -> Weighted:
    asked = Training(method=method, steps=4000 if method in WEIGHERS else 8000)
    return Weighted(TABLE, method, "", "MNIST 4 vs 9, 200:1", asked)


def _example(method: str) -> Weighted:
    asked = Training(method=method, steps=1500, every=50, optimizer="adam")
    return Weighted(TABLE, method, "TorchOpt example", "MNIST 4 vs 9, pos_ratio 0.995", asked)


def _noisy(data: str, method: str) -> list[AnyCell]:
    steps, every = (1000, 25) if method == "clean only" else (4000, 100)
    tuning = 200 if method == "baseline + fine-tuning" else 0
    asked = Training(data, method, steps, every, rate=0.05, drops=True, draw=100, tuning=tuning)
    setting = f"{NAMES[data]}, 40 % wrong labels"
    cells: list[AnyCell] = [Weighted(TABLE, method, "", f"{setting}, {epoch}", asked) for epoch in (LAST, BEST)]
    if method == "baseline" or method in WEIGHERS:
        cells.append(Finding(TABLE, method, "", f"{setting}, {FOUND}", asked))
    return cells


def picture(runs: Path, *, scale: float, tasks: int, progress: bool) -> Figure:
    """The mean weights of right and of wrong labels on Fashion-MNIST, and the labels that Meta-Weight-Net trusts least:
    of the first seed."""
    panels, trust = {}, {}
    for method in ("baseline", *WEIGHERS):
        cell = next(c for c in CELLS if isinstance(c, Finding) and c.method == method and "Fashion" in c.setting)
        asked, folder = cell.training(0, scale), runs / TABLE / cell.stamp(0, scale)
        asked.run(folder, progress=progress)
        problem = asked.problem()
        trust[method] = load_tensors(folder / "weights.safetensors")[0]["trust"]
        panels["loss" if method == "baseline" else method] = (trust[method].numpy(), problem.wrong.numpy())
    panels["loss"] = (-panels["loss"][0], panels["loss"][1])
    least = trust["Meta-Weight-Net"].argsort()[:SHOWN]
    found = [(problem.learned.x[i], problem.names[int(problem.learned.y[i])], bool(problem.wrong[i])) for i in least]
    return plot.weights(panels, found)


NAMES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}
RULES = ("baseline", "proportion", "resampling", "hard mining", "random weights")
AGAINST = ("baseline", "random weights", "clean only", "baseline + fine-tuning")
CELLS: list[AnyCell] = [
    *(_example(method) for method in ("baseline", "L2RW")),
    *(cell for data in NAMES for method in (*AGAINST, *WEIGHERS) for cell in _noisy(data, method)),
    *(_rare(method) for method in (*WEIGHERS, *RULES)),
]
