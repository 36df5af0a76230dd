"""One learner over many tasks: the only place that chooses how.

Small tasks are mapped together by ``vmap``; a task that fills the caches by itself is run alone, which on a CPU is
faster than any batch of them. Gradients are taken chunk by chunk, so memory is that of one chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from quickstudy import tree
from quickstudy.core import Objective

FOOTPRINT = {"cpu": 2**15, "cuda": 2**26}  # numbers of input worth one call


def over_tasks(f: Callable[[Any], Any], items: Any, *, chunk: int | None = None) -> Any:
    """The results of ``f`` on every item of a stacked batch, stacked; ``chunk``: how many items a call."""
    return tree.cat([_mapped(f, group) for group in chunks(items, chunk)])


def gradients(module: nn.Module, objective: Objective, items: Any, *, chunk: int | None = None) -> Any:
    """The mean of ``objective(module, item)`` over a stacked batch, and its gradient for every trainable parameter.

    Returns (0-d tensor, list of tensors in the order of ``trainable(module)``).
    """
    parameters = trainable(module)
    total, sums = torch.zeros(()), [torch.zeros_like(p) for p in parameters]
    count = tree.size(items)
    for group in chunks(items, chunk):
        loss = _mapped(lambda item: objective(module, item), group).sum() / count
        grads = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
        torch._foreach_add_(sums, grads)
        total = total.to(loss) + loss.detach()
    return total, sums


def trainable(module: nn.Module) -> list[nn.Parameter]:
    """The slow weights: the parameters that are to be learned."""
    return [p for p in module.parameters() if p.requires_grad]


def chunks(items: Any, chunk: int | None = None) -> Iterator[Any]:
    """The stacked batch in pieces of at most ``chunk`` items."""
    step = chunk or _fitting(items)
    for start in range(0, tree.size(items), step):
        yield tree.index(items, slice(start, start + step))


def _fitting(items: Any) -> int:
    parts: list[Tensor] = tree.leaves(items)
    each = sum(leaf[0].numel() for leaf in parts)
    room = FOOTPRINT.get(parts[0].device.type, FOOTPRINT["cuda"])
    return max(1, room // max(each, 1))


def _mapped(f: Callable[[Any], Any], group: Any) -> Any:
    if tree.size(group) == 1:
        return tree.map(lambda leaf: leaf[None], f(tree.index(group, 0)))
    return torch.func.vmap(f, randomness="different")(group)
