"""Characters of real scripts, drawn as if by hand from fonts that are always there: needs no download."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from quickstudy.data.cache import cached
from quickstudy.data.handwriting import chances, drawn
from quickstudy.data.pictures import check_size
from quickstudy.data.pool import Pool, Splits, build
from quickstudy.data.scripts import TEST, TRAIN, VALID, Script, faces_of
from quickstudy.data.strokes import Mask, differences, distances, printed, thinned

DRAWINGS = 20  # of each character, as in Omniglot
SHORTEST = 32  # pixels of a line: a letter that is only a dot has nothing to draw
ALIKE = 0.1  # letters that differ less in any of their faces are one class
TOGETHER = 64  # characters at a time: bounds the memory
VERSION = 2  # of the drawing: raised when it gives other pixels


def glyphs(size: int = 28) -> Splits:
    """Hundreds of characters as (N, 1, size, size), ink bright; 20 drawings a class; the parts are different scripts.

    Thin strokes along the middle of printed letters, each drawing turned, bent and inked anew, like Omniglot's
    (Lake et al. 2015). Letters that look alike, such as A of Latin, Greek and Cyrillic, are one class.
    Raises FileProblem where Matplotlib came without its fonts.
    """
    check_size(size)
    origin = f"{VERSION} matplotlib {version('matplotlib')} pillow {version('pillow')}"
    pool = cached(f"glyphs-{size}", origin, lambda: _draw(size))
    train, valid, test = (_part(pool, scripts) for scripts in (TRAIN, VALID, TEST))
    return Splits(train, valid, test, "scripts")


def _part(pool: Pool, scripts: Sequence[Script]) -> Pool:
    names = {script.name for script in scripts}
    return pool.select([row for row, name in enumerate(pool.names) if name.partition("/")[0] in names])


def _draw(size: int) -> Pool:
    """All scripts in one pool, so that no two classes of any two parts look alike."""
    lines = _lines()
    groups: dict[str, Tensor] = {}
    for some in tqdm(_chunks(list(lines)), "glyphs", unit_scale=TOGETHER, unit=" characters", disable=None):
        chance = torch.cat([chances(_letter(name), DRAWINGS) for name in some])
        fields = torch.cat([_in_turn(lines[name]) for name in some])
        groups |= zip(some, drawn(fields, chance, size).split(DRAWINGS), strict=True)
    return build(groups)


def _lines() -> dict[str, Tensor]:
    """{"Greek/U+03B1": (faces, SIDE, SIDE) distances to its line} of letters that differ clearly from those before."""
    printings = list(_printings())
    masks = np.stack([mask for _, mask in printings])
    lines = np.concatenate([thinned(some) for some in np.array_split(masks, len(masks) // 32)])
    fields = distances(lines)
    rows: dict[str, list[int]] = {}
    for row, (name, _) in enumerate(printings):
        if lines[row].sum() > SHORTEST:
            rows.setdefault(name, []).append(row)
    return {name: fields[rows[name]] for name in _distinct(rows, differences(fields) < ALIKE)}


def _printings() -> Iterator[tuple[str, Mask]]:
    """(class, picture) of every letter in each of its faces."""
    for script in (*TRAIN, *VALID, *TEST):
        for letter in script.letters:
            for font in faces_of(letter):
                mask = printed(letter, font)
                if mask is not None:
                    yield f"{script.name}/U+{ord(letter):04X}", mask


def _distinct(rows: dict[str, list[int]], same: Tensor) -> list[str]:
    """The classes without those of which any row is the same as one of a class before."""
    taken = torch.zeros(len(same), dtype=torch.bool)
    kept = []
    for name, own in rows.items():
        if not (same[own] & taken).any():
            taken[own] = True
            kept.append(name)
    return kept


def _in_turn(fields: Tensor) -> Tensor:
    """(DRAWINGS, SIDE, SIDE) each face in its turn."""
    return fields[torch.arange(DRAWINGS) % len(fields)]


def _letter(name: str) -> str:
    return chr(int(name.partition("/U+")[2], 16))


def _chunks(names: list[str]) -> list[list[str]]:
    return [names[first : first + TOGETHER] for first in range(0, len(names), TOGETHER)]
