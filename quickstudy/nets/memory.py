"""An external memory: rows found by what they hold, read, erased and written (Graves, Wayne & Danihelka, 2014).

Functions of (..., rows, width) memories, which they leave as they are, whatever axes stand in front: they can be mapped
over tasks, or be given the tasks as an axis of their own. Every head has weights over the rows, (..., heads, rows),
which sum to one. ``LeastRecentlyUsed`` is the access of Santoro et al. (2016): new things go where nobody has looked
for long, or where the last answer was found.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from quickstudy.nets.attention import full_precision
from quickstudy.nets.sizes import check_sizes


def address(memory: Tensor, keys: Tensor, strength: Tensor, *, empty: Tensor | None = None) -> Tensor:
    """(..., heads, rows) weights: a softmax of ``strength`` (..., heads) times the cosine of the keys
    (..., heads, width) to the rows. At strength 1 it is nearly flat over many rows, a cosine being at most 1. Rows are
    taken for empty, which have a cosine of 0, by heads for which ``empty`` (..., heads, rows) is 1 there."""
    with full_precision(memory):
        keys = keys.to(memory)
        lengths = _length(keys)[..., None] * _length(memory)[..., None, :]  # cheaper than a memory of unit rows
        cosines = (keys @ memory.mT) / lengths
        if empty is not None:
            cosines = cosines * (1 - empty)
        return (strength.to(memory)[..., None] * cosines).softmax(-1)


def _length(a: Tensor) -> Tensor:
    """(...) of the vectors (..., width); for a vector of zeros, whose cosine is then 0, not zero."""
    return torch.linalg.vector_norm(a, dim=-1).clamp_min(1e-6)


def read(memory: Tensor, weights: Tensor) -> Tensor:
    """(..., heads, width): each head's weighted mean of the rows."""
    with full_precision(memory):
        return weights @ memory


def erase(memory: Tensor, weights: Tensor) -> Tensor:
    """What is left when each head takes its weight's share of every row: all of a row where a weight is 1."""
    return memory * (1 - weights).prod(-2)[..., None]


def write(memory: Tensor, weights: Tensor, values: Tensor) -> Tensor:
    """With each head's value (..., heads, width) added to the rows, in the share of its weights."""
    with full_precision(memory):
        return memory + weights.mT @ values.to(memory)


def least_used(usage: Tensor, heads: int) -> Tensor:
    """(..., heads, rows) one-hot: the row of the smallest usage (..., rows) for the first head, of the second smallest
    for the second, and so on; of equal ones the first."""
    order = usage.argsort(dim=-1, stable=True)[..., :heads, None]
    return (order == torch.arange(usage.shape[-1], device=usage.device)).to(usage.dtype)


class Access(NamedTuple):
    """A memory, and what its next access needs to know of the earlier ones."""

    memory: Tensor  # (..., rows, width)
    weights: Tensor  # (..., heads, rows) of the last reading
    usage: Tensor  # (..., rows) how much was lately read or written


class Accessed(NamedTuple):
    """What one access did, for looking at it."""

    read: Tensor  # (..., heads, rows) weights
    write: Tensor  # (..., heads, rows) weights
    usage: Tensor  # (..., rows) after it


class LeastRecentlyUsed:
    """Access by content to read; to write, at the last read place or at the least used one (Santoro et al., 2016).

    ``gamma``: what is left of the usage after each access.
    """

    def __init__(self, rows: int, width: int, heads: int, *, gamma: float) -> None:
        check_sizes(rows=rows, width=width, heads=heads)
        if rows < heads:
            raise ValueError(f"a memory has at least one row a head, got {rows} rows and {heads} heads")
        if not 0 <= gamma <= 1:
            raise ValueError(f"gamma is the share of the usage that stays, from 0 to 1; got {gamma}")
        self.rows, self.width, self.heads, self.gamma = rows, width, heads, gamma

    def start(self, like: Tensor) -> Access:
        """An empty memory for each of the axes in front of the last of ``like``, read nowhere, used nowhere."""
        axes = like.shape[:-1]
        shapes = (self.rows, self.width), (self.heads, self.rows), (self.rows,)
        return Access(*(like.new_zeros(*axes, *shape) for shape in shapes))

    def __call__(self, state: Access, keys: Tensor, strength: Tensor, gate: Tensor) -> tuple[Tensor, Access, Accessed]:
        """What is read, (..., heads, width), the next state, and the weights.

        Each head first writes its key (..., heads, width): the share ``gate`` (..., heads), from 0 to 1, at the rows it
        read last, the rest into the row that is its own of the least used ones, which are emptied before. Then it reads
        by the key, for which its own row is still empty: a key would find itself there, nearer than all that is looked
        for.
        """
        free = least_used(state.usage, self.heads)
        to = gate[..., None] * state.weights + (1 - gate[..., None]) * free  # (..., heads, rows)
        memory = write(erase(state.memory, free), to, keys)
        found = address(memory, keys, strength, empty=free)
        usage = self.gamma * state.usage + (found + to).detach().sum(-2)  # it only ranks the rows
        return read(memory, found), Access(memory, found, usage), Accessed(found, to, usage)
