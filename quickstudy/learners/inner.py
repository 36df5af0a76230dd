"""The two ways to run an inner loop: for one task, so that ``vmap`` can map it, and for stacked tasks side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from quickstudy.nets import stacked
from quickstudy.rules.rule import Rule, Weights

CONSTANT: ContextVar[bool] = ContextVar("whether inner gradients count as constants", default=False)
Loss = Callable[[Weights], Tensor]


class Inner(NamedTuple):
    """What an inner loop is made of."""

    axis: int  # where the examples are counted: behind the tasks, if there are any
    run: Callable[[nn.Module, Weights, Tensor], Tensor]  # net, weights, inputs -> outputs
    slope: Callable[[Loss, Weights], tuple[Weights, Tensor]]  # gradients and value of a loss
    update: Callable[[Rule, Weights, Any, Weights, Tensor], tuple[Weights, Any]]  # a step of the rule


@contextmanager
def constant_gradients() -> Iterator[None]:
    """Inside, no derivative goes back through an inner gradient: first-order meta-learning."""
    token = CONSTANT.set(True)
    try:
        yield
    finally:
        CONSTANT.reset(token)


def _run(net: nn.Module, weights: Weights, x: Tensor) -> Tensor:
    return functional_call(net, weights, (x,))


def _run_many(net: nn.Module, weights: Weights, x: Tensor) -> Tensor:
    """Where every task has the net's own weights, one after the other beats side by side."""
    return stacked.run(net, weights, x) if weights else torch.stack([net(one) for one in x])


def _slope(loss: Loss, weights: Weights) -> tuple[Weights, Tensor]:
    with torch.set_grad_enabled(torch.is_grad_enabled() and not CONSTANT.get()):
        return torch.func.grad_and_value(loss)(weights)


def _update(rule: Rule, grads: Weights, memory: Any, weights: Weights, loss: Tensor) -> tuple[Weights, Any]:
    return rule.update(grads, memory, weights, loss)


def _slopes(loss: Loss, weights: Weights) -> tuple[Weights, Tensor]:
    """Of (t,) losses, each of which depends on the weights [i] of its own task alone."""
    through = torch.is_grad_enabled() and not CONSTANT.get()
    with torch.enable_grad():
        at = {name: w if through and w.requires_grad else w.detach().requires_grad_() for name, w in weights.items()}
        values = loss(at)
        grads = torch.autograd.grad(values.sum(), list(at.values()), create_graph=through, materialize_grads=True)
    return dict(zip(at, grads, strict=True)), values if through else values.detach()


def _updates(rule: Rule, grads: Weights, memory: Any, weights: Weights, loss: Tensor) -> tuple[Weights, Any]:
    return rule.update_all(grads, memory, weights, loss)


ONE = Inner(0, _run, _slope, _update)
MANY = Inner(1, _run_many, _slopes, _updates)
