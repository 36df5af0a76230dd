"""The exact outer gradient: through everything the learner did."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from quickstudy import batching
from quickstudy.core import Objective
from quickstudy.outer.base import Estimator


class Unroll(Estimator):
    """Differentiates the objective through adaptation, whatever it does, one chunk of tasks at a time."""

    def step(self, module: nn.Module, items: Any, objective: Objective, carry: Any) -> tuple[Tensor, list[Tensor], Any]:
        loss, grads = batching.gradients(module, objective, items, chunk=self.chunk)
        return loss, grads, carry
