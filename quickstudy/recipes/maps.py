"""What layouts keep: the pictures of the MNIST test set, and of Omniglot's unseen alphabets, as pixels and as features.

Protocol: features are those of the penultimate layer of a LeNet that was trained to tell the classes of the training
part apart (digits; characters of 25 background alphabets), and of the embedding of the shipped prototypical network,
which was meta-trained on those alphabets and has seen no digit. A layout is fitted on all test pictures, without
labels. A measure (``quickstudy.maps.quality``, ten neighbours) is the mean over so many of the pictures, whose
neighbours are sought among all of them, in hundredths; trustworthiness, continuity and recall are of the neighbours in
what was laid out. Omniglot's classes are its 659 unseen characters, 20 drawings each.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from quickstudy import data, devices
from quickstudy.data import Pool
from quickstudy.estimator import shipped
from quickstudy.maps import LAYOUTS, features, fitting, quality
from quickstudy.maps.parametric import Parametric
from quickstudy.nets.lenet import lenet
from quickstudy.recipes.cells import AnyCell, Scores
from quickstudy.storage import load_tensors, save_tensors
from quickstudy.train import Progress

TABLE = "maps"
DATA = {"mnist": "MNIST test set", "omniglot": "Omniglot, unseen alphabets"}
INPUTS = ("pixels", "LeNet", "meta-trained")
NAMES = {
    "pca": "PCA",
    "tsne": "t-SNE",
    "umap": "UMAP",
    "parametric-tsne": "parametric t-SNE",
    "parametric-umap": "parametric UMAP",
}
MEASURES = ("trustworthiness", "continuity", "neighbour_recall", "neighbour_accuracy", "silhouette")
PENULTIMATE = "blocks.10"  # LeNet's 84 units
LENET = {"mnist": 3000, "omniglot": 6000}  # steps of training
BATCH, RATE = 64, 2e-3


class Parts(NamedTuple):
    """What is learned from, what is mapped, and which split it is."""

    train: Pool
    test: Pool
    sha256: str


@dataclass(frozen=True)
class MapCell(AnyCell):
    """A measure of a map, in hundredths."""

    measure_name: str

    trained: ClassVar[bool] = True
    score: ClassVar[str] = "of_points"
    metric: ClassVar[str] = "hundredths"

    @property
    def setting(self) -> str:
        return self.measure_name.replace("_", " ")


@dataclass(frozen=True)
class LayoutCell(MapCell):
    """A measure of a layout of pictures or of features."""

    data: str
    inputs: str
    layout: str

    def stamp(self, seed: int, scale: float) -> str:
        return f"{self.layout}-{self.data}-{self.inputs.lower()}-seed{seed}" + (f"-{scale:g}" if scale != 1 else "")

    def measure(self, seed: int, *, scale: float, tasks: int, runs: Path, progress: bool) -> Scores:
        parts, folder = pictures(self.data), runs / TABLE
        net_layer = (self.data, self.inputs, seed, scale)
        x = described(parts, *net_layer, folder=folder, progress=progress)
        at = folder / f"{self.stamp(seed, scale)}.safetensors"
        plane, seconds = kept(at, lambda: {"plane": self.laid_out(x, seed, scale, progress)})
        measured, _ = kept(
            folder / f"{self.stamp(seed, scale)}-{tasks}points.safetensors",
            lambda: quality.of_points(x, plane["plane"], parts.test.labels.numpy(), sample=tasks),
        )
        return Scores(measured[self.measure_name], False, parts.sha256, Progress(seconds=seconds))

    def laid_out(self, x: NDArray[Any], seed: int, scale: float, progress: bool) -> NDArray[Any]:
        """(n, 2) places of the features (n, d)."""
        made: Any = LAYOUTS[self.layout]()
        if self.layout != "pca":
            made.set_params(seed=seed)
        if isinstance(made, Parametric):
            made.set_params(steps=max(1, round(scale * made.steps)), progress=progress)
        return made.fit_transform(x)


def pictures(name: str) -> Parts:
    """The training and the test part; Omniglot's characters as they are written, without quarter-turns."""
    splits = data.load(name, split="lake" if name == "omniglot" else None)
    train, test = (part.select([i for i, n in enumerate(part.names) if "@" not in n]) for part in splits[::2])
    return Parts(train, test, splits.sha256)


def described(
    parts: Parts, name: str, inputs: str, seed: int, scale: float, *, folder: Path, progress: bool
) -> NDArray[Any]:
    """(n, d) of the test part: pixels or features."""
    if inputs == "pixels":
        return features(nn.Flatten(), "", parts.test)
    if inputs == "LeNet":
        return features(penultimate(parts.train, name, seed, scale, folder, progress), PENULTIMATE, parts.test)
    out = folder / f"{name}-meta-trained.npy"
    if out.exists():
        return np.lib.format.open_memmap(out, mode="r")
    embedding: Any = shipped.load("omniglot").embed
    return features(embedding, "", parts.test, out=out)


def penultimate(train: Pool, name: str, seed: int, scale: float, folder: Path, progress: bool) -> nn.Module:
    """LeNet under a linear layer over the classes, trained by cross-entropy, as ``folder`` has it or anew."""
    steps = max(1, round(scale * LENET[name]))
    with devices.seeded(seed) as draw:
        net = lenet(train.shape)
        whole = nn.Sequential(net, nn.Linear(net.features, len(train)))
        labels = train.labels

        def loss() -> Tensor:
            rows = torch.randint(len(labels), (BATCH,), generator=draw)
            return F.cross_entropy(whole(train.images[rows] / 255), labels[rows])

        def trained() -> dict[str, NDArray[Any]]:
            fitting.descend(whole, loss, steps=steps, rate=RATE, progress=progress)
            return fitting.arrays(net)

        weights, _ = kept(folder / f"lenet-{name}-seed{seed}-{steps}steps.safetensors", trained)
        return fitting.filled(net, weights, "")


def kept(path: Path, make: Callable[[], dict[str, NDArray[Any]]]) -> tuple[dict[str, NDArray[Any]], float]:
    """Arrays as a file has them, or made and written there; and the seconds that they took."""
    if not path.exists():
        begun = time.perf_counter()
        made = {name: torch.from_numpy(np.array(part)) for name, part in make().items()}
        save_tensors(path, made, {"seconds": time.perf_counter() - begun})
    tensors, about = load_tensors(path, "delete it")
    return {name: tensor.numpy() for name, tensor in tensors.items()}, about["seconds"]


CELLS: list[AnyCell] = [
    LayoutCell(TABLE, NAMES[layout], f"{DATA[name]}, {inputs}", measure, name, inputs, layout)
    for name in DATA
    for inputs in INPUTS
    for layout in NAMES
    for measure in MEASURES
]
