"""Pictures as uint8 tensors: decoding and resizing, the same for all data sets."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from quickstudy.files import FileProblem

if TYPE_CHECKING:
    from PIL import Image

A = TypeVar("A")


def decode(data: bytes, mode: str, where: str) -> Image.Image:
    """The picture in Pillow's ``mode`` ("L" or "RGB"). Raises FileProblem that names ``where`` for a damaged one."""
    try:
        return opened(io.BytesIO(data)).convert(mode)
    except ValueError as error:
        raise FileProblem(f"{where} is no picture that can be read ({error}); get the file again") from error


def opened(source: Path | BinaryIO) -> Image.Image:
    """A picture with its pixels. Raises ValueError where there is none, of everything that Pillow's decoders raise on
    damaged files; what is done with the pixels afterwards raises its own."""
    from PIL import Image

    try:
        with Image.open(source) as picture:
            if picture.format == "EPS":  # Pillow would run Ghostscript on it
                raise ValueError("PostScript is a program; save it as PNG")
            picture.load()
            picture.getexif()  # how it is turned: kept with the picture, read from the file
            return picture
    except Exception as error:
        raise ValueError(str(error)) from error


def resized(picture: Image.Image, size: int) -> Image.Image:
    """Square, by Lanczos' antialiased filter, as most work on these data sets does; unchanged where it fits."""
    from PIL import Image

    return picture if picture.size == (size, size) else picture.resize((size, size), Image.Resampling.LANCZOS)


def tensor(picture: Image.Image) -> Tensor:
    """(channels, height, width) uint8."""
    pixels = np.array(picture)
    return torch.from_numpy(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1).copy())


def stacked(read: Callable[[A], Tensor], items: Iterable[A], total: int, name: str) -> Tensor:
    """``read`` of all items, in their order, with threads (Pillow decodes without the interpreter's lock) and a bar."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        bar = tqdm(threads.map(read, items), name, total, unit=" pictures", disable=None)
        return torch.stack(list(bar))


def check_size(size: int) -> None:
    """Raises ValueError for a size that no picture can have."""
    if size < 1:
        raise ValueError(f"size is the side of a picture in pixels, got {size}; the usual ones are 28, 84 and 105")
