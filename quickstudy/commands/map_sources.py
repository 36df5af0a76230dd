"""What a map is of: a run's embedding of its test classes, a folder of pictures, a file of features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from quickstudy import data as datasets
from quickstudy import experiment
from quickstudy.commands.subjects import subject
from quickstudy.core import Learner
from quickstudy.data import Pool
from quickstudy.data.folder import class_files
from quickstudy.data.pictures import stacked
from quickstudy.data.reading import ink, read
from quickstudy.embedding import embedding as embedding_of
from quickstudy.estimator import shipped
from quickstudy.estimator.choosing import Asked, untaught
from quickstudy.estimator.inputs import loose, tensors
from quickstudy.files import FileProblem
from quickstudy.maps import arrays, features
from quickstudy.maps.quality import sampled
from quickstudy.storage import Run

MANY = 40  # classes beyond which colours mean groups of them, where they have any
SIDE = 64  # pixels of a thumbnail
PIXELS = 28  # side of pictures that are compared pixel by pixel
BATCH = 512


@dataclass(frozen=True)
class Source:
    """Features of n things, and what is known of each."""

    features: np.ndarray  # (n, d)
    title: str
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    labels: np.ndarray | None = None  # (n,) by which neighbours are counted as right
    thumbnails: np.ndarray | None = None
    ids: np.ndarray | None = None


def source(name: str, *, data: str | None, layer: str | None, embedding: str | None, limit: int, seed: int) -> Source:
    """What NAME stands for. Raises FileProblem or ValueError where it is nothing that can be laid out."""
    path = Path(name)
    if limit < 1:
        raise ValueError(f"--limit is at least 1, got {limit}")
    if (path / "config.json").is_file() or (name in shipped.names() and not path.exists()):
        refuse(embedding, "--embedding", "a run, and shipped weights, have their own embedding")
        learner, told, pool = _trained(path, data) if path.exists() else _shipped(name, data)
        return _of_pool(embedding_of(learner), pool, told, layer, limit, seed)
    if not path.exists():
        raise FileProblem(
            f"{name} does not exist; name a run folder, shipped weights ({', '.join(shipped.names())}), a folder of "
            "pictures, or a file features.npz"
        )
    refuse(data, "--data", "what is drawn is what is named")
    if path.is_dir():
        return _of_folder(path, layer, embedding, limit, seed)
    if path.suffix == ".npz":
        refuse(embedding or layer, "--embedding and --layer", "a file of features has been through its network")
        return _of_file(path, limit, seed)
    raise FileProblem(f"{name} is neither a run folder, nor a folder of pictures, nor an .npz file of features")


def _trained(path: Path, name: str | None) -> tuple[Learner, str, Pool]:
    """A run's learner, in words what it is shown, and the test classes of its own data, or of others in its size."""
    run, found = Run.open(path), subject(str(path))
    splits = found.asked.splits()
    shown = splits if name is None else datasets.load(name, size=splits.train.shape[-1])
    return experiment.trained(run, splits), f"{name or found.asked.data} by {found.name}", shown.test


def _shipped(name: str, data: str | None) -> tuple[Learner, str, Pool]:
    """Likewise of shipped weights, whose data have their name."""
    taught = shipped.load(name)
    pool = datasets.load(data or name, size=taught.recipe.looks.shape[-1]).test
    return taught.learner, f"{data or name} by the shipped weights {name}", pool


def _of_pool(net: nn.Module, pool: Pool, told: str, layer: str | None, limit: int, seed: int) -> Source:
    """Pictures of a pool through a net, or up to one of its layers."""
    rows = sampled(len(pool.images), limit, seed)
    images = pool.images.cpu()[torch.from_numpy(rows)]
    numbers = pool.labels.numpy()[rows]
    names, place = np.array(pool.names)[numbers], rows - pool.starts.numpy()[numbers]
    ids = np.array([f"{name} {i + 1}" for name, i in zip(names, place, strict=True)])
    return Source(features(net, layer or "", images), told, _by_class(names), names, _shown(images), ids)


