"""First-order meta-learning (Finn, Abbeel & Levine, 2017, section 5.2): no second derivatives."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from quickstudy import batching
from quickstudy.core import Objective
from quickstudy.learners.inner import constant_gradients
from quickstudy.outer.base import Estimator


class FirstOrder(Estimator):
    """As ``Unroll``, with the gradients inside a task as constants: an adapted weight is the slow one plus a constant,
    so that of MAML by gradient descent the outer gradient is the query's at the adapted weights. A rule that is
    learned still learns, by how it uses those constants. Learners that take no gradients inside are as with
    ``Unroll``."""

    def step(self, module: nn.Module, items: Any, objective: Objective, carry: Any) -> tuple[Tensor, list[Tensor], Any]:
        with constant_gradients():
            loss, grads = batching.gradients(module, objective, items, chunk=self.chunk)
        return loss, grads, carry
