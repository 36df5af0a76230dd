"""Chunks on several threads: the same bits as on one, and what it is that makes them so."""

from __future__ import annotations

import time

import pytest
import torch
from torch import nn

from quickstudy import batching
from quickstudy.core import Examples, Task
from quickstudy.learners.gradient import Gradient
from quickstudy.nets.heads import Learned
from quickstudy.rules import sgd


class Pause(nn.Module):
    """Lets other threads go on while this one is in the middle of the net, its weights swapped in."""

    def forward(self, x):
        time.sleep(5e-4)
        return x.tanh()


@pytest.fixture
def learner():
    net = nn.Sequential(nn.Linear(3, 5), Pause(), nn.Linear(5, 5), Pause(), nn.Linear(5, 4))
    return Gradient(net, Learned(4, 3), sgd(0.5), steps=2).double()


@pytest.fixture
def items():
    def examples(n):
        return Examples(torch.randn(12, n, 3).double(), torch.arange(n).remainder(3).repeat(12, 1))

    return Task(examples(6), examples(6))


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def gradients(learner, items, threads, chunk=1):
    torch.set_num_threads(threads)
    loss, grads = batching.gradients(learner, learner.objective(3), items, chunk=chunk)
    assert torch.get_num_threads() == threads
    return [loss, *grads]


@pytest.mark.parametrize("chunk", [1, 2, 5])
def test_threads_give_the_bits_of_one(chunk, learner, items):
    alone = gradients(learner, items, 1, chunk)
    for threads in (2, 3):
        assert all(map(torch.equal, gradients(learner, items, threads, chunk), alone))


def test_threads_that_shared_the_module_would_go_wrong(learner, items, monkeypatch):
    """Else the test above would say nothing."""
    alone = gradients(learner, items, 1)
    monkeypatch.setattr(batching, "shell", lambda module: module)
    assert any(_goes_wrong(learner, items, alone) for _ in range(20))


def _goes_wrong(learner, items, alone) -> bool:
    try:
        return not all(map(torch.equal, gradients(learner, items, 2), alone))
    except Exception:  # whatever comes of it
        return True
