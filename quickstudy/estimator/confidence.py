"""What a taught learner can say about itself: each example left out in turn, a temperature, novelty."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from quickstudy import tree
from quickstudy.core import Examples, Learner
from quickstudy.learners.exemplars import Exemplars, Memory
from quickstudy.learners.neighbours import Neighbours
from quickstudy.learners.prototypes import Prototypes, Sums

FLOOR = -30.0  # of a logit below the highest: a class without a vote is unlikely, not impossible
NUMBERS = 2**24  # in memory at a time
REFITS = 40  # at most, of a learner that is taught anew for each example left out
TEMPERATURES = np.geomspace(1e-3, 1e3, 241)  # tried, in units of the spread of the logits
AGAINST_OVERFLOW = 1e-12


def left_out(reader: Learner, state: Any, kept: Examples, rows: Tensor, chosen: Tensor, way: int) -> Tensor:
    """(m, way + 1): what is ``said`` of the ``chosen`` (m,) of the kept examples, each as if it had never been taught.

    ``rows`` (n,): which of all examples that were taught the kept ones are. Sums and memories are what they would be
    without the example; a learner of another kind is taught anew with the kept ones.
    """
    z, y = kept.x[chosen], kept.y[chosen]
    if isinstance(reader, Prototypes):
        return in_parts(lambda one: _without_sums(reader, state, *one), (z, y), state.total.numel())
    if isinstance(reader, Exemplars) and not reader.ordered:
        items = (z, rows[chosen])
        return in_parts(lambda one: _without_row(reader, state, *one), items, state.labels.numel() + state.keys.numel())
    if reader.padded:
        return in_parts(lambda one: _unlabelled(reader, kept, one[0], way), (chosen,), kept.x.numel())
    return torch.cat([_taught_anew(reader, kept, int(i), way) for i in chosen])


def start(reader: Learner, way: int) -> Any:
    """The state before any data, in double precision unless the reader's weights are of another."""
    kind = precision(reader)
    return tree.map(lambda leaf: leaf.to(kind) if leaf.is_floating_point() else leaf, reader.init(way))


def precision(reader: Learner) -> torch.dtype:
    """What the reader computes in: that of its weights, double where it has none."""
    return next((weight.dtype for weight in reader.parameters()), torch.float64)


def in_parts(f: Callable[[Any], Tensor], items: tuple[Tensor, ...], numbers: int) -> Tensor:
    """``f`` mapped over the items, as many at a time as have room if one takes so many ``numbers``."""
    step = max(1, NUMBERS // max(1, numbers))
    groups = [tuple(leaf[i : i + step] for leaf in items) for i in range(0, len(items[0]), step)]
    return torch.cat([torch.func.vmap(f)(group) for group in groups])


def _without_sums(reader: Prototypes, state: Sums, z: Tensor, y: Tensor) -> Tensor:
    """Only the example's own class is another without it; there is a second example of that."""
    total, number = (part.index_select(0, y[None]) for part in state)
    own = reader.predict(Sums(total - z, number - 1), z[None])  # (1, 1)
    logits = torch.where(torch.arange(len(state.number)) == y, own, reader.predict(state, z[None]))
    return torch.cat([logits, novelty(reader, state, z[None], logits)[:, None]], dim=1)[0]


def _without_row(reader: Exemplars, state: Memory, z: Tensor, row: Tensor) -> Tensor:
    others = (torch.arange(len(state.keys)) != row).to(z)
    return said(reader, Memory(state.keys, state.labels * others[:, None]), z[None])[0]


def _unlabelled(reader: Learner, kept: Examples, i: Tensor, way: int) -> Tensor:
    """(way,) logits of a learner that is taught anew with the label of one example made padding."""
    y = torch.where(torch.arange(len(kept.y)) == i, -1, kept.y)
    state = reader.adapt(start(reader, way), Examples(kept.x, y))
    return said(reader, state, kept.x.index_select(0, i[None]))[0]


def _taught_anew(reader: Learner, kept: Examples, i: int, way: int) -> Tensor:
    others = torch.arange(len(kept.x)) != i
    state = reader.adapt(start(reader, way), Examples(kept.x[others], kept.y[others]))
    return said(reader, state, kept.x[i : i + 1])


def probabilities(logits: Tensor, temperature: float) -> Tensor:
    """(q, way) of logits (q, way), none of them quite 0."""
    return (bounded(logits) / temperature).softmax(-1)


def bounded(logits: Tensor) -> Tensor:
    """Not more than 30 below the highest where they are minus infinity."""
    most = logits.max(-1, keepdim=True).values
    finite = torch.where(logits.isfinite(), logits, torch.full_like(logits, torch.inf)).min(-1, keepdim=True).values
    low = torch.minimum(finite, most + FLOOR)
    return torch.where(logits.isfinite(), logits, low)


def best_temperature(logits: Tensor, y: Tensor) -> float:
    """The temperature under which the answers (n, way) explain the labels (n,) best.

    The labels count as (n + 1) / (n + 2) certain, the rest being any class (Platt, 1999): few answers, all of them
    right, do not make a learner certain. Temperature scaling is that of Guo et al. (2017).
    """
    logits = bounded(logits)
    n, way = logits.shape
    doubt = 1 / (n + 2)
    target = torch.full_like(logits, doubt / way).scatter_add_(1, y[:, None], torch.full_like(logits[:, :1], 1 - doubt))
    spread = max(float((logits.max(-1).values - logits.mean(-1)).mean()), AGAINST_OVERFLOW)
    tried = spread * TEMPERATURES
    losses = [float(-(target * (logits / t).log_softmax(-1)).sum()) for t in tried]
    return float(tried[int(np.argmin(losses))])


def gap(logits: Tensor, y: Tensor) -> float:
    """How far the examples' own classes (n,) are ahead of the others on average: a temperature for features that
    nobody trained, where nothing can be left out."""
    own = logits.gather(1, y[:, None])[:, 0]
    others = (logits.sum(1) - own) / max(1, logits.shape[1] - 1)
    return max(float((own - others).mean()), AGAINST_OVERFLOW)


def said(reader: Learner, state: Any, z: Tensor) -> Tensor:
    """(q, way + 1): the logits of features z (q, d), and how novel each of them looks."""
    logits = reader.predict(state, z)
    return torch.cat([logits, novelty(reader, state, z, logits)[:, None]], dim=1)


def novelty(reader: Learner, state: Any, z: Tensor, logits: Tensor) -> Tensor:
    """(q,) how little inputs look like anything that was taught: minus the similarity to what is nearest.

    For prototypes that is the highest logit, for neighbours the nearest example's. Other learners have logits alone, of
    which the log of the sum of exponentials is taken (Liu et al., 2020).
    """
    if isinstance(reader, Prototypes):
        return -logits.amax(-1)
    if isinstance(reader, Neighbours):
        seen = state.labels.sum(1) > 0
        return -reader.similarity(z, state.keys.to(z)).masked_fill(~seen, -torch.inf).amax(-1)
    return -logits.logsumexp(-1)
