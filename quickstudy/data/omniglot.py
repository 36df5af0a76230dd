"""Omniglot (Lake, Salakhutdinov and Tenenbaum 2015): 1,623 characters of 50 alphabets, drawn by 20 people each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from quickstudy.data.archives import zip_members
from quickstudy.data.cache import cached, identity
from quickstudy.data.originals import Remote, data_root, fetch
from quickstudy.data.pictures import check_size, decode, resized, tensor
from quickstudy.data.pool import Pool, Splits, build, hash_order
from quickstudy.files import FileProblem

SOURCE = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python"
FILES = (
    Remote(
        "images_background.zip",
        f"{SOURCE}/images_background.zip",
        (
            "md5:68d2efa1b9178cc56df9314c21c6e718",
            "sha256:9f05fdb9868a1df1bcb98752c4039027a5ba0594395665420db9dcbdbfbaae66",  # the same pictures, repacked
        ),
    ),
    Remote(
        "images_evaluation.zip",
        f"{SOURCE}/images_evaluation.zip",
        (
            "md5:6b91aef0f799c5bb55b94e3f2daec811",
            "sha256:0da4555ba8cc1a95cd28f70d9a096f18d8a3b1dfb3618e2812112405e9d6a843",
        ),
    ),
)
ALPHABETS, CHARACTERS, DRAWINGS = (30, 20), (964, 659), 20
TRAIN, VALID = 1100, 100  # characters of the random split; the other 423 are the test
LAKE_VALID = 5  # of the 30 background alphabets
SEED = 1  # of the splits' order: a new one is a new split
VERSION = 1  # of the decoding: raised when it gives other pixels


def omniglot(size: int = 28, split: str = "random", *, root: Path | None = None, rotations: bool = True) -> Splits:
    """Omniglot as (N, 1, size, size), ink bright; 20 drawings a class.

    ``split="random"``: 1,100 / 100 / 423 characters of all alphabets, as in MAML (Finn et al. 2017).
    ``split="lake"``: the 20 evaluation alphabets are the test, 5 of the 30 background alphabets the validation.
    ``rotations``: quarter-turns are classes of their own, in the same part as what they turn (Santoro et al. 2016).
    Raises FileProblem for missing or damaged archives, ValueError for another split.
    """
    check_size(size)
    if split not in ("random", "lake"):
        raise ValueError(f'Omniglot is split "random" or "lake", got {split!r}')
    paths = fetch(FILES, (root or data_root()) / "omniglot")
    pool = cached(f"omniglot-{size}", f"{VERSION} {identity(paths)}", lambda: _decode(paths, size))
    order = _random(pool.names) if split == "random" else _lake(pool.names)
    row = {name: number for number, name in enumerate(pool.names)}
    parts = [pool.select([row[name] for name in names]) for names in order]
    train, valid, test = [part.rotated() for part in parts] if rotations else parts
    return Splits(train, valid, test, split)


def unpack_evaluation(folder: Path, *, root: Path | None = None) -> None:
    """The 20 evaluation alphabets as files ``folder/images_evaluation/ALPHABET/CHARACTER/DRAWING.png``."""
    path = fetch(FILES, (root or data_root()) / "omniglot")[1]
    for member, data in zip_members(path, ".png"):
        file = folder / member
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


def _random(names: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    order = hash_order(names, SEED)
    return order[:TRAIN], order[TRAIN : TRAIN + VALID], order[TRAIN + VALID :]


def _lake(names: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    background, test = names[: CHARACTERS[0]], names[CHARACTERS[0] :]
    held = set(hash_order(sorted({_alphabet(name) for name in background}), SEED)[:LAKE_VALID])
    train = [name for name in background if _alphabet(name) not in held]
    return train, [name for name in background if _alphabet(name) in held], list(test)


def _alphabet(name: str) -> str:
    return name.partition("/")[0]


def _decode(paths: Sequence[Path], size: int) -> Pool:
    """All characters: those of the background archive, then those of the evaluation archive, each by name."""
    groups: dict[str, Tensor] = {}
    for path, alphabets, characters in zip(paths, ALPHABETS, CHARACTERS, strict=True):
        found = _characters(path, size)
        got = len({_alphabet(name) for name in found}), len(found), sorted({len(group) for group in found.values()})
        if got != (alphabets, characters, [DRAWINGS]):
            raise FileProblem(
                f"{path} holds {got[0]} alphabets and {got[1]} characters with {got[2]} drawings each, expected "
                f"{alphabets}, {characters} and {DRAWINGS}; it is incomplete: delete it, and it is downloaded again"
            )
        groups |= {name: torch.stack(found[name]) for name in sorted(found)}
    return build(groups)


def _characters(path: Path, size: int) -> dict[str, list[Tensor]]:
    """{"Greek/character03": drawings}, in the order of the drawers' numbers."""
    found: dict[str, dict[str, Tensor]] = {}
    for member, data in tqdm(zip_members(path, ".png"), path.name, unit=" drawings", disable=None):
        folder, _, rest = member.partition("/")
        if folder != path.stem:
            raise FileProblem(
                f"{path} holds {member}, expected {path.stem}/...; perhaps the two archives are exchanged: "
                "delete or rename them"
            )
        name, _, drawing = rest.rpartition("/")
        picture = decode(data, "L", f"{member} in {path}")
        found.setdefault(name, {})[drawing] = 255 - tensor(resized(picture, size))  # paper is white there
    return {name: [group[drawing] for drawing in sorted(group)] for name, group in found.items()}
