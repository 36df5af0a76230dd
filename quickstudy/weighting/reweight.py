"""Learning to reweight examples (Ren, Zeng, Yang & Urtasun, 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from quickstudy.weighting.virtual import Batch, Losses, Virtual
from quickstudy.weighting.weigher import Weigher


class Reweight(Weigher):
    """w_i = max(-d l_clean(θ') / d w_i, 0) at w = 0: an example counts as far as its gradient agrees with that of clean
    ones (algorithm 1 of the paper). Nothing is remembered from batch to batch."""

    def __call__(self, *batch: Any) -> Tensor:
        """The weighted loss of a batch as ``losses`` takes it, x (n, *shape) and y (n,): a scalar."""
        self.overlap.check(batch)
        return self.weighted(self._weights(batch), self.real_losses(*batch))

    def weights(self, *batch: Any) -> Tensor:
        """(n,), constants, normalized; all 0 where no example agrees."""
        self.overlap.check(batch)
        return self._weights(batch)

    def _weights(self, batch: Batch) -> Tensor:
        return self.normalized((-self.virtual.judge(batch).slopes).clamp_min(0))


def reweight(
    model: nn.Module,
    valid: Sequence[Tensor],
    *,
    losses: Losses | None = None,
    form: str = "products",
    normalize: str = "sum",
    rate: float = 1.0,
    draw: int | None = None,
    valid_mode: str = "same",
    seed: int = 0,
) -> Reweight:
    """Weights computed for every batch from the clean examples ``valid``, (x, y); ``draw`` of them at a time, or all.

    ``losses(model, *batch)`` makes (n,) losses, cross-entropies of (n, classes) logits unless given. ``form``:
    "products" of gradients in one forward-mode pass, or "exact", the virtual step differentiated, which is the same
    number; LSTMs have the second alone. ``rate`` is that of the virtual step, which is plain gradient descent
    whatever the optimizer; it cancels where weights are divided by their sum. For ``normalize`` see ``Weigher``, for
    ``valid_mode`` ``Virtual``.

    Raises ValueError for choices that do not exist and for no clean examples; warns where they are learned from.
    """
    virtual = Virtual(model, valid, losses=losses, rate=rate, draw=draw, form=form, valid_mode=valid_mode, seed=seed)
    return Reweight(virtual, normalize)
