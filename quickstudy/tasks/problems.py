"""The loss functions that optimizers are learned on and examined with, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from quickstudy import data
from quickstudy.data.pool import Pool
from quickstudy.nets.convolutional import convolutional
from quickstudy.tasks.losses import Losses
from quickstudy.tasks.networks import MINIBATCH, OfPool, networks, perceptron
from quickstudy.tasks.quadratics import quadratics

Maker = Callable[[str, int], Losses]  # of the part and the seed
PARTS = ("train", "test")
COLOURS = 32  # side of the colour pictures


def problem(name: str, *, part: str = "train", seed: int = 0) -> Losses:
    """The problems of this name. Their pictures are those of a ``part`` of the data: what is learned or tuned on
    "train" is examined on "test". Problems of two seeds have nothing else in common.

    Raises ValueError for a name or a part that does not exist, FileProblem for missing data.
    """
    if part not in PARTS:
        raise ValueError(f"problems are made of the pictures of {' or '.join(PARTS)}, got {part!r}")
    if name not in PROBLEMS:
        raise ValueError(f"no problem is called {name!r}; there are {', '.join(PROBLEMS)}")
    return PROBLEMS[name](part, seed)


def _quadratics(drawing: str) -> Maker:
    return lambda part, seed: quadratics(drawing=drawing, seed=seed + (part == "test") * 2**30)


def _perceptron(
    pictures: str, widths: Sequence[int] = (20,), activation: str = "sigmoid", size: int | None = None
) -> Maker:
    def made(part: str, seed: int) -> Losses:
        return perceptron(_pool(pictures, part, size), widths=widths, activation=activation, seed=seed, name=pictures)

    return made


def _convolutional(pictures: str, classes: Sequence[int]) -> Maker:
    def made(part: str, seed: int) -> Losses:
        pool = _pool(pictures, part, COLOURS)
        chosen = pool.select(classes)
        net = convolutional(chosen.shape, len(chosen))
        return networks(net, OfPool(chosen, MINIBATCH, seed=seed), seed=seed, name=pictures)

    return made


def _pool(pictures: str, part: str, size: int | None) -> Pool:
    splits = data.load(pictures, size=size)
    return splits.train if part == "train" else splits.test


PROBLEMS: dict[str, Maker] = {
    "quadratics": _quadratics("gaussian"),
    "quadratics-uniform": _quadratics("uniform"),
    "mnist": _perceptron("mnist"),
    "mnist-14": _perceptron("mnist", size=14),
    "mnist-40-units": _perceptron("mnist", (40,)),
    "mnist-2-layers": _perceptron("mnist", (20, 20)),
    "mnist-relu": _perceptron("mnist", activation="relu"),
    "fashion-mnist": _perceptron("fashion_mnist"),
    "mini-imagenet-10": _convolutional("mini_imagenet", range(10)),
    "mini-imagenet-5": _convolutional("mini_imagenet", range(5)),
    "mini-imagenet-2": _convolutional("mini_imagenet", range(2)),
    "cifar10": _convolutional("cifar10", range(10)),
    "cifar10-5": _convolutional("cifar10", range(5)),
    "cifar10-2": _convolutional("cifar10", range(2)),
}
