from __future__ import annotations

import pytest
import torch
from torch import nn

from quickstudy.core import Examples, Task
from quickstudy.learners.gradient import Gradient
from quickstudy.nets.heads import Learned
from quickstudy.nets.stacked import stackable
from quickstudy.rules import sgd


@pytest.fixture(params=["side by side", "mapped"])
def net(request) -> nn.Module:
    """Smooth, of layers that the stacked engine knows, or with one that it does not."""
    layers = [nn.Linear(3, 6), nn.Linear(6, 4)]
    made = nn.Sequential(*(layers if request.param == "side by side" else [layers[0], nn.Tanh(), layers[1]]))
    assert stackable(made) == (request.param == "side by side")
    return made


@pytest.fixture
def make(net):
    def made(rule=None, **options) -> Gradient:
        return Gradient(net, Learned(4, 3), rule or sgd(0.3), **{"steps": 3, **options}).double()

    return made


@pytest.fixture
def items() -> Task:
    def examples(n):
        return Examples(torch.randn(5, n, 3).double(), torch.arange(n).remainder(3).repeat(5, 1))

    return Task(examples(6), examples(9))


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)
