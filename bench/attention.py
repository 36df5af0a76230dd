"""Learners with attention over many tasks at once, beside one task after the other: ``python bench/attention.py``.

Both take the gradients of the same weights on the same tasks, in turn, on one thread; the losses and the gradients have
to be equal. One after the other is how such learners are usually trained that are written for one task: a loss, a
backward pass, the next.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from records import compared_in_turn, on_one_thread, save
from torch import Tensor, nn

from quickstudy import batching, tree
from quickstudy.core import Examples, Learner, Task
from quickstudy.learners import in_context, meta_networks, snail
from quickstudy.learners.snail import SNAIL
from quickstudy.nets.temporal import Snail
from quickstudy.tasks import linear, prompts

ROUNDS = 20
EQUAL = 1e-4  # relative, in float32
Found = tuple[Tensor, list[Tensor]]  # the mean loss and its gradients


class Case(NamedTuple):
    """What is trained, and on what."""

    work: str
    learner: Learner
    items: Any
    way: int


def cases() -> dict[str, Case]:
    """By what stands in the files' names."""
    lessons = prompts(linear(5, 11, 1)).batch(range(64))
    head = "there and back"
    return {
        "in-context": Case(f"transformer on 64 streams of 11 pairs, {head}", in_context(5), lessons, 1),
        "snail": Case(
            f"SNAIL on 32 embedded tasks, 5-way 1-shot, {head}",
            SNAIL(nn.Identity(), Snail(64 + 5, 6), way=5),
            episodes(32, 5, 1, 1, (64,)),
            5,
        ),
        "snail-pictures": Case(
            f"SNAIL on 32 tasks of pictures, 5-way 1-shot, {head}",
            snail((1, 28, 28), way=5, normalization="group"),
            episodes(32, 5, 1, 1, (1, 28, 28)),
            5,
        ),
        "meta-networks": Case(
            f"Meta Networks on 32 tasks of pictures, 5-way 1-shot, {head}",
            meta_networks((1, 28, 28), way=5, normalization="group"),
            episodes(32, 5, 1, 1, (1, 28, 28)),
            5,
        ),
    }


def episodes(tasks: int, way: int, shot: int, query: int, shape: tuple[int, ...]) -> Task:
    """Noise, with labels in order: what it costs does not depend on it."""
    labels = [torch.arange(way).repeat(each).expand(tasks, -1) for each in (shot, query)]
    return Task(*(Examples(torch.rand(*y.shape, *shape), y) for y in labels))


def together(case: Case) -> Found:
    return batching.gradients(case.learner, case.learner.objective(case.way), case.items)


def one_by_one(case: Case) -> Found:
    objective, weights = case.learner.objective(case.way), batching.trainable(case.learner)
    for weight in weights:
        weight.grad = None
    count, total = tree.size(case.items), torch.zeros(())
    for i in range(count):
        loss = objective(case.learner, tree.index(case.items, i)) / count
        loss.backward()
        total = total + loss.detach()
    return total, [weight.grad for weight in weights]


def timed(f: Callable[[Case], Found], case: Case) -> float:
    begun = time.perf_counter()
    f(case)
    return time.perf_counter() - begun


def check(case: Case) -> float:
    """The largest relative difference of the losses and the gradients of both ways; the end where it is too large."""
    (loss, grads), (expected, others) = together(case), one_by_one(case)
    off = float((loss - expected).abs() / expected)
    scale = max(float(grad.abs().max()) for grad in others)
    off = max(off, *(float((a - b).abs().max()) / scale for a, b in zip(grads, others, strict=True)))
    if off > EQUAL:
        raise SystemExit(f"{case.work}: the two ways differ by {off:.1e}")
    return off


def compared(case: Case, rounds: int) -> dict[str, Any]:
    off = check(case)
    return {
        "work": case.work,
        "unit": "seconds",
        "peer": "one task at a time",
        "peer_version": "",
        **compared_in_turn(lambda: timed(together, case), lambda: timed(one_by_one, case), rounds=rounds, warm=2),
        "losses_differ_by": off,
    }


def main() -> None:
    options = on_one_thread(__doc__, ROUNDS)
    for name, case in cases().items():
        record = compared(case, options.rounds)
        save(options.out / f"attention-{name}.json", record)
        print(f"{record['work']}: ratio {record['ratio']:.2f}, equal to {record['losses_differ_by']:.0e}")


if __name__ == "__main__":
    main()
