"""Accuracy by instance: how often a class is named rightly when it is met the first time, the second, and so on.

The protocol of Santoro et al. (2016), for every learner: each example of a stream is answered by what was learned from
those before it (``Learner.trace``), then its label is told.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from quickstudy import batching, devices, metrics, tree
from quickstudy.core import Examples, Learner
from quickstudy.data.pool import split_sha256
from quickstudy.tasks import Sequences

BLOCK = 50  # streams drawn at a time


@dataclass(frozen=True)
class Instances:
    """What a learner said of the streams 0, 1, 2, ... of a distribution."""

    name: str
    tasks: str  # which streams: a hash of the pool's classes and the seed
    way: int  # classes a stream
    labels: int  # that there are
    right: np.ndarray  # (t, n) whether each step was named rightly
    instance: np.ndarray  # (t, n) how often its class had been met, this time included
    transductive: bool
    seconds: float

    def of_streams(self, instance: int) -> np.ndarray:
        """(at most t,) the share right at this instance of a class, of each stream in which a class is met so often."""
        there = self.instance == instance
        some = there.any(1)
        return (self.right & there)[some].sum(1) / there[some].sum(1)

    def estimates(self, most: int) -> list[metrics.Estimate]:
        """The accuracy at instances 1 to ``most``, with its 95 % interval over streams; nan where none is met so
        often."""
        shares = [self.of_streams(k) for k in range(1, most + 1)]
        return [metrics.estimate(some) if some.size else metrics.Estimate(np.nan, np.nan) for some in shares]


def instances(
    learner: Learner, streams: Sequences, count: int = 1000, *, name: str = "", progress: bool = False
) -> Instances:
    """The learner, as it is, on the first ``count`` streams. Raises ValueError where it answers nan."""
    devices.prepare()
    begun, right, labels = time.perf_counter(), [], []
    with tqdm(total=count, disable=not progress, unit="stream", desc=name or "evaluating") as bar:
        for items, said in _answered(learner, streams, count):
            right.append((said == items.y).cpu().numpy())
            labels.append(items.y.cpu().numpy())
            bar.update(len(said))
    return Instances(
        name=name or type(learner).__name__.lower(),
        tasks=f"{split_sha256(streams.pool.names)[:16]} seed {streams.seed} length {streams.length}",
        way=streams.classes,
        labels=streams.way,
        right=np.concatenate(right),
        instance=meetings(np.concatenate(labels)),
        transductive=learner.transductive,
        seconds=time.perf_counter() - begun,
    )


def accuracies(learner: Learner, streams: Sequences, count: int) -> np.ndarray:
    """(count,) the share of steps that is right on each of the first streams, and nothing else: for validation."""
    answers = _answered(learner, streams, count)
    return np.concatenate([(said == items.y).double().mean(1).cpu().numpy() for items, said in answers])


def meetings(y: np.ndarray) -> np.ndarray:
    """(t, n) how often each label of the streams (t, n) has been met so far, this time included."""
    order = y.argsort(axis=1, kind="stable")
    sorted_ = np.take_along_axis(y, order, axis=1)
    place = np.broadcast_to(np.arange(y.shape[1]), y.shape)
    first = np.diff(sorted_, axis=1, prepend=sorted_[:, :1] - 1) != 0  # of its label
    found = np.empty_like(place)
    np.put_along_axis(found, order, place - np.maximum.accumulate(np.where(first, place, 0), axis=1) + 1, axis=1)
    return found


def _answered(learner: Learner, streams: Sequences, count: int) -> Iterator[tuple[Examples, Tensor]]:
    """Blocks of streams, and the labels (t, n) that were said."""
    learner.eval()
    for start in range(0, count, BLOCK):
        items = streams.batch(range(start, min(start + BLOCK, count)))
        whole = tree.size(items) if learner.together else None
        with torch.no_grad():
            groups = batching.chunks(items, whole)
            logits = torch.cat([learner.trace_all(group, streams.way) for group in groups])
        if bool(logits.isnan().any()):
            raise ValueError(f"{type(learner).__name__} answered nan; its weights are damaged or its training diverged")
        yield items, logits.argmax(-1)
