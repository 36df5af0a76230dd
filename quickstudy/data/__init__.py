"""Labelled pools of pictures, decoded once and split by class."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from quickstudy.data.cifar import cifar10
from quickstudy.data.folder import folder, folder_pool
from quickstudy.data.glyphs import glyphs
from quickstudy.data.mini_imagenet import mini_imagenet
from quickstudy.data.mnist import fashion_mnist, mnist
from quickstudy.data.omniglot import omniglot
from quickstudy.data.pool import Pool, Splits

__all__ = [
    "DATASETS",
    "Pool",
    "Splits",
    "cifar10",
    "fashion_mnist",
    "folder",
    "folder_pool",
    "glyphs",
    "load",
    "mini_imagenet",
    "mnist",
    "omniglot",
]

DATASETS: dict[str, tuple[Callable[[int], Splits], int]] = {  # name: (data set, its usual size)
    "omniglot": (omniglot, 28),
    "mini_imagenet": (mini_imagenet, 84),
    "mnist": (mnist, 28),
    "fashion_mnist": (fashion_mnist, 28),
    "cifar10": (cifar10, 32),
    "glyphs": (glyphs, 28),
}


def load(name: str, *, size: int | None = None, split: str | None = None) -> Splits:
    """A data set by its name, or ``folder:PATH``, in its usual size and split where none is given.

    Raises ValueError for a name or split that does not exist, FileProblem for missing or damaged files.
    """
    kind, _, path = name.partition(":")
    if split is not None and name != "omniglot":
        raise ValueError(f"{name} has one split only, got split={split!r}; leave it out (Omniglot alone has several)")
    if kind == "folder" and path:
        return folder(path, 28 if size is None else size)
    if name not in DATASETS:
        close = difflib.get_close_matches(name, DATASETS, 1)
        meant = f"; did you mean {close[0]}?" if close else ""
        raise ValueError(f"no data set {name!r}; there are {', '.join(DATASETS)} and folder:PATH{meant}")
    dataset, usual = DATASETS[name]
    size = usual if size is None else size
    return dataset(size) if split is None else omniglot(size, split)
