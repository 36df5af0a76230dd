from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from quickstudy.nets.conv4 import conv4
from quickstudy.nets.lenet import lenet


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("norm", ["batch", "none"])
def test_equals_the_textbook_order_conv_bn_relu_pool(norm, channels):
    net = conv4((channels, 37, 28), width=5, normalization=norm).double()
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.5)  # negative scales of the normalization, too
    x = torch.randn(4, channels, 37, 28).double()
    h = x
    for (convolution, bn), *_ in list(net.blocks)[:4]:
        h = F.conv2d(h, convolution.weight, convolution.bias, padding=1)
        if norm == "batch":
            h = F.batch_norm(h, None, None, bn.weight, bn.bias, training=True)
        h = F.max_pool2d(h.relu(), 2)
    torch.testing.assert_close(net(x), h.flatten(1), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("size", "features"), [(16, 64), (28, 64), (84, 1600), (105, 2304)])
def test_features_are_those_of_the_papers(size, features):
    net = conv4((1, size, size))
    assert net.features == features
    assert net(torch.rand(2, 1, size, size)).shape == (2, features)


def test_a_block_without_normalization_has_a_bias_and_one_with_it_none():
    assert conv4((1, 16, 16), width=4, normalization="none").blocks[0][0][0].bias is not None
    assert conv4((1, 16, 16), width=4, normalization="batch").blocks[0][0][0].bias is None


@pytest.mark.parametrize(("size", "channels"), [(28, 1), (32, 3), (84, 3), (12, 1)])
def test_lenet_has_84_features(size, channels):
    net = lenet((channels, size, size))
    assert net(torch.rand(2, channels, size, size)).shape == (2, net.features) == (2, 84)


def test_lenet_is_the_classic_400_120_84():
    assert [tuple(w.shape) for w in lenet((1, 28, 28)).parameters() if w.dim() == 2] == [(120, 400), (84, 120)]


def test_too_small_pictures_are_refused():
    with pytest.raises(ValueError, match="at least 16 x 16, got 15 x 40; enlarge"):
        conv4((1, 15, 40))
    with pytest.raises(ValueError, match="at least 12 x 12, got 11 x 28; enlarge"):
        lenet((1, 11, 28))
