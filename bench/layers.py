"""Layers of our own beside PyTorch's, on a CPU: ``python bench/layers.py``.

Each pair is given the same inputs in turn, on one thread, and both results are held against double precision: what a
layer is off by stands beside what it costs. Inputs are what such a layer meets: outputs of a ReLU, channels last.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from records import compared_in_turn, on_one_thread, save
from torch import Tensor, nn

from quickstudy.learners.matching import FullContext
from quickstudy.nets.convolution import convolve
from quickstudy.nets.norm import BatchNorm
from quickstudy.nets.patches import GreyConv2d, GreyNormed
from quickstudy.nets.pool import Window, max_pool
from quickstudy.nets.standardize import standardize

ROUNDS = 40
LAST = torch.channels_last


class Pair(NamedTuple):
    """The same map twice, of the same tensors, the first of which are trained."""

    work: str
    ours: Callable[..., Tensor]
    theirs: Callable[..., Tensor]
    inputs: tuple[Tensor, ...]


def pairs() -> dict[str, Pair]:
    """What is compared, by what stands in the files' names."""
    return {
        "batch-norm-maml": batch_norm(75, 14),
        "batch-norm-60-way": batch_norm(300, 28),
        "first-layer": first_layer(80),
        "shared-weights": shared_weights(8, 5),
        "pool-second": pool_second(5),
        "full-context": full_context(20, 100, 1600),
    }


def batch_norm(n: int, side: int) -> Pair:
    x = (torch.randn(n, 64, side, side).relu() + 0.3).contiguous(memory_format=LAST)

    def theirs(x: Tensor, scales: Tensor, shifts: Tensor) -> Tensor:
        return F.batch_norm(x, None, None, scales, shifts, training=True)

    work = f"batch normalization of {n} x 64 x {side} x {side}, channels last, there and back"
    return Pair(work, lambda *a: standardize(*a, 1e-5), theirs, (x, torch.rand(64), torch.rand(64)))


def first_layer(n: int) -> Pair:
    layer = GreyNormed(GreyConv2d(64, stride=1, bias=False), BatchNorm(64))
    names = [name for name, _ in layer.named_parameters()]
    x = torch.rand(n, 1, 28, 28)

    def ours(*weights: Tensor) -> Tensor:
        return torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), (x.to(weights[0]),))

    def theirs(kernel: Tensor, scales: Tensor, shifts: Tensor) -> Tensor:
        return F.batch_norm(F.conv2d(x.to(kernel), kernel, padding=1), None, None, scales, shifts, training=True)

    start = tuple(weight.detach() for weight in layer.parameters())
    return Pair(
        f"3x3 convolution of {n} grey pictures of 28 x 28 and its normalization, there and back", ours, theirs, start
    )


def shared_weights(tasks: int, n: int) -> Pair:
    """The first inner step, whose weights all tasks share, but for the gradients of the weights, which they do not."""
    kernel = torch.randn(64, 64, 3, 3)
    beside = torch.rand(n, tasks * 64, 14, 14).contiguous(memory_format=LAST)

    def grouped(x: Tensor) -> Tensor:
        kernels = kernel.to(x).repeat(tasks, 1, 1, 1)
        return convolve(x, kernels, stride=(2, 2), padding=(1, 1), groups=tasks)

    def together(x: Tensor) -> Tensor:
        one_by_one = x.unflatten(1, (tasks, 64)).transpose(0, 1).flatten(0, 1).contiguous(memory_format=LAST)
        out = F.conv2d(one_by_one, kernel.to(x), None, 2, 1)
        return out.unflatten(0, (tasks, n)).transpose(0, 1).flatten(1, 2)

    work = f"convolution of {tasks} tasks of {n} pictures, 64 x 14 x 14, in groups against moved and together"
    return Pair(work, grouped, together, (beside,))


