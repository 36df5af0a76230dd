from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradgradcheck

from quickstudy.nets.norm import BatchNorm, recording
from quickstudy.nets.patches import GreyConv2d, GreyNormed


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


def normed(stride=1):
    layer = GreyNormed(GreyConv2d(5, stride=stride, bias=False), BatchNorm(5)).double()
    for weight in layer.parameters():
        torch.nn.init.normal_(weight)
    return layer


def in_two_steps(layer, x):
    convolution, norm = layer
    return norm(convolution(x))


@pytest.mark.parametrize("stride", [1, 2])
def test_normalizing_the_weights_is_normalizing_the_outputs(stride):
    layer, x = normed(stride), torch.rand(3, 1, 9, 8, dtype=torch.float64)
    both = layer(x), in_two_steps(layer, x)
    torch.testing.assert_close(*both, rtol=1e-10, atol=1e-10)
    weights = list(layer.parameters())
    slopes = [torch.autograd.grad(out.tanh().square().sum(), weights, create_graph=True) for out in both]
    seconds = [torch.autograd.grad(sum((g**2).sum() for g in grads), weights) for grads in slopes]
    for ours, theirs in (slopes, seconds):
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-8)


def test_calibration_notes_the_same_and_then_answers_by_it():
    layer, x = normed(), torch.rand(2, 6, 1, 7, 7, dtype=torch.float64)
    with torch.no_grad(), recording(layer):
        for batch in x:
            layer(batch)
    noted = layer[1].mean.clone(), layer[1].variance.clone()
    with torch.no_grad(), recording(layer):
        for batch in x:
            in_two_steps(layer, batch)
    torch.testing.assert_close(noted, (layer[1].mean, layer[1].variance))
    torch.testing.assert_close(layer.eval()(x[0]), in_two_steps(layer, x[0]))
    torch.testing.assert_close(layer(x[0])[:1], layer(x[0, :1]))


def test_the_moments_keep_their_digits_in_half_precision():
    layer, x = normed().float(), torch.rand(64, 1, 28, 28)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = layer(x).float()
    off = (out.mean((0, 2, 3)) - layer[1].bias).abs() / layer[1].weight.abs()
    assert float(off.max()) < 2e-2  # the rounding of weights and pixels, and no more


def test_a_blank_picture_is_no_nan():
    assert bool(normed()(torch.zeros(2, 1, 6, 6, dtype=torch.float64)).isfinite().all())
