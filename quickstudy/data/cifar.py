"""CIFAR-10 (Krizhevsky, 2009) from its binary version: the Python version is a pickle, which can run code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from quickstudy.data.archives import tar_members
from quickstudy.data.cache import cached, identity
from quickstudy.data.originals import Remote, data_root, fetch
from quickstudy.data.pictures import check_size, resized, tensor
from quickstudy.data.pool import Pool, Splits, build
from quickstudy.files import FileProblem

THINGS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ARCHIVE = Remote(
    "cifar-10-binary.tar.gz",
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    ("md5:c32a1d4ab5d03f1284b67883e8d87530",),
)
SIDE, EACH = 32, 10_000  # of a picture, and pictures of a file
VALID = 5000  # the last pictures of the training set
VERSION = 1  # of the decoding: raised when it gives other pixels


def cifar10(size: int = SIDE, *, root: Path | None = None) -> Splits:
    """Ten kinds of things as (45000, 5000 and 10000, 3, size, size): the same classes, other pictures in each part.

    Raises FileProblem for missing or damaged files.
    """
    check_size(size)
    (path,) = fetch([ARCHIVE], (root or data_root()) / "cifar10")
    origin = f"{VERSION} {identity([path])}"

    def part(title: str, rows: slice) -> Pool:
        return cached(f"cifar10-{size}-{title}", origin, lambda: _decode(path, title == "test", rows, size))

    train, valid = part("train", slice(None, -VALID)), part("valid", slice(-VALID, None))
    return Splits(train, valid, part("test", slice(None)), "pictures")


def _decode(path: Path, test: bool, rows: slice, size: int) -> Pool:
    """The pictures of these rows by class, in the original order inside a class."""
    records = _records(path, ["test_batch.bin"] if test else [f"data_batch_{i}.bin" for i in range(1, 6)])[rows]
    labels, images = records[:, 0], torch.from_numpy(records[:, 1:].reshape(-1, 3, SIDE, SIDE).copy())
    if size != SIDE:
        pictures = images.permute(0, 2, 3, 1).numpy()
        images = torch.stack([tensor(resized(Image.fromarray(picture), size)) for picture in pictures])
    return build({title: images[torch.from_numpy(labels == number)] for number, title in enumerate(THINGS)})


def _records(path: Path, names: list[str]) -> np.ndarray:
    """(n, 3073) bytes: a label, then the red, the green and the blue plane of a picture."""
    found = {Path(name).name: data for name, data in tar_members(path, ".bin")}
    parts = [np.frombuffer(found.get(name, b""), np.uint8) for name in names]
    length = 1 + 3 * SIDE * SIDE
    for name, part in zip(names, parts, strict=True):
        if len(part) != EACH * length or int(part[::length].max()) >= len(THINGS):
            raise FileProblem(
                f"{path} holds {len(part):,} bytes of {name}, expected {EACH:,} pictures of {length} bytes, a label "
                "below 10 and pixels each: get the archive again, in its binary version"
            )
    return np.concatenate(parts).reshape(-1, length)
