"""Pictures of one's own: a folder with a folder of pictures for each class."""

from __future__ import annotations

from pathlib import Path

from quickstudy.data.pictures import check_size, stacked
from quickstudy.data.pool import Pool, Splits, build, hash_order
from quickstudy.data.reading import ink, read
from quickstudy.files import FileProblem

SEED = 1
LITTER = ("Thumbs.db", "desktop.ini", "__MACOSX")  # what file managers leave behind, beside hidden files


def folder(path: Path | str, size: int = 28, *, grey: bool | None = None) -> Splits:
    """``folder_pool`` split by class into 60 / 20 / 20 per cent, at least one class each.

    Raises FileProblem for fewer than three classes and for whatever cannot be read.
    """
    pool = folder_pool(path, size, grey)
    if len(pool) < 3:
        raise FileProblem(
            f"{path} has {len(pool)} class folders, expected at least 3, as training, validation and test classes "
            "differ; add classes, or use folder_pool for one pool of all of them"
        )
    order = [pool.names.index(name) for name in hash_order(pool.names, SEED)]
    held = max(1, round(0.2 * len(order)))
    train, valid, test = order[: -2 * held], order[-2 * held : -held], order[-held:]
    return Splits(pool.select(train), pool.select(valid), pool.select(test), "folder")


def folder_pool(path: Path | str, size: int = 28, grey: bool | None = None) -> Pool:
    """(N, 1 or 3, size, size): each folder in ``path`` is a class, its pictures in the order of their names.

    Pictures keep their proportions: they are padded to a square with the median colour of their border, then resized.
    ``grey=None`` makes one channel where all pictures are colourless. A grey picture with a bright border is dark ink
    on light paper and is inverted, for a pool's ink is bright. Transparency becomes white paper; turned photographs
    are set upright; of animations the first picture is taken. Hidden files and folders inside a class are passed over.
    Raises FileProblem, naming it, for a file that is no picture or damaged, and for a class without pictures.
    """
    check_size(size)
    classes = class_files(Path(path))
    files = [file for members in classes.values() for file in members]
    images = stacked(lambda file: read(file, size), files, len(files), Path(path).name)
    if grey or (grey is None and bool((images.amax(1) == images.amin(1)).all())):
        images = ink(images)
    return build(dict(zip(classes, images.split([len(members) for members in classes.values()]), strict=True)))


def class_files(path: Path) -> dict[str, list[Path]]:
    """{class: its files}, both by name. Raises FileProblem for a folder without classes or a class without files."""
    if not path.is_dir():
        raise FileProblem(f"{path} is no folder; expected a folder with a folder of pictures for each class")
    classes = {
        inner.name: [file for file in _visible(inner, path) if file.is_file()]
        for inner in _visible(path, path)
        if inner.is_dir()
    }
    if not classes:
        raise FileProblem(f"{path} holds no folders; expected a folder of pictures for each class")
    for name, members in classes.items():
        if not members:
            raise FileProblem(f"{path / name} holds no pictures (folders in it are not searched); fill or remove it")
    return classes


def litter(entry: Path) -> bool:
    """Whether file managers left it behind, or it is hidden."""
    return entry.name.startswith(".") or entry.name in LITTER


def _visible(inner: Path, path: Path) -> list[Path]:
    """What ``inner`` holds, by name, without litter. Raises FileProblem for a link out of ``path``."""
    entries = sorted(entry for entry in inner.iterdir() if not litter(entry))
    for entry in entries:
        if entry.is_symlink() and not entry.resolve().is_relative_to(path.resolve()):
            raise FileProblem(f"{entry} is a link that leads out of {path}; copy what it leads to, or remove it")
    return entries
