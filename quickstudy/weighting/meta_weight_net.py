"""Meta-Weight-Net (Shu et al., 2019): a small net says how much an example counts, from its loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from quickstudy.weighting.virtual import Losses, Virtual
from quickstudy.weighting.weigher import Weigher


class LossToWeight(nn.Module):
    """w = V(loss), one hidden layer of ReLUs and a sigmoid: (n,) from (n,)."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(1, hidden), nn.ReLU(), nn.Linear(hidden, 1), nn.Sigmoid())

    def forward(self, losses: Tensor) -> Tensor:
        return self.layers(losses[:, None])[:, 0]


class MetaWeightNet(Weigher):
    """Every batch, ``net`` is moved by its own ``optimizer`` to lower the clean loss after a virtual step with the
    weights V(l_i; Θ) (equations 5 to 7 of the paper); then the new V weighs the batch. Weights in the real step, and
    losses as inputs, are constants. ``net`` and ``optimizer`` have the ``state_dict`` that a checkpoint needs."""

    def __init__(self, virtual: Virtual, normalize: str, net: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        super().__init__(virtual, normalize)
        self.net, self.optimizer = net, optimizer

    def __call__(self, *batch: Any) -> Tensor:
        """The weighted loss of a batch as ``losses`` takes it, x (n, *shape) and y (n,): a scalar."""
        self.overlap.check(batch)
        losses, slopes = self.virtual.judge(batch, self.weigh)
        self.optimizer.zero_grad()
        with torch.enable_grad():
            self.weigh(losses).backward(slopes)
        self.optimizer.step()
        losses = self.real_losses(*batch)
        return self.weighted(self.weigh(losses.detach()), losses)

    def weigh(self, losses: Tensor) -> Tensor:
        """(n,) normalized weights from losses."""
        return self.normalized(self.net(losses))


def meta_weight_net(
    model: nn.Module,
    valid: Sequence[Tensor],
    *,
    rate: float,
    losses: Losses | None = None,
    form: str = "products",
    normalize: str = "sum",
    draw: int | None = None,
    valid_mode: str = "same",
    hidden: int = 100,
    net_rate: float = 1e-3,
    weight_decay: float = 1e-4,
    seed: int = 0,
) -> MetaWeightNet:
    """The paper's net and its Adam. ``rate`` is that of the virtual step, in the paper the optimizer's own; where that
    one falls, set ``weigh.virtual.rate``. All else is as in ``reweight``.

    Raises ValueError for choices that do not exist and for no clean examples; warns where they are learned from.
    """
    virtual = Virtual(model, valid, losses=losses, rate=rate, draw=draw, form=form, valid_mode=valid_mode, seed=seed)
    net = LossToWeight(hidden).to(next(iter(virtual.weights().values())))
    adam = torch.optim.Adam(net.parameters(), net_rate, weight_decay=weight_decay)
    return MetaWeightNet(virtual, normalize, net, adam)