def _of_folder(path: Path, layer: str | None, named: str | None, limit: int, seed: int) -> Source:
    """Pictures in class folders, or in no folders, through an embedding, or as pixels."""
    files, names = _files(path)
    rows = sampled(len(files), limit, seed)
    files, names = [files[i] for i in rows], None if names is None else names[rows]
    images = stacked(lambda file: read(file, SIDE), files, len(files), path.name)  # (n, 3, side, side)
    drawings = bool((images.amax(1) == images.amin(1)).all())
    images = ink(images) if drawings else images
    chosen = named or (shipped.USUAL if drawings else "pixels")
    if chosen == "pixels":
        refuse(layer, "--layer", "pixels have been through no network")
    found = _pixels(images) if chosen == "pixels" else _embedded(files, chosen, layer)
    columns = {} if names is None else _by_class(names)
    ids = np.array([str(file.relative_to(path)) for file in files])
    return Source(found, f"{path.resolve().name} by {chosen}", columns, names, _shown(images), ids)


def _files(path: Path) -> tuple[list[Path], np.ndarray | None]:
    """The files, and the class of each where they lie in class folders."""
    if files := loose(path):
        return files, None
    classes = class_files(path)
    names = [name for name, members in classes.items() for _ in members]
    return [file for members in classes.values() for file in members], np.array(names)


def _pixels(images: Tensor) -> np.ndarray:
    small = nn.functional.interpolate(images.float() / 255, size=(PIXELS, PIXELS), mode="area")
    return small.flatten(1).numpy()


def _embedded(files: list[Path], name: str, layer: str | None) -> np.ndarray:
    """Features by shipped weights, by a run, or by a network of a library."""
    known = name in shipped.names() or (Path(name) / "config.json").is_file()
    taught = untaught(Asked(name) if known else Asked(embedding=name), files)
    parts = [features(taught.embed, layer or "", tensors(part, taught.recipe.looks)) for part in _batches(files)]
    return np.concatenate(parts)


def _batches(files: list[Path]) -> Iterator[list[Path]]:
    from tqdm import tqdm

    with tqdm(total=len(files), desc="features", unit=" pictures", disable=None) as bar:
        for start in range(0, len(files), BATCH):
            yield files[start : start + BATCH]
            bar.update(min(BATCH, len(files) - start))


def _of_file(path: Path, limit: int, seed: int) -> Source:
    """``x`` (n, d), and where there are any ``y``, ``thumbnails``, ``ids`` and columns, each of n."""
    parts = arrays.read(path)
    if "x" not in parts or parts["x"].ndim != 2 or parts["x"].dtype.kind not in "fiu":
        found = ", ".join(f"{name} {part.shape}" for name, part in parts.items()) or "nothing"
        raise FileProblem(f"{path} needs an array x of numbers (n, d), the features; it holds {found}")
    if wrong := [name for name, part in parts.items() if not part.shape or len(part) != len(parts["x"])]:
        raise FileProblem(f"{path} has {len(parts['x'])} rows of x, but {wrong[0]} is {parts[wrong[0]].shape}")
    rows = sampled(len(parts["x"]), limit, seed)
    kept: dict[str, Any] = {name: part[rows] for name, part in parts.items()}
    x, thumbnails, ids = kept.pop("x"), kept.pop("thumbnails", None), kept.pop("ids", None)
    y = kept.pop("y", None)
    whole = y is not None and y.dtype.kind == "f"  # numbers to colour by, and no classes
    columns = {} if y is None else ({"y": y} if whole else _by_class(y.astype(str)))
    columns |= {name: part for name, part in kept.items() if part.ndim == 1}
    return Source(x, path.stem, columns, None if y is None or whole else y.astype(str), thumbnails, ids)


def _by_class(names: np.ndarray) -> dict[str, np.ndarray]:
    """The classes as a column; first their groups, the part before a slash, where there are too many for colours."""
    if len(np.unique(names)) > MANY and all("/" in name for name in names):
        return {"group": np.array([name.split("/")[0] for name in names]), "class": names}
    return {"class": names}


def _shown(images: Tensor) -> np.ndarray:
    """(n, h, w) of drawings, (n, h, w, 3) of photographs."""
    return images[:, 0].numpy() if images.shape[1] == 1 else images.permute(0, 2, 3, 1).contiguous().numpy()


def refuse(given: Any, option: str, why: str) -> None:
    """Raises ValueError where an option was given that would change nothing."""
    if given is not None:
        raise ValueError(f"{why}; leave out {option}")
