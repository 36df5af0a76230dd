"""Causal dilated convolutions in time, densely connected, and attention beside them (Mishra et al., 2018: SNAIL)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from quickstudy.nets.causal import Causal, CausalAttention, Chain, Past
from quickstudy.nets.sizes import check_sizes


class DenseBlock(Causal):
    """A gated convolution of width two over this step and the one ``dilation`` before it, beside its input:
    (..., m, inputs) to (..., m, inputs + filters). Before the first step there are zeros."""

    def __init__(self, inputs: int, filters: int, *, dilation: int) -> None:
        super().__init__()
        self.convolution = nn.Linear(2 * inputs, 2 * filters)  # both halves of the gate, both taps
        self.inputs, self.dilation = inputs, dilation

    def start(self, like: Tensor) -> Past:
        return (like.new_zeros(*like.shape[:-2], 0, self.inputs),)

    def read(self, x: Tensor, past: Past) -> tuple[Tensor, Past]:
        whole = torch.cat([past[0].to(x), x], -2)
        n = past[0].shape[-2]
        return self._out(self._delayed(whole)[..., n : n + x.shape[-2], :], x), (whole,)

    def ask(self, x: Tensor, past: Past, at: Tensor | None = None) -> Tensor:
        delayed = self._delayed(past[0].to(x))
        n = past[0].shape[-2]
        before = delayed[..., n : n + 1, :].expand(x.shape) if at is None else delayed.index_select(-2, at)
        return self._out(before, x)

    def _delayed(self, whole: Tensor) -> Tensor:
        """(..., dilation + n, inputs): at i what was there ``dilation`` steps before."""
        nothing = whole.new_zeros(*whole.shape[:-2], self.dilation, self.inputs)
        return torch.cat([nothing, whole], -2)

    def _out(self, before: Tensor, x: Tensor) -> Tensor:
        held, gate = self.convolution(torch.cat([before, x], -1)).to(x.dtype).chunk(2, -1)
        return torch.cat([x, held.tanh() * gate.sigmoid()], -1)


class AttentionBlock(CausalAttention):
    """What attention reads, beside its input: (..., m, inputs) to (..., m, inputs + values)."""

    def read(self, x: Tensor, past: Past) -> tuple[Tensor, Past]:
        out, kept = super().read(x, past)
        return torch.cat([x, out], -1), kept

    def ask(self, x: Tensor, past: Past, at: Tensor | None = None) -> Tensor:
        return torch.cat([x, super().ask(x, past, at)], -1)


def temporal_block(inputs: int, length: int, filters: int) -> list[Causal]:
    """Dense blocks of dilations 1, 2, 4, ... so that the last of ``length`` steps sees them all."""
    count = max(1, math.ceil(math.log2(length)))
    return [DenseBlock(inputs + i * filters, filters, dilation=2**i) for i in range(count)]


class Snail(Chain):
    """Attention (64, 32), convolutions of 128 filters, attention (256, 128), convolutions, attention (512, 256): the
    paper's net for few-shot classification, ``filters`` being its 32, for sequences of ``length``."""

    def __init__(self, inputs: int, length: int, *, filters: int = 32) -> None:
        check_sizes(length=length, filters=filters)
        layers: list[Causal] = []
        for i, (keys, values) in enumerate(((2, 1), (8, 4), (16, 8))):
            if i:
                block = temporal_block(inputs, length, 4 * filters)
                layers += block
                inputs += 4 * filters * len(block)
            layers.append(AttentionBlock(inputs, keys * filters, values * filters))
            inputs += values * filters
        super().__init__(layers)
        self.features = inputs
