"""Streams: contexts that arrive one after another, each with data that do not come back.

A stream is a sequence of supports, so that ``functools.reduce(learner.adapt, stream, learner.init(stream.way))`` is a
life. What a label means is the scenario's (van de Ven & Tolias, 2019):

- ``task``: every context has classes of its own, and whoever asks says of which context a question is;
- ``domain``: the contexts share their labels, and nobody says of which context a question is;
- ``class``: every context has classes of its own, and nobody says: the answer is one of all classes so far.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from quickstudy.core import Examples
from quickstudy.data.pool import Pool, Splits, build
from quickstudy.tasks.episodes import bits, distinct

SCENARIOS = ("task", "domain", "class")
PADDING = 2  # pixels on every side of a permuted digit: 32 x 32, as published
PLAIN = "as it is"  # words of a context that is no more than its classes


class Context(NamedTuple):
    """Classes of the pool, and what is done to their pictures."""

    classes: tuple[int, ...]
    change: Callable[[Tensor], Tensor]  # (n, *shape) from 0 to 1 to the same shape, or another for all contexts
    words: str  # what it is, the same words for the same context


class Stream:
    """Context ``i`` is a function of (pools, contexts, scenario, i): ``stream[i]`` its training data, ``exam(i)`` its
    test data, both labelled for the scenario; ``way`` labels in all."""

    def __init__(self, train: Pool, test: Pool, contexts: Sequence[Context], *, scenario: str) -> None:
        if scenario not in SCENARIOS:
            raise ValueError(f"a scenario is one of {', '.join(SCENARIOS)}, got {scenario!r}")
        sizes = {len(context.classes) for context in contexts}
        if scenario == "domain" and len(sizes) > 1:
            raise ValueError(
                f"contexts that share their labels have as many classes each, these have {min(sizes)} to "
                f"{max(sizes)}; choose the scenario task or class"
            )
        self.train, self.test, self.contexts, self.scenario = train, test, list(contexts), scenario
        ends = np.cumsum([0, *(len(context.classes) for context in contexts)]).tolist()
        self._first = [0] * len(contexts) if scenario == "domain" else ends[:-1]
        self.way = max(sizes) if scenario == "domain" else ends[-1]

    def __len__(self) -> int:
        return len(self.contexts)

    def __iter__(self) -> Iterator[Examples]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> Examples:
        return self._examples(self.train, index)

    def exam(self, index: int) -> Examples:
        """The test data of a context."""
        return self._examples(self.test, index)

    def labels(self, index: int) -> range:
        """The labels of a context."""
        first = self._first[index]
        return range(first, first + len(self.contexts[index].classes))

    def choices(self, index: int) -> Tensor:
        """(way,) which answers are allowed where context ``index`` is examined: its own, if the scenario tells."""
        allowed = torch.arange(self.way)
        own = self.labels(index)
        return (allowed >= own.start) & (allowed < own.stop) if self.scenario == "task" else allowed >= 0

    def title(self, index: int) -> str:
        """What a context is, for people: the names of its classes, or what they have in common."""
        context = self.contexts[index]
        return ", ".join(self.train.names[c] for c in context.classes) if context.words == PLAIN else context.words

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one picture as it is given."""
        one = torch.zeros(1, *self.train.shape)
        channels, height, width = self.contexts[0].change(one).shape[1:]
        return channels, height, width

    @property
    def sha256(self) -> str:
        """Says which contexts these are, and in which order."""
        told = [[context.words, [self.train.names[c] for c in context.classes]] for context in self.contexts]
        return hashlib.sha256(json.dumps([self.scenario, told]).encode()).hexdigest()

    def _examples(self, pool: Pool, index: int) -> Examples:
        if not 0 <= index < len(self):  # IndexError, so that a stream is a sequence
            raise IndexError(f"context {index} of a stream of {len(self)}")
        context = self.contexts[index]
        part = pool.select(context.classes)
        x = context.change(part.images.float().div(255))
        return Examples(x, (part.labels + self._first[index]).to(x.device))


def same(x: Tensor) -> Tensor:
    """As it is."""
    return x


def split(train: Pool, test: Pool, each: int, *, scenario: str = "class", order: Sequence[int] | None = None) -> Stream:
    """The classes in their order, or in the one given, ``each`` a context, as Split MNIST's five pairs of digits; what
    is left over of them is left out. Of Split miniImageNet the pools are ``halves`` of one, with 500 and 100 pictures a
    class."""
    _check_alike(train, test)
    if not 1 <= each <= len(train):
        raise ValueError(f"a context has 1 to {len(train)} classes of this pool, got {each}")
    order = range(len(train)) if order is None else order
    if sorted(order) != list(range(len(train))):
        raise ValueError(f"an order has each of the {len(train)} classes once, from 0; got {list(order)}")
    groups = [tuple(order[first : first + each]) for first in range(0, len(train) - each + 1, each)]
    return Stream(train, test, [Context(group, same, PLAIN) for group in groups], scenario=scenario)


