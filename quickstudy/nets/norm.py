"""Normalization as a named choice, with batch normalization that is honest and can be mapped over tasks.

Batch normalization (Ioffe & Szegedy, 2015) by the statistics of the batch lets a query's answer depend on the other
queries: it is *transductive*. ``train.calibrate`` averages the statistics over training tasks once and freezes them;
from then on ``eval()`` uses those, and answers are independent. Running statistics are never kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quickstudy.core import BatchDependent


class BatchNorm(BatchDependent):
    """Batch normalization over all axes but the second: batch statistics, or calibrated ones in ``eval()``."""

    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))
        self.eps = eps
        self.calibrated = False
        self.seen: list[tuple[Tensor, Tensor]] | None = None  # statistics of the batches met while recording

    @property
    def transductive(self) -> bool:  # type: ignore[override]
        return not self.calibrated

    def forward(self, x: Tensor) -> Tensor:
        if self.seen is not None:
            self.seen.append(_moments(x))
        if self.calibrated and not self.training:
            return F.batch_norm(x, self.mean, self.variance, self.weight, self.bias, False, 0.0, self.eps)
        if _transformed(x):
            return self._written_out(x)
        return F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)

    def _written_out(self, x: Tensor) -> Tensor:
        """The same in plain arithmetic: ``grad(vmap(grad))`` of the fused one is wrong while its value is right."""
        mean, variance = _moments(x)
        shape = (1, -1) + (1,) * (x.dim() - 2)
        scale = torch.rsqrt(variance + self.eps) * self.weight
        return (x - mean.view(shape)) * scale.view(shape) + self.bias.view(shape)

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.calibrated)

    def set_extra_state(self, state: Tensor) -> None:
        self.calibrated = bool(state)


@contextmanager
def recording(module: nn.Module) -> Iterator[None]:
    """Every BatchNorm inside uses batch statistics and notes them; on leaving, their averages become its own."""
    norms = [m for m in module.modules() if isinstance(m, BatchNorm)]
    for norm in norms:
        norm.seen, norm.calibrated = [], False
    try:
        yield
        for norm in norms:
            _settle(norm)
    finally:
        for norm in norms:
            norm.seen = None


def _settle(norm: BatchNorm) -> None:
    if norm.seen:
        means, variances = (torch.stack(part) for part in zip(*norm.seen, strict=True))
        norm.mean.copy_(means.mean(0))
        norm.variance.copy_(variances.mean(0))
        norm.calibrated = True


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """(channels,) mean and biased variance, at least in single precision."""
    wide = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
    variance, mean = torch.var_mean(wide, dim=(0, *range(2, x.dim())), correction=0)
    return mean, variance


def _transformed(x: Tensor) -> bool:
    """Whether a torch.func transform (vmap, grad) is looking at x."""
    return torch._C._functorch.is_functorch_wrapped_tensor(x)


class GroupNorm(nn.GroupNorm):
    """Group normalization (Wu & He, 2018); torch's own cannot be mapped over tasks where channels lie last."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.contiguous() if _transformed(input) else input)


def _group(channels: int) -> nn.Module:
    return GroupNorm(min(8, channels), channels)


def _layer(channels: int) -> nn.Module:
    return GroupNorm(1, channels)


CHOICES: dict[str, Callable[[int], nn.Module]] = {
    "batch": BatchNorm,
    "group": _group,
    "layer": _layer,
    "none": lambda channels: nn.Identity(),
}


def norm(name: str, channels: int) -> nn.Module:
    """The normalization of that name: batch, group, layer or none. Raises ValueError for another."""
    if name not in CHOICES:
        raise ValueError(f"no normalization is called {name!r}; choose one of {', '.join(CHOICES)}")
    return CHOICES[name](channels)
