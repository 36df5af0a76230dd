"""Conditional neural processes (Garnelo et al., 2018): a data set as the mean of what its examples are encoded to."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from quickstudy.core import Examples, Learner, one_hot
from quickstudy.nets.attention import class_sums
from quickstudy.nets.conv4 import conv4
from quickstudy.nets.mlp import mlp
from quickstudy.nets.norm import without_statistics
from quickstudy.nets.sizes import check_sizes


class Summary(NamedTuple):
    """The sum and the number of encoded examples: adapting twice equals adapting once on both."""

    total: Tensor  # (d,)
    number: Tensor  # ()


class NeuralProcess(Learner[Summary]):
    """Slow: embedding, encoder and decoder. Fast: the sum and the number of the encoded examples (x, y).

    h is the mean of encoder([embedded x, y]); the decoder takes [h, embedded x]. Labels enter and leave one-hot, so
    that the number of classes is that of the training.
    """

    def __init__(self, embed: nn.Module, encoder: nn.Module, decoder: nn.Module, *, way: int, summary: int) -> None:
        super().__init__()
        self.embed = without_statistics(embed)
        self.encoder, self.decoder = encoder, decoder
        self.way, self.summary = way, summary

    def init(self, way: int) -> Summary:
        if way != self.way:
            raise ValueError(
                f"this learner has learned to read and to give {self.way} labels and cannot start with {way}; train it "
                "with as many"
            )
        like = next(self.parameters())
        return Summary(like.new_zeros(self.summary), like.new_zeros(()))

    def adapt(self, state: Summary, support: Examples) -> Summary:
        z = self.embed(support.x)  # (n, features)
        encoded = self.encoder(torch.cat([z, one_hot(support.y, self.way, z.dtype)], -1))  # (n, d)
        total, number = (part.to(encoded.device) for part in state)
        real = support.y >= 0
        return Summary(total + class_sums(encoded, real[:, None].to(encoded))[0], number + real.sum())

    def predict(self, state: Summary, x: Tensor) -> Tensor:
        z = self.embed(x)
        h = state.total.to(z) / state.number.to(z).clamp_min(1)
        return self.decoder(torch.cat([h.expand(len(z), -1), z], -1))


def neural_process(
    shape: tuple[int, int, int], *, way: int, width: int = 64, normalization: str = "batch", hidden: int = 256
) -> NeuralProcess:
    """Over the four convolutional blocks of the few-shot papers; encoder and decoder have two layers of ``hidden``."""
    check_sizes(hidden=hidden)
    net = conv4(shape, width=width, normalization=normalization)
    encoder, decoder = (mlp((net.features + k,), widths=(hidden, hidden)) for k in (way, hidden))
    return NeuralProcess(net, encoder, nn.Sequential(decoder, nn.Linear(hidden, way)), way=way, summary=hidden)
