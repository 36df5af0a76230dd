from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from quickstudy.nets import stacked
from quickstudy.nets.pool import Window, max_pool

LAST = torch.channels_last
WINDOWS = [Window((2, 2), (2, 2), (0, 0)), Window((3, 2), (2, 1), (1, 0)), Window((3, 3), (1, 1), (1, 1))]


def pictures(*shape):
    """No two numbers are as close as a finite difference reaches."""
    spread = torch.randperm(torch.Size(shape).numel()).double() / 10
    return spread.view(shape).contiguous(memory_format=LAST).requires_grad_()


@pytest.mark.parametrize("window", WINDOWS)
def test_values_and_derivatives_are_those_of_torch(window):
    x = pictures(2, 3, 6, 5)
    assert (max_pool(x, window) == F.max_pool2d(x, *window)).all()

    def ours(x):
        return max_pool(x.sin(), window).square()  # of which no derivative is constant

    assert gradcheck(ours, x)
    assert gradgradcheck(ours, x)
    assert gradgradcheck(lambda x: torch.autograd.grad(ours(x).sum(), x, create_graph=True)[0], x)


def test_channels_lie_last_in_second_derivatives():
    x = pictures(2, 3, 8, 8)
    y = max_pool(x, WINDOWS[0])
    along = torch.ones_like(y).requires_grad_()
    (g,) = torch.autograd.grad(y, x, along, create_graph=True)
    (second,) = torch.autograd.grad(g, along, torch.randn_like(g))
    assert all(a.is_contiguous(memory_format=LAST) for a in (y, g, second))


@pytest.mark.parametrize(
    "layer",
    [nn.MaxPool2d(2), nn.MaxPool2d(3, 2, 1), nn.MaxPool2d((2, 3), stride=(1, 2)), nn.MaxPool2d(3, 2, ceil_mode=True)],
)
def test_a_net_with_a_pool_runs_side_by_side(layer):
    net = nn.Sequential(nn.Conv2d(1, 2, 3), layer, nn.Flatten()).double()
    weights = {name: torch.stack([w.detach(), -w.detach()]) for name, w in net.named_parameters()}
    x = torch.randn(2, 3, 1, 10, 10, dtype=torch.float64)
    found = stacked.run(net, weights, x)
    alone = [torch.func.functional_call(net, {k: w[i] for k, w in weights.items()}, (x[i],)) for i in range(2)]
    torch.testing.assert_close(found, torch.stack(alone))
