"""A variational autoencoder of fully connected layers (Kingma & Welling, 2014)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from quickstudy.nets.mlp import mlp
from quickstudy.nets.sizes import check_sizes


class VAE(nn.Module):
    """Pictures from 0 to 1: encoded as a normal distribution of ``latent`` numbers, decoded as probabilities of ink."""

    def __init__(self, shape: Sequence[int], widths: Sequence[int], latent: int) -> None:
        super().__init__()
        check_sizes(latent=latent, layers=len(widths))
        self.shape, self.latent = tuple(shape), latent
        self.encoder, self.decoder = mlp(shape, widths=widths), mlp((latent,), widths=widths[::-1])
        self.code = nn.Linear(widths[-1], 2 * latent)
        self.ink = nn.Linear(widths[0], math.prod(shape))

    def forward(self, x: Tensor, noise: Tensor, share: Tensor) -> Tensor:
        """Minus the evidence lower bounds over the number of pixels, for noise (n, latent) of the unit normal, added up
        by ``share`` (n,)."""
        mean, log_variance = self.code(self.encoder(x)).chunk(2, dim=1)
        logits = self.ink(self.decoder(mean + (log_variance / 2).exp() * noise))
        ink = F.binary_cross_entropy_with_logits(logits, x.flatten(1), reduction="none").mean(1)
        apart = (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2
        return (share * (ink + apart / logits.shape[1])).sum()

    def decode(self, z: Tensor) -> Tensor:
        """(n, *shape) pictures of (n, latent)."""
        return self.ink(self.decoder(z)).sigmoid().view(-1, *self.shape)

    def noise(self, count: int, rng: Generator) -> Tensor:
        """(count, latent) of the unit normal, on the device of the weights."""
        return torch.randn(count, self.latent, generator=rng).to(self.ink.weight)


def vae(shape: Sequence[int], *, widths: Sequence[int] = (400, 400), latent: int = 100) -> VAE:
    """The generator with which Split MNIST is published (van de Ven & Tolias, 2019)."""
    return VAE(shape, widths, latent)
