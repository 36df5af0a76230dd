"""Thumbnails in few large pictures: compressed together, and a texture each."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

SIDE = 2048  # pixels of a sheet at most: every graphics card takes it
BLOCK = 4  # cells are whole blocks, so that two halvings of a sheet mix no neighbours
DRAWINGS, PHOTOGRAPHS = 45_000_000, 16_000_000  # pixels of all thumbnails at most; beyond, they are made smaller
LARGEST = 96  # pixels of a thumbnail's longer side, at most
SMALLEST = 12


@dataclass(frozen=True)
class Sheets:
    """Where the i-th thumbnail is: cell ``i % each`` of sheet ``i // each``, in rows of ``across``."""

    files: tuple[bytes, ...]  # WebP
    size: tuple[int, int]  # height, width of a thumbnail
    cell: tuple[int, int]  # height, width of its cell
    across: int
    each: int
    colour: bool


def sheets(thumbnails: np.ndarray, *, most: int | None = None) -> Sheets:
    """The sheets of (n, h, w) drawings, without loss, or of (n, h, w, 3) photographs; ``most``: pixels in all."""
    colour = thumbnails.ndim == 4
    height, width = _fitting(thumbnails.shape[:3], most or (PHOTOGRAPHS if colour else DRAWINGS))
    cell = (-(-height // BLOCK) * BLOCK, -(-width // BLOCK) * BLOCK)
    across = min(SIDE // cell[1], math.ceil(math.sqrt(len(thumbnails) * cell[0] / cell[1])))
    each = across * min(SIDE // cell[0], math.ceil(len(thumbnails) / across))
    files = []
    for start in range(0, len(thumbnails), each):
        part = np.stack([_resized(one, height, width) for one in thumbnails[start : start + each]])
        files.append(_compressed(_tiled(part, cell, across), colour))
    return Sheets(tuple(files), (height, width), cell, across, each, colour)


def _fitting(shape: tuple[int, ...], most: int) -> tuple[int, int]:
    """Height and width of a thumbnail, so that all of them have at most so many pixels."""
    count, height, width = shape
    factor = min(1.0, LARGEST / max(height, width), math.sqrt(most / (count * height * width)))
    factor = max(factor, min(1.0, SMALLEST / max(height, width)))
    return max(1, round(height * factor)), max(1, round(width * factor))


def _resized(one: np.ndarray, height: int, width: int) -> np.ndarray:
    if one.shape[:2] == (height, width):
        return one
    return np.asarray(Image.fromarray(one).resize((width, height), Image.Resampling.LANCZOS))


def _tiled(part: np.ndarray, cell: tuple[int, int], across: int) -> np.ndarray:
    """(rows * cell, across * cell) of (k, h, w) or with channels; the edges are drawn out to the ends of the cells."""
    rows = -(-len(part) // across)
    margins = [(0, 0), (0, cell[0] - part.shape[1]), (0, cell[1] - part.shape[2]), (0, 0)][: part.ndim]
    padded = np.pad(part, margins, mode="edge")
    whole = np.zeros((rows * across, *padded.shape[1:]), dtype=np.uint8)
    whole[: len(part)] = padded
    grid = whole.reshape(rows, across, *padded.shape[1:]).swapaxes(1, 2)
    return np.ascontiguousarray(grid.reshape(rows * cell[0], across * cell[1], *part.shape[3:]))


def _compressed(sheet: np.ndarray, colour: bool) -> bytes:
    file = io.BytesIO()
    if colour:
        Image.fromarray(sheet).save(file, "WEBP", quality=72, method=4)
    else:
        Image.fromarray(sheet).save(file, "WEBP", lossless=True, quality=60, method=4)
    return file.getvalue()
