"""What an outer estimator is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn

from quickstudy.core import Objective


class Estimator(ABC):
    """How an objective becomes gradients of the slow weights; ``chunk``: how many tasks at a time."""

    def __init__(self, *, chunk: int | None = None) -> None:
        self.chunk = chunk

    def init(self, module: nn.Module) -> Any:
        """What it carries from step to step, before the first: a tree of tensors; () for nothing."""
        return ()

    def check(self, module: nn.Module, objective: Objective) -> None:
        """Raises ValueError where it has no gradients for such a module or objective."""
        return None  # most have

    @abstractmethod
    def step(self, module: nn.Module, items: Any, objective: Objective, carry: Any) -> tuple[Tensor, list[Tensor], Any]:
        """The mean loss over the stacked items, the gradients in the order of ``batching.trainable(module)``, and
        what is carried on."""
