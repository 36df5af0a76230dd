"""The exact outer gradient: through everything the learner did."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from quickstudy import batching
from quickstudy.core import Objective


class Unroll:
    """Differentiates the objective through adaptation, whatever it does, one chunk of tasks at a time."""

    def __init__(self, *, chunk: int | None = None) -> None:
        self.chunk = chunk

    def init(self, module: nn.Module) -> tuple[()]:
        """It carries nothing from step to step."""
        return ()

    def step(
        self, module: nn.Module, items: Any, objective: Objective, carry: tuple[()]
    ) -> tuple[Tensor, list[Tensor], tuple[()]]:
        """The mean loss over the stacked items, and its gradients in the order of ``batching.trainable(module)``."""
        loss, grads = batching.gradients(module, objective, items, chunk=self.chunk)
        return loss, grads, carry
