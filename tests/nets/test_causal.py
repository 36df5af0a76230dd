"""Nets over a sequence see backwards only, and a sequence in parts is the sequence."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from quickstudy import tree
from quickstudy.nets.causal import CausalAttention, Chain
from quickstudy.nets.temporal import AttentionBlock, DenseBlock, Snail
from quickstudy.nets.transformer import Transformer

NETS = {
    "attention": lambda: CausalAttention(6, 4, 5),
    "heads": lambda: CausalAttention(6, 4, 8, heads=2),
    "beside": lambda: AttentionBlock(6, 4, 5),
    "convolution": lambda: DenseBlock(6, 3, dilation=2),
    "chain": lambda: Chain([AttentionBlock(6, 4, 5), DenseBlock(11, 3, dilation=1)]),
    "snail": lambda: Snail(6, 7, filters=2),
    "transformer": lambda: Transformer(6, layers=2, heads=2, length=12),
}
every = pytest.mark.parametrize("name", NETS)


def made(name):
    return NETS[name]().double(), torch.randn(7, 6).double()


@every
def test_a_sequence_in_parts_is_the_sequence(name):
    net, x = made(name)
    past, outputs = net.start(x), []
    for part in x.split([1, 3, 2, 1]):
        out, past = net.read(part, past)
        outputs.append(out)
    whole, kept = net.read(x, net.start(x))
    torch.testing.assert_close(torch.cat(outputs), whole)
    for a, b in zip(tree.leaves(past), tree.leaves(kept), strict=True):
        torch.testing.assert_close(a, b)


@every
def test_what_is_asked_is_the_last_step_of_its_own_sequence(name):
    net, x = made(name)
    asked = torch.randn(4, 6).double()
    _, past = net.read(x, net.start(x))
    expected = torch.stack([net(torch.cat([x, one[None]]))[-1] for one in asked])
    torch.testing.assert_close(net.ask(asked, past), expected)


@every
def test_what_is_asked_at_a_step_sees_the_steps_before_it_alone(name):
    net, x = made(name)
    asked, at = torch.randn(4, 6).double(), torch.tensor([0, 7, 3, 3])
    _, past = net.read(x, net.start(x))
    expected = torch.stack([net(torch.cat([x[:n], one[None]]))[-1] for one, n in zip(asked, at.tolist(), strict=True)])
    torch.testing.assert_close(net.ask(asked, past, at), expected)


@every
def test_no_step_depends_on_later_ones(name):
    net, x = made(name)
    jacobian = torch.func.jacrev(net)(x).abs().sum((1, 3))  # (steps, steps)
    assert bool((jacobian.triu(1) == 0).all())
    assert bool((jacobian.diagonal() > 0).all())
    assert bool((jacobian[-1] > 0).all()) == (name != "convolution")  # a net sees all of its past


@every
def test_leading_axes_are_other_sequences(name):
    net, _ = made(name)
    x, asked = torch.randn(3, 7, 6).double(), torch.randn(3, 2, 6).double()
    out, past = net.read(x, net.start(x))
    torch.testing.assert_close(out, torch.stack([net(one) for one in x]))
    expected = torch.stack([net.ask(b, net.read(a, net.start(a))[1]) for a, b in zip(x, asked, strict=True)])
    torch.testing.assert_close(net.ask(asked, past), expected)


@pytest.mark.parametrize("heads", [1, 2])
def test_attention_equals_that_of_torch(heads):
    net, x = CausalAttention(6, 4, 4, heads=heads).double(), torch.randn(3, 7, 6).double()
    q, k, v = (
        part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in F.linear(x, *net.project.parameters()).split(4, -1)
    )
    expected = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
    torch.testing.assert_close(net(x), expected)


def test_attention_weights_are_shares_of_the_steps():
    net, x = CausalAttention(6, 4, 6, heads=2).double(), torch.randn(7, 6).double()
    _, past = net.read(x, net.start(x))
    weights = net.attention(torch.randn(3, 6).double(), past)
    assert weights.shape == (2, 3, 8)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3).double())


def test_heads_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="3 heads"):
        CausalAttention(6, 4, 6, heads=3)


def test_the_convolution_equals_that_of_torch():
    net, x = DenseBlock(6, 3, dilation=2).double(), torch.randn(7, 6).double()
    before, now = net.convolution.weight.split(6, 1)
    padded = F.pad(x.T[None], (2, 0))
    held, gate = F.conv1d(padded, torch.stack([before, now], -1), net.convolution.bias, dilation=2)[0].chunk(2)
    torch.testing.assert_close(net(x), torch.cat([x, (held.tanh() * gate.sigmoid()).T], 1))


def test_snail_has_the_sizes_of_the_paper():
    net = Snail(64 + 5, 6)
    kinds = [type(layer).__name__[:5] for layer in net.layers]
    assert kinds == ["Atten", *["Dense"] * 3, "Atten", *["Dense"] * 3, "Atten"]
    assert [layer.sizes[1:] for layer in net.layers if isinstance(layer, AttentionBlock)] == [
        [64, 32],
        [256, 128],
        [512, 256],
    ]
    assert [layer.dilation for layer in net.layers if isinstance(layer, DenseBlock)] == [1, 2, 4, 1, 2, 4]
    assert net.features == 69 + 32 + 3 * 128 + 128 + 3 * 128 + 256


def test_a_block_of_the_transformer_equals_that_of_torch():
    net = Transformer(8, layers=1, heads=2, length=9).double()
    block, x = net.layers[0], torch.randn(3, 7, 8).double()
    theirs = nn.TransformerEncoderLayer(8, 2, 32, 0.0, norm_first=True, batch_first=True).double()
    names = {
        "self_attn.in_proj_weight": block.attention.project.weight,
        "self_attn.in_proj_bias": block.attention.project.bias,
        **{f"self_attn.out_proj.{n}": w for n, w in block.out.named_parameters()},
        **{f"norm1.{n}": w for n, w in block.before.named_parameters()},
        **{f"norm2.{n}": w for n, w in block.between.named_parameters()},
        **{f"linear1.{n}": w for n, w in block.net[0].named_parameters()},
        **{f"linear2.{n}": w for n, w in block.net[2].named_parameters()},
    }
    theirs.load_state_dict(names)
    mask = nn.Transformer.generate_square_subsequent_mask(7, dtype=torch.float64)
    expected = net.after(theirs(x + net.places[:7], src_mask=mask))
    torch.testing.assert_close(net(x), expected)


def test_a_sequence_longer_than_the_places_is_refused():
    net = Transformer(4, layers=1, heads=1, length=5)
    _, past = net.read(torch.randn(4, 4), net.start(torch.randn(4, 4)))
    with pytest.raises(ValueError, match="6 steps is longer than the 5"):
        net.read(torch.randn(2, 4), past)
