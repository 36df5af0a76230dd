"""The idea on one page: every method is one function, ``y = f(support, x; θ)``, with two time scales.

*Slow weights* θ are the module's parameters, learned over many tasks. The *fast state* is what has been learned from
the data of one task, or of a life of tasks: few-shot learning is ``adapt`` from ``init(way)``, lifelong learning is
``functools.reduce(learner.adapt, stream, learner.init(way))``.

A learner is written for ONE task; ``batching`` maps it over many. For that every leaf of a state is a tensor, and
nothing in ``adapt`` or ``predict`` asks a tensor for its value. Shape letters: ``n`` support, ``q`` query, ``w`` way,
``t`` tasks, ``d`` features.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar, final

import torch
from torch import Tensor, nn

from quickstudy import tree

S = TypeVar("S")
T_co = TypeVar("T_co", covariant=True)
Objective = Callable[[Any, Any], Tensor]  # (module, item) -> scalar loss


class Examples(NamedTuple):
    """Labelled data. A class of -1, or a target of nan, is padding: an example that is there for its shape alone."""

    x: Tensor  # (n, *shape)
    y: Any = ()  # (n,) classes, (n, k) targets, or () for none


class Task(NamedTuple):
    """One episode: learn from the support, answer for the query."""

    support: Examples
    query: Examples


class Tasks(Protocol[T_co]):
    """A task distribution is a function of an integer: the same index is the same task, on every machine."""

    def __getitem__(self, index: int) -> T_co: ...

    def batch(self, indices: Sequence[int]) -> T_co:
        """The same tasks, stacked along a new first axis."""
        ...


class BatchDependent(nn.Module):
    """A module whose answer for one example may depend on the others beside it, such as batch normalization."""

    transductive: bool


class Learner(nn.Module, ABC, Generic[S]):
    """Reads labelled examples into a state and answers from it.

    ``ordered`` says that the order of the support matters, ``random`` that adapting draws random numbers, ``padded``
    that padding beside the examples of a support leaves the answers as they are, ``together`` that ``adapt_all`` takes
    so many small steps that it is worth giving it all the tasks there are. ``reads`` is what meta-training reads:
    "episodes"; "batches", labelled, of the whole training set's classes as they are numbered; or "sequences", streams
    of examples, each to be answered for before its label is told.
    """

    ordered: bool = False
    padded: bool = True
    together: bool = False
    random: bool = False
    reads: Literal["episodes", "batches", "sequences"] = "episodes"

    @abstractmethod
    def init(self, way: int) -> S:
        """The state before any data; ``way``: the number of classes, or of columns of a regression's y."""

    @abstractmethod
    def adapt(self, state: S, support: Examples) -> S:
        """The state after this data. The state it was given stays as it was."""

    @abstractmethod
    def predict(self, state: S, x: Tensor) -> Tensor:
        """(q, way) logits, or values, for x of (q, *shape)."""

    def trace(self, support: Examples, way: int) -> Tensor:
        """(n, way): what it says of each example before it has seen that example's label."""
        state, said = self.init(way), []
        for i in range(len(support.x)):
            one = tree.map(lambda leaf, i=i: leaf[i : i + 1], support)
            said.append(self.predict(state, one.x))
            state = self.adapt(state, one)
        return torch.cat(said)

    def adapt_all(self, support: Examples, way: int) -> S:
        """The states after the supports of many tasks, (t, n, ...), stacked: ``adapt`` mapped over them, unless a
        learner has a faster way to the same."""
        return mapped(lambda one: self.adapt(self.init(way), one), support)

    def predict_all(self, states: S, x: Tensor) -> Tensor:
        """(t, q, way) answers from stacked states for x of (t, q, *shape); likewise."""
        return mapped(lambda pair: self.predict(*pair), (states, x))

    def trace_all(self, support: Examples, way: int) -> Tensor:
        """(t, n, way): ``trace`` of many streams (t, n, ...); likewise."""
        return mapped(lambda one: self.trace(one, way), support)

    @final  # type: ignore[misc]
    def forward(self, support: Examples, x: Tensor, way: int) -> Tensor:
        """y = f(support, x): (q, way)."""
        return self.predict(self.adapt(self.init(way), support), x)

    def objective(self, way: int) -> Objective:
        """What meta-training minimizes unless told otherwise: the loss on the query."""
        return QueryLoss(way)

    @property
    def transductive(self) -> bool:
        """Whether a query's answer may depend on the other queries."""
        return any(m.transductive for m in self.modules() if isinstance(m, BatchDependent))


