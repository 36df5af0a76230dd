from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck, gradgradcheck

from quickstudy.nets.convolution import Conv2d, convolve


@pytest.mark.parametrize(("stride", "groups"), [((1, 1), 1), ((2, 2), 1), ((2, 1), 2), ((1, 1), 3)])
def test_values_and_derivatives_are_those_of_torch(stride, groups):
    x = torch.randn(2, 2 * groups, 6, 5, dtype=torch.float64, requires_grad=True)
    w = torch.randn(3 * groups, 2, 3, 3, dtype=torch.float64, requires_grad=True)

    def ours(x, w):
        return convolve(x, w, stride=stride, padding=(1, 1), groups=groups)

    torch.testing.assert_close(ours(x, w), F.conv2d(x, w, None, stride, 1, 1, groups), rtol=1e-12, atol=1e-12)
    assert gradcheck(ours, (x, w))
    assert gradgradcheck(ours, (x, w))


def test_groups_are_the_convolutions_side_by_side_through_second_derivatives():
    x = torch.randn(4, 3, 2, 7, 7, dtype=torch.float64)  # (n, groups, channels, ...)
    weights = torch.randn(3, 5, 2, 3, 3, dtype=torch.float64, requires_grad=True)

    def slope(value):
        (grad,) = torch.autograd.grad(value.tanh().sum(), weights, create_graph=True)
        return torch.autograd.grad((grad**2).sum(), weights)[0]

    grouped = convolve(x.flatten(1, 2), weights.flatten(0, 1), stride=(2, 2), padding=(1, 1), groups=3)
    alone = torch.cat([F.conv2d(x[:, i], weights[i], None, 2, 1) for i in range(3)], dim=1)
    torch.testing.assert_close(grouped, alone, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(slope(grouped), slope(alone), rtol=1e-10, atol=1e-10)


def test_autocast_decides_the_precision():
    x, w = torch.randn(2, 3, 8, 8), torch.randn(4, 3, 3, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert convolve(x, w, stride=(1, 1), padding=(1, 1), groups=1).dtype == torch.bfloat16
    assert convolve(x, w, stride=(1, 1), padding=(1, 1), groups=1).dtype == torch.float32


@pytest.mark.parametrize("bias", [True, False])
def test_autocast_reaches_a_mapped_convolution(bias):
    layer, x = Conv2d(3, 4, 3, bias=bias), torch.randn(5, 2, 3, 8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mapped, plain = torch.func.vmap(layer)(x), layer(x.flatten(0, 1)).unflatten(0, (5, 2))
    assert mapped.dtype == plain.dtype == torch.bfloat16
    torch.testing.assert_close(mapped, plain, rtol=0.02, atol=0.02)
    torch.testing.assert_close(layer(x[0]), torch.nn.Conv2d.forward(layer, x[0]))
