"""Learned augmentation (Hu et al., 2019): the examples are changed so that what is learned of them suits clean ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from quickstudy.weighting.overlap import Overlap
from quickstudy.weighting.virtual import Losses, Virtual


class Augmentation:
    """x̃ = change(x, y; φ), with φ moved every batch, by its own ``optimizer``, to lower the clean loss after a virtual
    step on x̃: the virtual step is differentiated. ``change`` is a module with parameters that makes (n, *shape) of x
    (n, *shape) and y (n,), differentiable by its parameters (random numbers are to be scaled or shifted by them)."""

    def __init__(self, virtual: Virtual, change: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.virtual, self.change, self.optimizer = virtual, change, optimizer
        self.overlap = Overlap(virtual.valid[0])

    def __call__(self, x: Tensor, y: Tensor, *more: Any) -> Tensor:
        """The mean loss of the changed batch: a scalar."""
        self.overlap.check([x])
        with torch.enable_grad():
            self._learn(x, y, *more)
        with torch.no_grad():
            changed = self.change(x, y)
        return self.virtual.measured(changed, y, *more).mean()

    def _learn(self, x: Tensor, y: Tensor, *more: Any) -> None:
        weights = self.virtual.weights()
        loss = self.virtual.losses(weights, (self.change(x, y), y, *more)).mean()
        after = self.virtual.stepped(weights, loss, differentiable=True)
        own = [p for p in self.change.parameters() if p.requires_grad]
        found = torch.autograd.grad(
            self.virtual.clean_loss(after, self.virtual.clean_batch()), own, materialize_grads=True
        )
        for parameter, slope in zip(own, found, strict=True):
            parameter.grad = slope
        self.optimizer.step()


def augmentation(
    model: nn.Module,
    valid: Sequence[Tensor],
    change: nn.Module,
    *,
    rate: float,
    change_rate: float = 1e-3,
    losses: Losses | None = None,
    draw: int | None = None,
    valid_mode: str = "same",
    seed: int = 0,
) -> Augmentation:
    """Augmentation by a module of one's own, whose parameters Adam learns with ``change_rate``; ``rate`` is that of the
    virtual step. All else is as in ``reweight``.

    Raises ValueError for a module without parameters and for no clean examples; warns where they are learned from.
    """
    own = [p for p in change.parameters() if p.requires_grad]
    if not own:
        raise ValueError("the augmentation has no parameter that could be learned")
    virtual = Virtual(model, valid, losses=losses, rate=rate, draw=draw, form="exact", valid_mode=valid_mode, seed=seed)
    return Augmentation(virtual, change, torch.optim.Adam(own, change_rate))