def pool_second(n: int) -> Pair:
    """What MAML goes back through in its inner loop on miniImageNet, in the first block."""
    x = torch.randn(n, 32, 84, 84).contiguous(memory_format=LAST)

    def slope(pool: Callable[[Tensor], Tensor], x: Tensor, scales: Tensor, shifts: Tensor) -> Tensor:
        x = x if x.requires_grad else x.clone().requires_grad_()
        out = pool(standardize(x, scales, shifts, 1e-5)).relu()
        return torch.autograd.grad(out.square().sum(), x, create_graph=True)[0]

    ours = functools.partial(slope, lambda x: max_pool(x, Window((2, 2), (2, 2), (0, 0))))
    theirs = functools.partial(slope, lambda x: F.max_pool2d(x, 2))
    work = f"slope of max-pooled batch normalization of {n} x 32 x 84 x 84, and the second derivatives"
    return Pair(work, ours, theirs, (x, torch.rand(32), torch.rand(32)))


def full_context(n: int, q: int, features: int) -> Pair:
    """The contexts of matching networks, on miniImageNet in a task of 20 ways; as PyTorch's modules put the equations,
    the cell of f is fed the query beside what was read."""
    context = FullContext(features, steps=5)
    names = [f"context.{name}" for name, _ in context.named_parameters()]

    def ours(keys: Tensor, queries: Tensor, *weights: Tensor) -> Tensor:
        return torch.func.functional_call(Read(context), dict(zip(names, weights, strict=True)), (keys, queries))

    def theirs(keys: Tensor, queries: Tensor, *weights: Tensor) -> Tensor:
        none, start = torch.zeros_like(weights[2]), keys.new_zeros(2, 1, features)
        both = [*weights[:3], none, *weights[3:6], none]
        read = torch.lstm(keys[None], [start, start], both, True, 1, 0.0, True, True, True)[0][0]
        keys = keys + read[:, :features] + read[:, features:]
        h = c = torch.zeros_like(queries)
        for _ in range(context.steps):
            fed = torch.cat([queries, (h @ keys.mT).softmax(-1) @ keys], 1)
            out, c = torch.lstm_cell(fed, (h, c), *weights[6:], none)
            h = out + queries
        return h

    work = f"full contexts of {n} examples and {q} queries of {features:,} features, there and back"
    given = torch.randn(n, features).relu(), torch.randn(q, features).relu()
    return Pair(work, ours, theirs, (*given, *(w.detach() for w in context.parameters())))


class Read(nn.Module):
    """The queries in their context, of one task that is stacked, as in training."""

    def __init__(self, context: FullContext) -> None:
        super().__init__()
        self.context = context

    def forward(self, keys: Tensor, queries: Tensor) -> Tensor:
        seen = torch.ones(1, len(keys), dtype=torch.bool)
        return self.context.query(queries[None], self.context.support(keys[None]), seen)[0]


def measured(f: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> float:
    """Seconds there and back."""
    live = [a.detach().requires_grad_() for a in inputs]
    begun = time.perf_counter()
    out = f(*live)
    torch.autograd.grad(out, live, torch.ones_like(out))
    return time.perf_counter() - begun


def error(f: Callable[..., Tensor], exact: Tensor, inputs: tuple[Tensor, ...]) -> float:
    """The largest difference of the outputs from those in double precision."""
    return float((f(*inputs).double() - exact).abs().max())


def compared(pair: Pair, rounds: int) -> dict[str, Any]:
    exact = pair.theirs(*(a.double() for a in pair.inputs))
    sides = (functools.partial(measured, side, pair.inputs) for side in (pair.ours, pair.theirs))
    return {
        "work": pair.work,
        "unit": "seconds",
        "peer": "torch",
        "peer_version": torch.__version__,
        **compared_in_turn(*sides, rounds=rounds, warm=3),
        "error_ours": error(pair.ours, exact, pair.inputs),
        "error_theirs": error(pair.theirs, exact, pair.inputs),
    }


def main() -> None:
    options = on_one_thread(__doc__, ROUNDS)
    for name, pair in pairs().items():
        record = compared(pair, options.rounds)
        save(options.out / f"layer-{name}.json", record)
        errors = "off by {error_ours:.1e} / {error_theirs:.1e}".format(**record)
        print(f"{record['work']}: ratio {record['ratio']:.2f}, {errors}")


if __name__ == "__main__":
    main()
