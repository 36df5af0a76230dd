"""miniImageNet (Vinyals et al. 2016): 100 classes of 600 colour pictures, split as by Ravi and Larochelle (2017)."""

from __future__ import annotations

import csv
import gzip
import zlib
from pathlib import Path

import torch

from quickstudy.data.archives import tar_members
from quickstudy.data.cache import cached, identity
from quickstudy.data.originals import Remote, data_root, fetch
from quickstudy.data.pictures import check_size, decode, resized, stacked, tensor
from quickstudy.data.pool import Pool, Splits
from quickstudy.files import FileProblem

SOURCE = "https://raw.githubusercontent.com/twitter/meta-learning-lstm/master/data/miniImagenet"
CLASSES = {"train": 64, "val": 16, "test": 20}
EACH = 600  # pictures of a class
VERSION = 1  # of the decoding: raised when it gives other pixels
WHENCE = (
    "miniImageNet has no official download. images_PART.tar.xz holds the pictures images/NAME.jpg, cut out of "
    f"ImageNet (https://image-net.org, on request); PART.csv.gz are the lists of {SOURCE}, packed by gzip."
)


def mini_imagenet(size: int = 84, *, root: Path | None = None) -> Splits:
    """miniImageNet as (38400, 9600 and 12000, 3, size, size): 64 / 16 / 20 classes, 600 pictures each.

    Raises FileProblem for missing or damaged files; they cannot be downloaded.
    """
    check_size(size)
    folder = (root or data_root()) / "miniimagenet"
    names = [name for part in CLASSES for name in (f"images_{part}.tar.xz", f"{part}.csv.gz")]
    try:
        fetch([Remote(name) for name in names], folder)
    except FileProblem as problem:
        raise FileProblem(f"{problem}\n{WHENCE}") from None
    train, valid, test = (_part(folder, part, size) for part in CLASSES)
    return Splits(train, valid, test, "ravi-larochelle")


def _part(folder: Path, part: str, size: int) -> Pool:
    archive, table = folder / f"images_{part}.tar.xz", folder / f"{part}.csv.gz"
    origin = f"{VERSION} {identity([archive, table])}"
    name = f"mini_imagenet-{size}-{part}"
    return cached(name, origin, lambda: _decode(archive, _classes(table, CLASSES[part]), size))


def _classes(table: Path, expected: int) -> dict[str, list[str]]:
    """{class: its file names}, both in the order of the list."""
    classes: dict[str, list[str]] = {}
    try:
        with gzip.open(table, "rt", encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                classes.setdefault(row["label"], []).append(row["filename"])
    except (OSError, EOFError, zlib.error, ValueError, KeyError, csv.Error) as error:
        raise FileProblem(f"{table} is no list of filename,label packed by gzip ({error!r}); {WHENCE}") from error
    sizes = sorted({len(names) for names in classes.values()})
    if len(classes) != expected or sizes != [EACH]:
        raise FileProblem(f"{table} lists {len(classes)} classes of {sizes} pictures, expected {expected} of {EACH}")
    return classes


def _decode(archive: Path, classes: dict[str, list[str]], size: int) -> Pool:
    data = {Path(name).name: picture for name, picture in tar_members(archive, ".jpg")}
    wanted = [name for names in classes.values() for name in names]
    if set(data) != set(wanted):
        missing, other = sorted(set(wanted) - set(data)), sorted(set(data) - set(wanted))
        raise FileProblem(
            f"{archive} lacks {len(missing)} listed pictures {missing[:2]} and holds {len(other)} others {other[:2]}; "
            "get the archive and the list of the same part again"
        )

    def read(name: str) -> torch.Tensor:
        return tensor(resized(decode(data[name], "RGB", f"{name} in {archive}"), size))

    starts = EACH * torch.arange(len(classes) + 1)
    return Pool(stacked(read, wanted, len(wanted), archive.name), starts, tuple(classes))
