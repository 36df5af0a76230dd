"""Drawings by a pen that trembles: each line is turned, bent and inked anew (after Simard et al. 2003)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from quickstudy.data.strokes import SIDE

SEED = 1
COARSE, FINE = 3, 5  # points on a side of the two grids that bend the paper
OWN = 7  # numbers of a drawing for scale, place (2), turn, slant, proportion and pen
NUMBERS = OWN + 2 * COARSE**2 + 2 * FINE**2


def chances(letter: str, drawings: int) -> Tensor:
    """(drawings, NUMBERS) in [-1, 1) that depend on the letter alone: on no order and on no other letter."""
    return torch.from_numpy(np.random.default_rng([SEED, ord(letter)]).random((drawings, NUMBERS)) * 2 - 1).float()


def drawn(fields: Tensor, chance: Tensor, size: int) -> Tensor:
    """(n, 1, size, size) uint8 drawings of lines that are given by their distances (n, SIDE, SIDE)."""
    own, coarse, fine = chance.split([OWN, 2 * COARSE**2, 2 * FINE**2], dim=1)
    scale = 0.85 + 0.15 * own[:, 0]
    where = F.affine_grid(_placed(own, scale), [len(own), 1, size, size], align_corners=False)
    where = where + _bent(coarse, COARSE, 0.16, size) + _bent(fine, FINE, 0.045, size)
    far = F.grid_sample(fields[:, None], where, padding_mode="border", align_corners=False)
    pen = size * (0.052 + 0.010 * own[:, 6])
    far = far * (scale * size / SIDE)[:, None, None, None]  # in pixels of the drawing
    return (255 * (0.5 + pen[:, None, None, None] / 2 - far).clamp(0, 1)).round().to(torch.uint8)


def _placed(own: Tensor, scale: Tensor) -> Tensor:
    """(n, 2, 3) where a point of the drawing lies on the line's own sheet."""
    turn, slant, tall = 0.17 * own[:, 3], 0.25 * own[:, 4], 1 + 0.15 * own[:, 5]
    cos, sin = turn.cos() / scale, turn.sin() / scale
    rows = [cos * tall + slant * sin, slant * cos - sin * tall, sin / tall, cos / tall]
    linear = torch.stack(rows, 1).reshape(-1, 2, 2)
    centre = own[:, 1:3] * (1 - 0.85 * scale)[:, None]
    return torch.cat([linear, -linear @ centre[:, :, None]], 2)


def _bent(chance: Tensor, points: int, strength: float, size: int) -> Tensor:
    """(n, size, size, 2) smooth shifts."""
    grid = strength * chance.reshape(-1, 2, points, points)
    return F.interpolate(grid, (size, size), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
