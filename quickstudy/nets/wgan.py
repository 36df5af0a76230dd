"""A generator and a critic: a Wasserstein GAN with gradient penalty (Gulrajani et al., 2017)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from quickstudy.nets.mlp import mlp
from quickstudy.nets.sizes import check_sizes

PENALTY = 10.0  # the paper's lambda


class WGAN(nn.Module):
    """Pictures from 0 to 1, drawn from ``latent`` numbers of the unit normal; the critic says how real a picture is."""

    def __init__(self, shape: Sequence[int], widths: Sequence[int], latent: int) -> None:
        super().__init__()
        check_sizes(latent=latent)
        self.shape, self.latent = tuple(shape), latent
        drawer = mlp((latent,), widths=widths[::-1])
        self.generator = nn.Sequential(drawer, nn.Linear(drawer.features, math.prod(shape)), nn.Sigmoid())
        judge = mlp(shape, widths=widths)
        self.critic = nn.Sequential(judge, nn.Linear(judge.features, 1))

    def forward(self, part: str, z: Tensor, x: Tensor, share: Tensor, between: Tensor) -> Tensor:
        """What the ``"critic"`` or the ``"generator"`` lowers, for noise z (n, latent), real x (n, *shape) which count
        by ``share`` (n,), adding up to 1, and numbers ``between`` (n,) 0 and 1, where the slope of the critic is
        held to 1."""
        drawn = self.decode(z)
        if part == "generator":
            return -self.critic(drawn).mean()
        drawn = drawn.detach()
        apart = (share * (self.critic(drawn) - self.critic(x))[:, 0]).sum()
        return apart + PENALTY * (share * (self._slope(x, drawn, between) - 1).square()).sum()

    def _slope(self, x: Tensor, drawn: Tensor, between: Tensor) -> Tensor:
        """(n,) the length of the critic's slope between real and drawn pictures."""
        middle = x.lerp(drawn, between.view(-1, *(1 for _ in self.shape))).requires_grad_()
        (slope,) = torch.autograd.grad(self.critic(middle).sum(), middle, create_graph=True)
        return slope.flatten(1).norm(dim=1)

    def decode(self, z: Tensor) -> Tensor:
        """(n, *shape) pictures of (n, latent)."""
        return self.generator(z).view(-1, *self.shape)

    def noise(self, count: int, rng: Generator) -> Tensor:
        """(count, latent) of the unit normal, on the device of the weights."""
        return torch.randn(count, self.latent, generator=rng).to(next(self.parameters()))


def wgan(shape: Sequence[int], *, widths: Sequence[int] = (400, 400), latent: int = 100) -> WGAN:
    """Of the same layers as the variational autoencoder."""
    return WGAN(shape, widths, latent)
