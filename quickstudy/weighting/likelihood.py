"""The weighted likelihood (Hu, Tan, Salakhutdinov, Mitchell & Xing, 2019): a weight for every training example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from quickstudy.weighting.virtual import Losses, Virtual
from quickstudy.weighting.weigher import Weigher


class Likelihood(Weigher):
    """Σ softmax(φ)_i log p(y_i | x_i): φ (examples,) stays from batch to batch, and is moved every batch to lower the
    clean loss after a virtual step. Divided by their sum, the weights of a batch are the softmax over its own φ; by
    "count", the softmax over all, times their number. ``logits`` are φ."""

    def __init__(self, virtual: Virtual, normalize: str, examples: int, logits_rate: float) -> None:
        super().__init__(virtual, normalize)
        if examples < 1 or not logits_rate > 0:
            raise ValueError(f"needs at least one example and a rate above 0, got {examples} and {logits_rate}")
        like = next(iter(virtual.weights().values()))
        self.logits = torch.zeros(examples, dtype=like.dtype, device=like.device)
        self.logits_rate = logits_rate

    def __call__(self, *batch: Any, index: Tensor) -> Tensor:
        """The weighted loss of a batch as ``losses`` takes it: a scalar. ``index`` (n,): which examples these are.

        Raises ValueError for an index that no example has.
        """
        self.overlap.check(batch)
        index = self._checked(index)
        logits = self.logits.clone().requires_grad_()
        with torch.enable_grad():
            weights = self._of_batch(logits, index)
        slopes = self.virtual.judge(batch, lambda losses: weights).slopes
        (found,) = torch.autograd.grad(weights, [logits], slopes)
        self.logits -= self.logits_rate * found
        return self.weighted(self._of_batch(self.logits, index), self.real_losses(*batch))

    @property
    def weights(self) -> Tensor:
        """(examples,) of all, adding up to 1."""
        return self.logits.softmax(0)

    def _of_batch(self, logits: Tensor, index: Tensor) -> Tensor:
        """(n,) normalized, of the examples in a batch."""
        if self.normalize == "sum":
            return logits[index].softmax(0)
        return self.normalized(len(logits) * logits.softmax(0)[index])

    def _checked(self, index: Tensor) -> Tensor:
        if len(index) and not 0 <= int(index.min()) <= int(index.max()) < len(self.logits):
            raise ValueError(
                f"examples are numbered from 0 to {len(self.logits) - 1}, got {int(index.min())} to {int(index.max())}"
            )
        return index.to(self.logits.device)


def likelihood(
    model: nn.Module,
    valid: Sequence[Tensor],
    *,
    examples: int,
    rate: float,
    logits_rate: float = 20.0,
    losses: Losses | None = None,
    form: str = "products",
    normalize: str = "sum",
    draw: int | None = None,
    valid_mode: str = "same",
    seed: int = 0,
) -> Likelihood:
    """A weight for each of so many ``examples``, alike at first, moved by gradient descent with ``logits_rate``;
    ``rate`` is that of the virtual step. All else is as in ``reweight``; a batch comes with the numbers of its
    examples, ``weigh(x, y, index=numbers)``.

    Raises ValueError for choices that do not exist and for no clean examples; warns where they are learned from.
    """
    virtual = Virtual(model, valid, losses=losses, rate=rate, draw=draw, form=form, valid_mode=valid_mode, seed=seed)
    return Likelihood(virtual, normalize, examples, logits_rate)
