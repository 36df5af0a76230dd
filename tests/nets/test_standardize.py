from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck, gradgradcheck

from quickstudy.nets.standardize import standardize

LAST = torch.channels_last


def arguments(shape, dtype=torch.float64, layout=LAST):
    x = torch.randn(shape, dtype=dtype) * 2 + 1
    x = x.contiguous(memory_format=layout) if len(shape) == 4 else x
    scales, shifts = torch.rand(2, shape[1], dtype=dtype) + 0.5
    return tuple(a.clone().requires_grad_() for a in (x, scales, shifts))


@pytest.mark.parametrize("layout", [LAST, torch.contiguous_format])
@pytest.mark.parametrize("shape", [(3, 2, 3, 3), (7, 4), (2, 3, 5)])
def test_values_and_both_derivatives(shape, layout):
    x, scales, shifts = arguments(shape, layout=layout)
    expected = F.batch_norm(x, None, None, scales, shifts, training=True)
    torch.testing.assert_close(standardize(x, scales, shifts, 1e-5), expected, rtol=1e-12, atol=1e-12)
    assert gradcheck(lambda *a: standardize(*a, 1e-5), (x, scales, shifts))
    assert gradgradcheck(lambda *a: standardize(*a, 1e-5), (x, scales, shifts))


@pytest.mark.parametrize("places", [(80, 28), (75, 7), (5, 3)])
def test_single_precision_is_single_precision(places):
    n, side = places
    x = (torch.randn(n, 8, side, side).relu() + 0.3).contiguous(memory_format=LAST)
    ones, zeros = torch.ones(8), torch.zeros(8)
    exact = F.batch_norm(x.double(), None, None, ones.double(), zeros.double(), training=True)
    assert float((standardize(x, ones, zeros, 1e-5) - exact).abs().max()) < 1e-4


def test_one_value_a_channel_becomes_the_shift():
    x, scales, shifts = arguments((1, 4, 1, 1))
    torch.testing.assert_close(standardize(x, scales, shifts, 1e-5)[0, :, 0, 0], shifts)


def test_the_next_layer_may_work_in_place():
    x, scales, shifts = arguments((4, 3, 5, 5))
    (grad,) = torch.autograd.grad(standardize(x, scales, shifts, 1e-5).relu_().sum(), x)
    expected = F.batch_norm(x, None, None, scales, shifts, training=True).relu().sum()
    torch.testing.assert_close(grad, torch.autograd.grad(expected, x)[0])


def test_third_derivatives():
    x, scales, shifts = arguments((4, 3))

    def slope(x, scales):
        out = standardize(x, scales, shifts, 1e-5).tanh().sum()
        return torch.autograd.grad(out, x, create_graph=True)[0]

    assert gradgradcheck(slope, (x, scales))
