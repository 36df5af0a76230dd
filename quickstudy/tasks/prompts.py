"""The supports of tasks, each as a stream to be answered example by example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from quickstudy.core import Examples, Task


class _Tasks(Protocol):
    way: int

    def batch(self, indices: Sequence[int]) -> Task: ...


class Prompts:
    """Stream ``i`` is the support of task ``i``."""

    def __init__(self, tasks: _Tasks) -> None:
        self.tasks, self.way = tasks, tasks.way

    def __getitem__(self, index: int) -> Examples:
        return Examples(*(leaf[0] for leaf in self.batch([index])))

    def batch(self, indices: Sequence[int]) -> Examples:
        """(t, n, *shape) inputs and their (t, n, ...) answers."""
        return self.tasks.batch(indices).support


def prompts(tasks: Any) -> Prompts:
    """The supports of these tasks as streams."""
    return Prompts(tasks)
