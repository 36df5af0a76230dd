"""Tailored embeddings of MNIST: what each mix of losses does to the picture. Further rows of the table of ``maps``.

Protocol: a net of 784-256-128-2 is fitted on the training pictures, as pixels, and shows the test pictures. Values to
tell are two that a picture has by itself: how much ink there is, and how far it leans. ``reconstruction error``: the
squared error of the picture that the net makes of a place, in hundredths of the pixels' variance; ``from neighbours``:
likewise of the mean of the ten training pictures that are nearest in the plane, which every mix has; ``value error``:
likewise of the mean of their ink and lean.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from torch import nn

from quickstudy import plot
from quickstudy.maps import Tailored, features, quality
from quickstudy.recipes.cells import AnyCell, Scores
from quickstudy.recipes.maps import DATA, TABLE, MapCell, kept, pictures
from quickstudy.train import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MIXES = {  # weights of reconstruction, classification, regression
    "reconstruction": (1.0, 0.0, 0.0),
    "classification": (0.0, 1.0, 0.0),
    "regression": (0.0, 0.0, 1.0),
    "reconstruction and classification": (1.0, 1.0, 0.0),
    "all three": (1.0, 1.0, 1.0),
}
STEPS = 6000
NEAR = 10
INK, LEAN = 0.04, 0.3  # their spreads among digits, roughly
MEASURES = (
    "trustworthiness",
    "neighbour_accuracy",
    "silhouette",
    "reconstruction_error_from_neighbours",
    "value_error_from_neighbours",
)


@dataclass(frozen=True)
class TailoredCell(MapCell):
    """A measure of a tailored embedding, on pictures that it was not fitted on."""

    mix: str

    def stamp(self, seed: int, scale: float) -> str:
        return f"tailored-{self.mix.replace(' ', '-')}-seed{seed}-{self.steps(scale)}steps"

    def steps(self, scale: float) -> int:
        return max(1, round(scale * STEPS))

    def measure(self, seed: int, *, scale: float, tasks: int, runs: Path, progress: bool) -> Scores:
        folder, stamp = runs / TABLE, self.stamp(seed, scale)
        shown, seconds = self.shown(seed, scale, folder, progress)
        parts = pictures("mnist")

        def measured() -> dict[str, NDArray[Any]]:
            learned, asked = (features(nn.Flatten(), "", part) for part in (parts.train, parts.test))
            found = quality.of_points(asked, shown["test"], parts.test.labels.numpy(), sample=tasks)
            rows = quality.sampled(len(asked), tasks, 0)
            near = KDTree(shown["train"]).query(shown["test"][rows], k=NEAR)[1]
            for name, before, after in (
                ("reconstruction_error", learned, asked),
                ("value_error", values(learned), values(asked)),
            ):
                found[f"{name}_from_neighbours"] = explained(before[near].mean(1), after[rows], before)
            if "error" in shown:
                found["reconstruction_error"] = shown["error"][rows]
            return found

        found, _ = kept(folder / f"{stamp}-{tasks}points.safetensors", measured)
        return Scores(found[self.measure_name], False, parts.sha256, Progress(step=self.steps(scale), seconds=seconds))

    def shown(self, seed: int, scale: float, folder: Path, progress: bool) -> tuple[dict[str, NDArray[Any]], float]:
        """Places of the training and of the test pictures, and, where it was learned, how far the test pictures are
        from what is made of their places."""
        return kept(
            folder / f"{self.stamp(seed, scale)}.safetensors", lambda: self.fitted(seed, self.steps(scale), progress)
        )

    def fitted(self, seed: int, steps: int, progress: bool) -> dict[str, NDArray[Any]]:
        parts = pictures("mnist")
        learned, asked = (features(nn.Flatten(), "", part) for part in (parts.train, parts.test))
        alike, names, told = MIXES[self.mix]
        layout = Tailored(
            reconstruction=alike, classification=names, regression=told, steps=steps, seed=seed, progress=progress
        )
        layout.fit(learned, parts.train.labels.numpy(), values(learned))
        made = {"train": layout.embedding_, "test": layout.transform(asked)}
        return made | ({"error": layout.losses(asked)["reconstruction"]} if layout.reconstruction else {})


def values(x: NDArray[Any]) -> NDArray[Any]:
    """(n, 2) of pictures (n, 784): the mean ink, and the lean, how far a row is shifted for each row further down, each
    over its spread among digits."""
    ink = x.reshape(-1, 28, 28)
    place = np.arange(28.0)
    mass = ink.sum((1, 2)) + 1e-9
    down, along = (ink.sum(2) @ place) / mass, (ink.sum(1) @ place) / mass
    high = place[None] - down[:, None]
    wide = place[None] - along[:, None]
    shear = np.einsum("nij,ni,nj->n", ink, high, wide) / np.einsum("nij,ni->n", ink, high**2).clip(1e-9)
    return np.stack([mass / 784 / INK, shear / LEAN], 1)


def explained(said: NDArray[Any], wanted: NDArray[Any], known: NDArray[Any]) -> NDArray[Any]:
    """(m,) squared errors over the variance of what was known, the mean of which is 1 for a guess of its mean."""
    return ((said - wanted) ** 2).mean(1) / known.var(0).mean()


def picture(runs: Path, *, scale: float, tasks: int, progress: bool) -> Figure:
    """The test set by every mix, with its numbers."""
    parts, panels = pictures("mnist"), {}
    labels = np.array(parts.test.names)[parts.test.labels.numpy()]
    for mix in MIXES:
        cell = TailoredCell(TABLE, "", "", MEASURES[0], mix)
        shown, _ = cell.shown(0, scale, runs / TABLE, progress)
        found = {
            name: TailoredCell(TABLE, "", "", name, mix).measure(
                0, scale=scale, tasks=tasks, runs=runs, progress=progress
            )
            for name in MEASURES
        }
        words = [f"{name.replace('_', ' ')} {scores.of_tasks.mean():.2f}" for name, scores in found.items()]
        panels[mix] = (shown["test"], labels, words)
    return plot.planes(panels)


def _settings(mix: str) -> tuple[str, ...]:
    return (*MEASURES, "reconstruction_error") if MIXES[mix][0] else MEASURES


CELLS: list[AnyCell] = [
    TailoredCell(TABLE, "tailored embedding", f"{DATA['mnist']}, {mix}", measure, mix)
    for mix in MIXES
    for measure in _settings(mix)
]