def shuffled(classes: int, *, seed: int) -> list[int]:
    """An order of so many classes."""
    return _order(seed, 0, classes).tolist()


def alphabets(train: Pool, test: Pool, *, scenario: str = "class") -> Stream:
    """Split Omniglot, or glyphs: classes that share the first part of their names, "alphabet/character", are a
    context."""
    _check_alike(train, test)
    groups: dict[str, list[int]] = {}
    for number, name in enumerate(train.names):
        groups.setdefault(name.partition("/")[0], []).append(number)
    contexts = [Context(tuple(group), same, name) for name, group in groups.items()]
    return Stream(train, test, contexts, scenario=scenario)


def permuted(train: Pool, test: Pool, count: int = 10, *, scenario: str = "domain", seed: int = 0) -> Stream:
    """All classes in every context, the pixels in another order each time, the first as they are; padded by zeros
    beforehand, MNIST to 32 x 32."""
    _check_alike(train, test)
    _, height, width = train.shape
    size = (height + 2 * PADDING) * (width + 2 * PADDING)
    orders = [torch.arange(size), *(_order(seed, i, size) for i in range(1, count))]
    every = tuple(range(len(train)))
    contexts = [Context(every, _shuffled(order), f"pixels in order {seed}/{i}") for i, order in enumerate(orders)]
    return Stream(train, test, contexts, scenario=scenario)


def rotated(train: Pool, test: Pool, count: int = 10, *, scenario: str = "domain", most: float = 180.0) -> Stream:
    """All classes in every context, turned further from 0 to below ``most`` degrees in equal steps."""
    _check_alike(train, test)
    every = tuple(range(len(train)))
    angles = [most * i / count for i in range(count)]
    contexts = [Context(every, _turned(angle), f"turned by {angle:g} degrees") for angle in angles]
    return Stream(train, test, contexts, scenario=scenario)


def halves(pool: Pool, held: int) -> tuple[Pool, Pool]:
    """The pool without the last ``held`` pictures of every class, and those. Raises ValueError where a class would be
    left with none."""
    least = int(pool.sizes.min())
    if not 0 < held < least:
        raise ValueError(f"the smallest class has {least} pictures; hold out 1 to {least - 1} of them, got {held}")
    kept = {name: pool.images[first : end - held] for first, end, name in _spans(pool)}
    return build(kept), build({name: pool.images[end - held : end] for _, end, name in _spans(pool)})


def joined(pools: Splits) -> Pool:
    """One pool of the classes of all three parts."""
    parts = [(part, span) for part in pools[:3] for span in _spans(part)]
    return build({name: part.images[first:end] for part, (first, end, name) in parts})


def fewer(pool: Pool, most: int) -> Pool:
    """The first ``most`` pictures of every class."""
    return build({name: pool.images[first : min(end, first + most)] for first, end, name in _spans(pool)})


def _spans(pool: Pool) -> list[tuple[int, int, str]]:
    """Where each class begins and ends, and its name."""
    return list(zip(pool.starts[:-1].tolist(), pool.starts[1:].tolist(), pool.names, strict=True))


def _check_alike(train: Pool, test: Pool) -> None:
    if train.names != test.names:
        raise ValueError(
            "the classes to learn and the classes to examine differ, so that no context could be examined; choose a "
            "pool with the same classes in both (mnist, fashion_mnist), or halve one (streams.halves)"
        )


def _order(seed: int, index: int, size: int) -> Tensor:
    return torch.from_numpy(distinct(bits(seed, index), size, size))


def _shuffled(order: Tensor) -> Callable[[Tensor], Tensor]:
    def change(x: Tensor) -> Tensor:
        padded = F.pad(x, (PADDING,) * 4)
        return padded.flatten(2)[..., order.to(x.device)].reshape(padded.shape)

    return change


def _turned(angle: float) -> Callable[[Tensor], Tensor]:
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))

    def change(x: Tensor) -> Tensor:
        turn = x.new_tensor([[cos, -sin, 0.0], [sin, cos, 0.0]]).expand(len(x), 2, 3)
        return F.grid_sample(x, F.affine_grid(turn, [*x.shape], align_corners=False), align_corners=False)

    return change
