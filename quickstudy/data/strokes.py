"""From printed letters to the paths of a pen: drawn large, thinned to lines, and kept as distances to the line."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from PIL import ImageFont

FIT, SIDE = 64, 80  # pixels: the longer side of a letter, and of the square around it
POINTS = 128  # size at which a face draws, before it is reduced to FIT
NEAR = 0.065  # of FIT: lines this close are the same to the eye
AROUND = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))  # clockwise from the north

Mask = NDArray[np.uint8]


@lru_cache
def _face(path: Path) -> ImageFont.FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.truetype(str(path), POINTS, layout_engine=ImageFont.Layout.BASIC)


def printed(letter: str, font: Path) -> Mask | None:
    """(SIDE, SIDE) 0 or 1, the letter in the middle and FIT long; None where the face has only a blank."""
    from PIL import Image

    ink = _face(font).getmask(letter, mode="L")
    picture = Image.frombytes("L", ink.size, bytes(ink))
    box = picture.getbbox()
    if box is None:
        return None
    picture = picture.crop(box)
    scale = FIT / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    small = picture.resize((width, height), Image.Resampling.BOX)
    sheet = Image.new("L", (SIDE, SIDE))
    sheet.paste(small, ((SIDE - width) // 2, (SIDE - height) // 2))
    return (np.array(sheet) > 100).astype(np.uint8)


def thinned(masks: Mask) -> Mask:
    """(n, SIDE, SIDE) lines one pixel wide in the middle of the strokes (Zhang and Suen 1984)."""
    inked = np.pad(masks, ((0, 0), (1, 1), (1, 1)))
    inner = inked[:, 1:-1, 1:-1]
    left, before = int(inner.sum()), -1
    while left != before:
        for keep in _KEEP:
            inner &= np.take(keep, _neighbours(inked))
        left, before = int(inner.sum()), left
    return inner.copy()


def distances(lines: Mask) -> Tensor:
    """(n, SIDE, SIDE) float32 pixels from the nearest point of the line."""
    from scipy.ndimage import distance_transform_edt  # half a second, and seldom needed

    return torch.from_numpy(np.stack([distance_transform_edt(1 - line) for line in lines]).astype(np.float32))


def differences(fields: Tensor) -> Tensor:
    """(n, n) the part of either line, from 0 to 1, that is not near the other, from distances (n, SIDE, SIDE)."""
    line = (F.max_pool2d(-fields[:, None], 2) == 0).flatten(1).float()
    far = (F.avg_pool2d(fields[:, None], 2) > NEAR * FIT).flatten(1).float()
    apart = line @ far.T / line.sum(1, keepdim=True)
    return torch.maximum(apart, apart.T)


def _neighbours(inked: Mask) -> Mask:
    """(n, SIDE, SIDE) a bit for each of the eight pixels around."""
    height, width = inked.shape[1] - 1, inked.shape[2] - 1
    bits = np.zeros_like(inked[:, 1:-1, 1:-1])
    for bit, (down, right) in enumerate(AROUND):
        bits |= inked[:, 1 + down : height + down, 1 + right : width + right] << bit
    return bits


def _keep() -> tuple[Mask, Mask]:
    """For each of the 256 surroundings, whether the pixel stays in Zhang and Suen's two passes."""
    around = (np.arange(256)[None] >> np.arange(8)[:, None]) & 1
    count, steps = around.sum(0), ((around == 0) & (np.roll(around, -1, 0) == 1)).sum(0)
    edge = (count >= 2) & (count <= 6) & (steps == 1)
    north, east, south, west = around[0], around[2], around[4], around[6]
    first = edge & (north * east * south == 0) & (east * south * west == 0)
    second = edge & (north * east * west == 0) & (north * south * west == 0)
    return (~first).astype(np.uint8), (~second).astype(np.uint8)


_KEEP = _keep()