class QueryLoss(Generic[S]):
    """The loss on the query after adapting to the support.

    The state between is a seam: an engine may map the two halves differently, and an estimator may differentiate
    them by rules of its own.
    """

    def __init__(self, way: int, loss: Callable[[Tensor, Tensor], Tensor] | None = None) -> None:
        self.way = way
        self.loss = loss or cross_entropy

    def __call__(self, learner: Learner[S], task: Task) -> Tensor:
        return self.loss(learner(task.support, task.query.x, self.way), task.query.y)

    def adapt(self, learner: Learner[S], tasks: Task) -> S:
        """The stacked states after the supports of stacked tasks."""
        return learner.adapt_all(tasks.support, self.way)

    def score(self, learner: Learner[S], states: S, tasks: Task) -> Tensor:
        """(t,) losses of these states on the queries."""
        answers = learner.predict_all(states, tasks.query.x)
        return mapped(lambda pair: self.loss(*pair), (answers, tasks.query.y))


class TraceLoss:
    """The loss on a stream of examples: on each, answered before its own label is seen."""

    def __init__(self, way: int, loss: Callable[[Tensor, Tensor], Tensor] | None = None) -> None:
        self.way = way
        self.loss = loss or cross_entropy

    def __call__(self, learner: Learner, stream: Examples) -> Tensor:
        return self.loss(learner.trace(stream, self.way), stream.y)

    def over(self, learner: Learner, streams: Examples) -> Tensor:
        """(t,) losses on stacked streams."""
        return self.loss(learner.trace_all(streams, self.way), streams.y)


def mapped(f: Callable[[Any], Any], group: Any) -> Any:
    """The results of ``f`` on the items of a stacked group, stacked: by ``vmap``, a single one as it is."""
    if tree.size(group) == 1:
        return tree.map(lambda leaf: leaf[None], f(tree.index(group, 0)))
    return torch.func.vmap(f, randomness="different")(group)


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """(...) from (..., n, way): the mean over the examples that are not padding; 0 where all are. At least in single
    precision."""
    real = y >= 0
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    each = -wide.log_softmax(-1).gather(-1, y.clamp_min(0)[..., None]).squeeze(-1)
    return torch.where(real, each, 0.0).sum(-1) / real.sum(-1).clamp_min(1)


def squared_error(values: Tensor, y: Tensor) -> Tensor:
    """(...) from (..., n, k): the mean over the numbers that are not padding, which here is nan; 0 where all are."""
    real = y.isfinite()
    total = ((values - torch.where(real, y, 0.0)) * real).square().sum((-2, -1))
    return total / real.sum((-2, -1)).clamp_min(1)


def one_hot(y: Tensor, way: int, dtype: torch.dtype | None = None) -> Tensor:
    """(n, way) from (n,); padding gives a row of zeros. Works under vmap, where a wrong label cannot be seen:
    ``check_labels`` at the edge does that."""
    classes = torch.arange(way, device=y.device)
    return (y[..., None] == classes).to(dtype or torch.get_default_dtype())


def check_labels(y: Tensor, way: int) -> None:
    """Raises ValueError unless every label is -1 (padding) or in 0..way-1."""
    if y.numel() and (int(y.min()) < -1 or int(y.max()) >= way):
        raise ValueError(
            f"labels run from {int(y.min())} to {int(y.max())}, but {way} classes need 0..{way - 1} (-1 for padding); "
            "number the classes from 0, or pass a larger way"
        )


def mask_unseen(logits: Tensor, count: Tensor) -> Tensor:
    """(..., q, way) with -inf for classes whose ``count`` (..., way) is 0; all alike (0) where nothing was seen."""
    count = count.unsqueeze(-2)
    masked = torch.where(count > 0, logits, -torch.inf)
    return torch.where((count <= 0).all(-1, keepdim=True), torch.zeros_like(logits), masked)


def widen(learner: Learner[S], state: S, old: int, new: int) -> S:
    """The state with room for ``new`` classes: the axes in which ``init(old)`` and ``init(new)`` differ are padded.

    Raises ValueError if a class would be lost.
    """
    if new < old:
        raise ValueError(f"a state of {old} classes cannot be narrowed to {new}; start from init({new})")
    return tree.map(_pad_where_differ, learner.init(old), learner.init(new), state)


def _pad_where_differ(a: Tensor, b: Tensor, leaf: Tensor) -> Tensor:
    for axis, (small, large) in enumerate(zip(a.shape, b.shape, strict=True)):
        if small != large:
            extra = b.narrow(axis, small, large - small)
            shape = [*leaf.shape]
            shape[axis] = large - small
            grown = extra.expand(shape) if extra.numel() else extra.new_zeros(shape)  # a memory starts empty
            leaf = torch.cat([leaf, grown.to(leaf)], dim=axis)
    return leaf
