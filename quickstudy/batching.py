"""One learner over many tasks: the only place that chooses how.

Small tasks are mapped together by ``vmap``; a task that fills the caches by itself is run alone, which on a CPU is
faster than any batch of them. Gradients are taken chunk by chunk, so memory is that of one chunk, and on a CPU the
chunks are shared among as many threads as PyTorch would use inside one operation.
"""

from __future__ import annotations

import contextvars
import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import torch
from torch import Tensor, nn

from quickstudy import tree
from quickstudy.core import Learner, Objective, QueryLoss, Task, TraceLoss, mapped

FOOTPRINT = {"cpu": 2**15, "cuda": 2**26}  # numbers of input worth one call
STREAMS = 64  # worth one call of a learner that takes many small steps along each, whatever their pictures take
Part = tuple[Tensor, list[Tensor | None]]  # the sum of the losses of some items, and its gradients


def over_tasks(f: Callable[[Any], Any], items: Any, *, chunk: int | None = None) -> Any:
    """The results of ``f`` on every item of a stacked batch, stacked; ``chunk``: how many items a call."""
    return tree.cat([mapped(f, group) for group in chunks(items, chunk)])


def gradients(module: nn.Module, objective: Objective, items: Any, *, chunk: int | None = None) -> Any:
    """The mean of ``objective(module, item)`` over a stacked batch, and its gradient for every trainable parameter.

    Returns (0-d tensor, list of tensors in the order of ``trainable(module)``).
    """

    def part(shell: nn.Module, group: Any) -> Part:
        if isinstance(objective, QueryLoss) and isinstance(shell, Learner):
            return through_the_state(shell, objective, group)
        return _at_once(shell, objective, group)

    if chunk is None and isinstance(objective, TraceLoss) and isinstance(module, Learner) and module.together:
        chunk = STREAMS
    return mean(module, part, items, chunk=chunk)


def mean(module: nn.Module, f: Callable[[nn.Module, Any], Part], items: Any, *, chunk: int | None = None) -> Any:
    """The mean loss and gradients over a stacked batch, from the sums ``f(module, group)`` of its chunks.

    ``f`` is given a shell of the module: its own structure, the same parameters. On several threads it must not reach
    for the module itself.
    """
    count = tree.size(items)
    total, sums = torch.zeros(()), [torch.zeros_like(p) for p in trainable(module)]
    for loss, grads in _over_threads(f, module, list(chunks(items, chunk))):
        total = total.to(loss) + loss.detach() / count
        add(sums, grads)
    torch._foreach_div_(sums, count)
    return total, sums


def trainable(module: nn.Module) -> list[nn.Parameter]:
    """The slow weights: the parameters that are to be learned."""
    return [p for p in module.parameters() if p.requires_grad]


def add(sums: Sequence[Tensor], more: Iterable[Tensor | None]) -> None:
    """Adds in place where there is something to add."""
    pairs = [(a, b) for a, b in zip(sums, more, strict=True) if b is not None]
    if pairs:
        torch._foreach_add_([a for a, _ in pairs], [b for _, b in pairs])


def chunks(items: Any, chunk: int | None = None) -> Iterator[Any]:
    """The stacked batch in pieces of at most ``chunk`` items; unless given, as many as are worth one call."""
    read = items
    if isinstance(items, Task):
        read = items.support if items.support.x.numel() else items.query  # labelled batches have no support
    step = chunk or _fitting(read)
    for start in range(0, tree.size(items), step):
        yield tree.index(items, slice(start, start + step))


def shell(module: nn.Module) -> nn.Module:
    """The module's structure anew around the same parameters and buffers. ``functional_call`` swaps parameters in
    place, so that threads which share a module would compute with each other's."""
    kept = [*module.parameters(), *module.buffers()]
    return copy.deepcopy(module, {id(tensor): tensor for tensor in kept})


def scored(
    module: Learner, objective: QueryLoss, states: Any, group: Task
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """The sum of the losses of these states on the queries, its gradients for the leaves of the states that need one,
    and those for the parameters as far as answering uses them directly."""
    weights = trainable(module)
    above = [torch.zeros_like(leaf) for leaf in tree.leaves(states) if leaf.requires_grad]  # in the same memory layout
    total, sums, step = torch.zeros(()), [torch.zeros_like(p) for p in weights], _fitting(group.query)
    for start in range(0, tree.size(group), step):
        span = slice(start, start + step)
        state = tree.map(lambda leaf, span=span: leaf.detach()[span].requires_grad_(leaf.requires_grad), states)
        live = [leaf for leaf in tree.leaves(state) if leaf.requires_grad]
        loss = objective.score(module, state, tree.index(group, span)).sum()
        grads = torch.autograd.grad(loss, [*live, *weights], allow_unused=True)
        add([whole[span] for whole in above], grads[: len(live)])
        add(sums, grads[len(live) :])
        total = total.to(loss) + loss.detach()
    return total, above, sums


def through_the_state(module: Learner, objective: QueryLoss, group: Task) -> Part:
    """Forwards to the states, there and back over the queries task by task, then back through the adaptation."""
    states = objective.adapt(module, group)
    loss, above, sums = scored(module, objective, states, group)
    live = [leaf for leaf in tree.leaves(states) if leaf.requires_grad]
    if live:
        add(sums, torch.autograd.grad(live, trainable(module), above, allow_unused=True))
    return loss, list(sums)


def _at_once(module: nn.Module, objective: Objective, group: Any) -> Part:
    if isinstance(objective, TraceLoss) and isinstance(module, Learner):
        loss = objective.over(module, group).sum()
    else:
        loss = mapped(lambda item: objective(module, item), group).sum()
    return loss, list(torch.autograd.grad(loss, trainable(module), allow_unused=True))


def _fitting(items: Any) -> int:
    parts: list[Tensor] = tree.leaves(items)
    each = sum(leaf[0].numel() for leaf in parts)
    room = FOOTPRINT.get(parts[0].device.type, FOOTPRINT["cuda"])
    return max(1, room // max(each, 1))


def _over_threads(f: Callable[[nn.Module, Any], Part], module: nn.Module, groups: list[Any]) -> Iterator[Part]:
    """``f(shell, group)`` for every group, in their order, whatever thread was done first."""
    threads = torch.get_num_threads()
    workers = min(threads, len(groups))
    if workers < 2 or tree.leaves(groups[0])[0].device.type != "cpu" or _draws(module):
        yield from (f(module, group) for group in groups)
        return
    shells: SimpleQueue[nn.Module] = SimpleQueue()
    for _ in range(workers):
        shells.put(shell(module))

    def run(group: Any) -> Part:
        own = shells.get()
        try:
            return f(own, group)
        finally:
            shells.put(own)

    try:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield from pool.map(_here(run), groups)
    finally:
        torch.set_num_threads(threads)


def _here(f: Callable[[Any], Part]) -> Callable[[Any], Part]:
    """``f`` on another thread with the precision and the context variables of this one."""
    precise = torch.get_autocast_dtype("cpu"), torch.is_autocast_enabled("cpu")
    context = contextvars.copy_context()

    def run(group: Any) -> Part:
        with torch.autocast("cpu", dtype=precise[0], enabled=precise[1]):
            return context.copy().run(f, group)

    return run


def _draws(module: nn.Module) -> bool:
    """Whether random numbers are drawn, whose order threads would change."""
    drops = any(isinstance(part, nn.modules.dropout._DropoutNd) and part.training for part in module.modules())
    return drops or any(part.random for part in module.modules() if isinstance(part, Learner))
