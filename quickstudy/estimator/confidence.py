"""What a taught learner can say about itself: examples left out in turn, a temperature, novelty."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from quickstudy import tree
from quickstudy.core import Examples, Learner, one_hot
from quickstudy.learners.exemplars import Exemplars, Memory
from quickstudy.learners.neighbours import Neighbours
from quickstudy.learners.prototypes import Prototypes, Sums
from quickstudy.nets.attention import class_sums

FLOOR = -30.0  # of a logit below the highest: a class without a vote is unlikely, not impossible
NUMBERS = 2**24  # in memory at a time
FOLDS, REFITS = 20, 8  # at most: examples of a class left out in turn, of a learner that is taught anew for it
TRIED, FARTHEST = 241, 1e3  # temperatures, from a thousandth to a thousand times the spread of the logits
AGAINST_OVERFLOW = 1e-12


def left_out(reader: Learner, state: Any, kept: Examples, rows: Tensor, way: int) -> tuple[Tensor, Tensor]:
    """(m, way + 1) what is ``said`` of kept examples as if they had never been taught, and (m,) which ones they are.

    One example of every class that has two is left out at a time. To leave out a single one would be unfair to its own
    class, which alone would be known by fewer: of two drawings a letter, that halves the accuracy. ``kept`` is sorted
    by class; ``rows`` (n,): which of all examples that were taught the kept ones are.
    """
    sizes = kept.y.bincount(minlength=way)
    first = sizes.cumsum(0) - sizes
    several = torch.nonzero(sizes > 1)[:, 0]
    said_, which = [torch.empty(0, way + 1, dtype=kept.x.dtype)], [torch.empty(0, dtype=torch.int64)]
    for fold in range(min(int(sizes.max()), FOLDS if summed(reader) else REFITS)):
        dropped = first[several] + fold % sizes[several]
        scored = dropped[fold < sizes[several]]
        said_.append(said(reader, without(reader, state, kept, rows, dropped, way), kept.x[scored]))
        which.append(scored)
    return torch.cat(said_), torch.cat(which)


def without(reader: Learner, state: Any, kept: Examples, rows: Tensor, dropped: Tensor, way: int) -> Any:
    """The state as if the ``dropped`` of the kept examples had never been taught: sums less, memories blank, any other
    learner taught anew with the kept ones."""
    if isinstance(reader, Prototypes):
        labels = one_hot(kept.y[dropped], way, state.total.dtype)
        return Sums(state.total - class_sums(kept.x[dropped], labels), state.number - labels.sum(0))
    if isinstance(reader, Exemplars) and not reader.ordered:
        others = torch.ones(len(state.keys), dtype=state.labels.dtype)
        others[rows[dropped]] = 0
        return Memory(state.keys, state.labels * others[:, None])
    left = torch.ones(len(kept.y), dtype=torch.bool)
    left[dropped] = False
    return reader.adapt(start(reader, way), Examples(kept.x[left], kept.y[left]))


def summed(reader: Learner) -> bool:
    """Whether an example can be taken out again."""
    return isinstance(reader, Prototypes | Exemplars) and not reader.ordered


def start(reader: Learner, way: int) -> Any:
    """The state before any data, in double precision unless the reader's weights are of another."""
    kind = precision(reader)
    return tree.map(lambda leaf: leaf.to(kind) if leaf.is_floating_point() else leaf, reader.init(way))


def precision(reader: Learner) -> torch.dtype:
    """What the reader computes in: that of its weights, double where it has none."""
    return next((weight.dtype for weight in reader.parameters()), torch.float64)


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
    tried = spread * np.geomspace(1 / FARTHEST, FARTHEST, TRIED)
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
    step = max(1, NUMBERS // max([1, *(leaf.numel() for leaf in tree.leaves(state))]))
    return torch.cat([_said(reader, state, part) for part in z.split(step)])


def _said(reader: Learner, state: Any, z: Tensor) -> Tensor:
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
