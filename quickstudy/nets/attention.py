"""Looking things up: similarities of queries to keys, and answers as sums of values weighted by them.

Matching networks, kernel density, neighbours and key-value memories are one equation,
``sum_i softmax_i(similarity(query, key_i)) value_i``; what differs is the similarity. All of it runs in full
precision, whatever the nets around it run in.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Similarity = Callable[[Tensor, Tensor], Tensor]  # (q, d), (n, d) -> (q, n): larger is nearer


def squared_euclidean(a: Tensor, b: Tensor) -> Tensor:
    """(q, n) minus squared Euclidean distances."""
    return -(a[:, None] - b).square().sum(-1)


def euclidean(a: Tensor, b: Tensor) -> Tensor:
    """(q, n) minus Euclidean distances; the gradient is finite at distance 0."""
    return -(-squared_euclidean(a, b)).clamp_min(torch.finfo(a.dtype).tiny).sqrt()


def manhattan(a: Tensor, b: Tensor) -> Tensor:
    """(q, n) minus sums of absolute differences."""
    return -(a[:, None] - b).abs().sum(-1)


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """(..., q, n) cosines of the angle between (..., q, d) and (..., n, d); 0 where a vector is 0."""
    with full_precision(a):
        return _unit(a) @ _unit(b).mT


def _unit(a: Tensor) -> Tensor:
    """Vectors of length 1, however short or long they were; 0 stays 0."""
    largest = a.detach().abs().amax(-1, keepdim=True)
    a = a / torch.where(largest > 0, largest, 1)
    return a * a.square().sum(-1, keepdim=True).clamp_min(1e-12).rsqrt()


METRICS: dict[str, Similarity] = {
    "squared_euclidean": squared_euclidean,
    "euclidean": euclidean,
    "manhattan": manhattan,
    "cosine": cosine,
}


def metric(name: str) -> Similarity:
    """The similarity of that name. Raises ValueError for another."""
    if name not in METRICS:
        raise ValueError(f"no metric is called {name!r}; choose one of {', '.join(METRICS)}")
    return METRICS[name]


def attend(scores: Tensor, values: Tensor, seen: Tensor) -> Tensor:
    """(..., q, k): softmax of the scores (..., q, n) over the rows that were ``seen`` (..., n), times the values
    (..., n, k)."""
    with full_precision(scores):
        return scores.masked_fill(~seen[..., None, :], -torch.inf).softmax(-1) @ values


def class_logsumexp(scores: Tensor, labels: Tensor) -> Tensor:
    """(..., q, way): log of the sum of exp(score) over the members of each class.

    ``scores`` is (..., q, n), ``labels`` one-hot (..., n, way). Softmax of the result over the classes is the sum of
    the attention that each class gets. A class without members gets -inf.
    """
    return scores[..., None].masked_fill(labels[..., None, :, :] == 0, -torch.inf).logsumexp(-2)


def class_sums(z: Tensor, labels: Tensor) -> Tensor:
    """(way, d): the sum of the rows of z (n, d) in each class of the one-hot labels (n, way)."""
    with full_precision(z):
        return labels.mT @ z


def full_precision(like: Tensor) -> torch.autocast:
    """Leaves mixed precision: sums and distances of half-precision numbers lose what tells classes apart."""
    return torch.autocast(like.device.type, enabled=False)
