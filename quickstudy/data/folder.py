"""Pictures of one's own: a folder with a folder of pictures for each class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from quickstudy.data.pictures import check_size, resized, stacked, tensor
from quickstudy.data.pool import Pool, Splits, build, hash_order
from quickstudy.files import FileProblem

if TYPE_CHECKING:
    from PIL import Image

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
    classes = _classes(Path(path))
    files = [file for members in classes.values() for file in members]
    images = stacked(lambda file: _read(file, size), files, len(files), Path(path).name)
    if grey or (grey is None and bool((images.amax(1) == images.amin(1)).all())):
        images = _ink(images)
    return build(dict(zip(classes, images.split([len(members) for members in classes.values()]), strict=True)))


def _classes(path: Path) -> dict[str, list[Path]]:
    """{class: its files}, both by name."""
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


def _visible(inner: Path, path: Path) -> list[Path]:
    """What ``inner`` holds, by name, without litter. Raises FileProblem for a link out of ``path``."""
    entries = sorted(entry for entry in inner.iterdir() if not entry.name.startswith(".") and entry.name not in LITTER)
    for entry in entries:
        if entry.is_symlink() and not entry.resolve().is_relative_to(path.resolve()):
            raise FileProblem(f"{entry} is a link that leads out of {path}; copy what it leads to, or remove it")
    return entries


def _read(file: Path, size: int) -> Tensor:
    """(3, size, size) uint8."""
    from PIL import Image, ImageOps

    try:
        with Image.open(file) as picture:
            if picture.format == "EPS":  # Pillow would run Ghostscript on it
                raise ValueError("PostScript is a program; save it as PNG")
            colour = _colour(ImageOps.exif_transpose(picture))
            return tensor(resized(_square(colour), size))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise FileProblem(f"{file} is no picture that can be read ({error}); replace or remove it") from error


def _colour(picture: Image.Image) -> Image.Image:
    """The picture as RGB, whatever it was."""
    from PIL import Image

    if picture.mode.startswith(("I", "F")):  # 16 bits or more; Pillow's own conversion cuts them off at 255
        picture = Image.fromarray(_bytes(np.asarray(picture)))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return picture.convert("RGB")


def _bytes(pixels: np.ndarray) -> np.ndarray:
    """(height, width) uint8 of 16-bit integers, or of numbers from 0 to 1."""
    if pixels.dtype.kind == "f":
        return np.rint(np.nan_to_num(pixels).clip(0, 1) * 255).astype(np.uint8)
    return np.rint(pixels.clip(0, 65535) / 257).astype(np.uint8)


def _square(picture: Image.Image) -> Image.Image:
    """In the middle of a square of its border's median colour."""
    from PIL import Image

    side = max(picture.size)
    colour = tuple(int(value) for value in np.median(_border(np.asarray(picture)), axis=0))
    sheet = Image.new("RGB", (side, side), colour)
    sheet.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return sheet


def _border(pixels: np.ndarray) -> np.ndarray:
    """(edge, channels) of (height, width, channels)."""
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])


def _ink(images: Tensor) -> Tensor:
    """(N, 1, size, size) grey with bright ink, of (N, 3, size, size)."""
    weights = torch.tensor([299, 587, 114], dtype=torch.int32)  # ITU-R 601, as Pillow's "L"
    grey = ((images.int() * weights[:, None, None]).sum(1, keepdim=True) + 500) // 1000
    edge = torch.cat([grey[..., 0, :], grey[..., -1, :], grey[..., 0], grey[..., -1]], -1).flatten(1)
    bright = edge.median(1).values > 127
    return torch.where(bright[:, None, None, None], 255 - grey, grey).to(torch.uint8)
