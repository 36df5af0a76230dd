"""Learners that read sequences, trained over many tasks at once and one task at a time: ``python bench/sequences.py``.

Both sides take one gradient of the mean loss of the same streams, on one thread, in turn. Ours is what a training does;
theirs the usual loop over tasks, each with its own forward and backward pass and its own loop over the steps; for the
LSTM also PyTorch's, which takes all steps of a stream in one call, as ours does of many. Losses and gradients of both
sides are held against each other in double precision first.
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from records import compared_in_turn, save
from torch import Tensor, nn

from quickstudy import batching, devices, learners, tree
from quickstudy.checks.tools import cast, double
from quickstudy.core import Examples, Learner, TraceLoss, cross_entropy

WAY, LENGTH, SHAPE = 5, 50, (1, 20, 20)
ROUNDS = 12
Part = tuple[Tensor, list[Tensor]]


class Work(NamedTuple):
    """A learner, what it reads, and the loop over tasks."""

    what: str
    learner: Learner
    streams: Examples
    one_by_one: Callable[[Learner, Examples], Part]
    peer: str = "one task at a time"


def works(tasks: int) -> dict[str, Work]:
    """What is compared, by what stands in the files' names."""
    size = f"{tasks} streams of {LENGTH}, {WAY} classes"
    streams = Examples(torch.rand(tasks, LENGTH, *SHAPE), torch.randint(0, WAY, (tasks, LENGTH)))
    lstm, mann = (make(SHAPE, way=WAY) for make in (learners.lstm, learners.mann))
    return {
        "lstm": Work(f"LSTM of 200, {size}", lstm, streams, looped),
        "lstm-fused": Work(f"LSTM of 200, {size}", lstm, streams, fused, "torch.nn.LSTM, one task at a time"),
        "mann": Work(f"MANN, 128 rows of 40, 4 heads, {size}", mann, streams, looped),
    }


def together(learner: Learner, streams: Examples) -> Part:
    """What a training step takes."""
    loss, grads = batching.gradients(learner, learner.objective(WAY), streams)
    return loss, grads


def looped(learner: Learner, streams: Examples) -> Part:
    """Task by task and step by step."""
    objective, weights = TraceLoss(WAY), batching.trainable(learner)
    return accumulated(weights, lambda stream: objective(learner, stream), streams)


def fused(learner: Learner, streams: Examples) -> Part:
    """The same LSTM by PyTorch's fused kernel, stream by stream."""
    cell, last = learner.cell.cell, learner.last
    peer = nn.LSTM(cell.weight_ih.shape[1], cell.hidden).to(cell.weight_ih)
    with torch.no_grad():
        peer.weight_ih_l0.copy_(cell.weight_ih)
        peer.weight_hh_l0.copy_(cell.weight_hh)
        peer.bias_ih_l0.copy_(cell.bias)
        peer.bias_hh_l0.zero_()
    peer.bias_hh_l0.requires_grad_(False)

    def loss(stream: Examples) -> Tensor:
        labels = stream.x.new_zeros(LENGTH, WAY)
        labels[1:] = nn.functional.one_hot(stream.y[:-1], WAY)
        outputs, _ = peer(torch.cat([stream.x.flatten(1), labels], 1)[:, None])
        return cross_entropy(last(outputs[:, 0]), stream.y)

    weights = [peer.weight_ih_l0, peer.weight_hh_l0, peer.bias_ih_l0, last.weight, last.bias]
    return accumulated(weights, loss, streams)


def accumulated(weights: list[Tensor], loss: Callable[[Examples], Tensor], streams: Examples) -> Part:
    """The mean loss and its gradients, one backward pass after the other."""
    total, sums, count = 0.0, [torch.zeros_like(weight) for weight in weights], tree.size(streams)
    for i in range(count):
        value = loss(tree.index(streams, i))
        torch._foreach_add_(sums, torch.autograd.grad(value, weights))
        total += float(value.detach())
    torch._foreach_div_(sums, count)
    return torch.tensor(total / count, dtype=torch.float64), sums


def checked(work: Work) -> float:
    """The largest relative difference of a gradient in double precision. Raises AssertionError where losses or
    gradients are not the same."""
    exact = double(work.learner).train(), cast(work.streams)
    (loss, grads), (other, theirs) = together(*exact), work.one_by_one(*exact)
    assert abs(float(loss) / float(other) - 1) < 1e-12, f"the losses are {float(loss)} and {float(other)}"
    off = max(float((a - b).norm() / b.norm()) for a, b in zip(grads, theirs, strict=True))
    assert off < 1e-9, f"gradients are off by {off}"
    return off


def compared(work: Work, rounds: int) -> dict[str, Any]:
    off = checked(work)
    both = (work.learner, work.streams)
    sides = (functools.partial(timed, side, *both) for side in (together, work.one_by_one))
    return {
        "work": work.what,
        "unit": "seconds a training step",
        "peer": work.peer,
        "peer_version": torch.__version__,
        **compared_in_turn(*sides, rounds=rounds, warm=1),
        "gradients_differ_by": off,
    }


def timed(f: Callable[..., Any], *arguments: Any) -> float:
    begun = time.perf_counter()
    f(*arguments)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--tasks", type=int, default=64)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    devices.prepare()
    for name, work in works(options.tasks).items():
        record = compared(work, options.rounds)
        save(options.out / f"sequences-{name}-{options.tasks}.json", record)
        print(f"{record['work']}, against {record['peer']}: ratio {record['ratio']:.2f}")


if __name__ == "__main__":
    main()
