"""The part of the data that a measurement is on, and what pages say of it."""

from __future__ import annotations

from quickstudy.data import Splits
from quickstudy.data.pool import Pool


def pool(pools: Splits, part: str) -> Pool:
    """The classes of the part "train", "valid" or "test"."""
    return {"train": pools.train, "valid": pools.valid, "test": pools.test}[part]


def classes(pools: Splits, part: str) -> str:
    """What the part's classes are to a learner that was trained on the first part."""
    if part == "train":
        return "classes of the training part"
    if set(pool(pools, part).names).isdisjoint(pools.train.names):
        return "classes never seen in training"
    return "classes that training has seen, in other pictures"


def told(data: str, pools: Splits, part: str) -> str:
    """In the setting of a page."""
    return f"{data}, {pools.name} split, {len(pool(pools, part))} {part} classes"
