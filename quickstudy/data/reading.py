"""One picture of any kind, from a file or from memory, as the pools have theirs: square, and with bright ink.

Pictures keep their proportions: they are padded to a square with the median colour of their border, then resized.
Transparency becomes white paper; turned photographs are set upright; of animations the first picture is taken.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from quickstudy.data.pictures import opened, resized, tensor
from quickstudy.files import FileProblem

if TYPE_CHECKING:
    from PIL import Image

LONGEST = 8192  # pixels of a side


def read(file: Path, size: int) -> Tensor:
    """(3, size, size) uint8. Raises FileProblem, naming it, for a file that is no picture or damaged."""
    try:
        return prepared(opened(file), size)
    except ValueError as error:
        raise FileProblem(f"{file} is no picture that can be read ({error}); replace or remove it") from error


def prepared(picture: Image.Image, size: int) -> Tensor:
    """(3, size, size) uint8 of a picture in memory."""
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(picture)
    if max(upright.size) > LONGEST:  # a square around a strip would take far more memory than the strip
        width, height = (max(1, side * LONGEST // max(upright.size)) for side in upright.size)
        upright = upright.resize((width, height))
    return tensor(resized(_square(_colour(upright)), size))


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
    """(height, width) uint8 of 16-bit integers, or of numbers from 0 to 1; of what goes up to 255, as it is."""
    numbers = np.nan_to_num(pixels.astype(np.float64))
    most = float(numbers.max(initial=0.0))
    if numbers.min(initial=0.0) < 0 or most > 65535:
        raise ValueError(f"pixels from {numbers.min():g} to {most:g}; scale them to 0 ... 255")
    if pixels.dtype.kind == "f" and most <= 1:
        unit = 1.0
    else:
        unit = 255.0 if most <= 255 and pixels.dtype != np.uint16 else 65535.0
    return np.rint(numbers / unit * 255).astype(np.uint8)


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


def ink(images: Tensor) -> Tensor:
    """(N, 1, size, size) grey with bright ink, of (N, 3, size, size): one with a bright border is inverted."""
    weights = torch.tensor([299, 587, 114], dtype=torch.int32)  # ITU-R 601, as Pillow's "L"
    grey = ((images.int() * weights[:, None, None]).sum(1, keepdim=True) + 500) // 1000
    edge = torch.cat([grey[..., 0, :], grey[..., -1, :], grey[..., 0], grey[..., -1]], -1).flatten(1)
    bright = edge.median(1).values > 127
    return torch.where(bright[:, None, None, None], 255 - grey, grey).to(torch.uint8)
