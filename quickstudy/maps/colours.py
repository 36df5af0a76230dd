"""Colours of maps: the categories of a column, and the ramp of a number."""

from __future__ import annotations

import re

import numpy as np

from quickstudy.charts import COLOURS

# The charts' six, and six more, each chosen for the largest distance in OKLab to all before it, seen with full colour
# vision and with each of the three kinds of colour blindness (Machado et al. 2009), at least 1.75:1 against white and
# 2.2:1 against the dark ground.
CATEGORIES = (*COLOURS, "#b4cf48", "#6cbdf3", "#902d3f", "#fc90ab", "#5a3f99", "#aba26c")
SHAPES = ("disc", "square", "triangle", "diamond", "ring")  # the next shape begins where the colours begin again
RAMP = (
    "#443983",
    "#31688e",
    "#21918c",
    "#35b779",
    "#90d743",
    "#ddd02c",
)  # viridis without its ends
UNKNOWN = "#9aa1a8"  # a number that is nan


def category(index: int) -> str:
    """The colour of the index-th category."""
    return CATEGORIES[index % len(CATEGORIES)]


def shape(index: int) -> str:
    """The shape of the index-th category."""
    return SHAPES[index // len(CATEGORIES) % len(SHAPES)]


def ordered(column: np.ndarray) -> list[str]:
    """The categories of a column of texts in the order in which they get their colours: 2 before 10."""
    return sorted(np.unique(column).tolist(), key=_natural)


def _natural(name: str) -> list[tuple[bool, int, str]]:
    return [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", name)]
