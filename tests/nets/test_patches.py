from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradgradcheck

from quickstudy.nets.patches import GreyConv2d


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("size", [(28, 28), (7, 10), (3, 3)])
def test_equals_torchs_convolution(stride, bias, size):
    layer = GreyConv2d(5, stride=stride, bias=bias).double()
    x = torch.randn(3, 1, *size, dtype=torch.float64, requires_grad=True)
    expected = F.conv2d(x, layer.weight, layer.bias, stride, 1)
    torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)
    ours, theirs = (torch.autograd.grad(out.tanh().sum(), [x, *layer.parameters()]) for out in (layer(x), expected))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_second_derivatives():
    layer, x = GreyConv2d(2, stride=2, bias=False).double(), torch.randn(2, 1, 5, 5, dtype=torch.float64)
    call = torch.func.functional_call
    weight = layer.weight.detach().requires_grad_()
    assert gradgradcheck(lambda w: call(layer, {"weight": w}, (x,)).tanh(), (weight,))


def test_channels_lie_last():
    out = GreyConv2d(5, stride=1, bias=False)(torch.rand(3, 1, 8, 8))
    assert out.is_contiguous(memory_format=torch.channels_last)


def test_mapped_over_tasks():
    layer, x = GreyConv2d(4, stride=2, bias=True), torch.rand(3, 2, 1, 9, 9)
    torch.testing.assert_close(torch.func.vmap(layer)(x), torch.stack([layer(one) for one in x]))
