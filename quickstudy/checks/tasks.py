"""What every task distribution promises, and what episodes for classification promise besides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from quickstudy import tree
from quickstudy.core import Task, Tasks


def check_tasks(tasks: Tasks[Task], *, again: Tasks[Task] | None = None, indices: Sequence[int] = range(200)) -> None:
    """Every property of a task distribution below; ``again``: another object, made by the same call.

    Raises AssertionError for the first property that fails.
    """
    check_numbering(tasks, again or tasks, indices[:5])
    items = tasks.batch(indices)
    y = items.support.y
    if y.numel() and (y.is_floating_point() or len(y.unique()) > 1):
        check_disjoint(tree.index(items, slice(5)))
    if not y.is_floating_point() and len(y.unique()) > 1:
        check_balance(items)
        check_no_leak(items)


def check_numbering(tasks: Tasks[Task], again: Tasks[Task], indices: Sequence[int]) -> None:
    """The same index is the same task on both objects, alone or in any batch; other indices are other tasks."""
    singles = [tasks[index] for index in indices]
    stacked = tree.stack(singles)
    for source, name in ((tasks, "the same object"), (again, "another object made by the same call")):
        assert _equal(source.batch(indices), stacked), f"batch differs from the stacked single tasks, on {name}"
        backwards = tree.map(lambda leaf: leaf.flip(0), stacked)
        assert _equal(source.batch(indices[::-1]), backwards), f"a task depends on its place in the batch, on {name}"
    twins = [(i, j) for i in range(len(singles)) for j in range(i) if _equal(singles[i], singles[j])]
    assert not twins, f"the indices {[(indices[i], indices[j]) for i, j in twins]} are the same task"


def check_disjoint(items: Task) -> None:
    """No task asks for an input that it has shown. (A pool that holds the same picture twice can fail this, too.)"""
    for index in range(tree.size(items)):
        shown, asked = (set(_prints(part.x)) for part in tree.index(items, index))
        assert not shown & asked, f"{len(shown & asked)} inputs of task {index} are in its support and its query"


def check_balance(items: Task) -> None:
    """Each class is as often in the support and in the query as any other, in an order drawn anew."""
    for name, y in (("support", items.support.y), ("query", items.query.y)):
        counts = (y[:, :, None] == y.unique()).sum(1)
        assert bool((counts == counts[0, 0]).all()), f"classes are not balanced in the {name}: {counts[0].tolist()}"
        assert len(y.unique(dim=0)) > 1, f"the labels of the {name} come in the same order in every task"
        missing = set(y.unique().tolist()) - set(y[:, 0].tolist())
        assert not missing, f"the classes {sorted(missing)} are never first in the {name} in {len(y)} tasks"


def check_no_leak(items: Task) -> None:
    """What a class is called changes from task to task, so that a label cannot be learned by heart."""
    met: dict[bytes, list[int]] = defaultdict(list)
    for part in items:
        for print_, label in zip(_prints(part.x.flatten(0, 1)), part.y.flatten().tolist(), strict=True):
            met[print_].append(label)
    often = [labels for labels in met.values() if len(labels) > 1]
    fixed = sum(len(set(labels)) == 1 for labels in often)
    assert fixed <= 0.9 * len(often), (
        f"{fixed} of {len(often)} pictures that were met again had the same label each time; draw the order of the "
        "classes anew for every task"
    )


def _equal(a: Any, b: Any) -> bool:
    return all(torch.equal(x, y) for x, y in zip(tree.leaves(a), tree.leaves(b), strict=True))


def _prints(x: Tensor) -> list[bytes]:
    """Something to tell pictures apart by: their bytes."""
    return [picture.tobytes() for picture in x.cpu().numpy()]
