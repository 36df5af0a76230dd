"""Normalization as a named choice, with batch normalization that is honest and can be mapped over tasks.

Batch normalization (Ioffe & Szegedy, 2015) by the statistics of the batch lets a query's answer depend on the other
queries: it is *transductive*. ``train.calibrate`` averages the statistics over training tasks once and freezes them;
from then on ``eval()`` uses those, and answers are independent. Running statistics are never kept. ``TaskNorm`` answers
by the statistics of the task's support, which are part of the fast state.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quickstudy.core import BatchDependent
from quickstudy.nets.standardize import standardize


class _Normalization(nn.Module):
    """Scales and shifts, and statistics that may be put in."""

    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))
        self.eps = eps


class BatchNorm(_Normalization, BatchDependent):
    """Batch normalization over all axes but the second: batch statistics, or calibrated ones in ``eval()``."""

    def __init__(self, channels: int, *, eps: float = 1e-5) -> None:
        super().__init__(channels, eps=eps)
        self.calibrated = False
        self.reading = False  # whether these are examples to learn from
        self.seen: list[tuple[Tensor, Tensor]] | None = None  # statistics of the batches met while recording

    @property
    def transductive(self) -> bool:  # type: ignore[override]
        return not self.calibrated

    def forward(self, x: Tensor) -> Tensor:
        if self.seen is not None and not _transformed(x):
            self.seen.append(_moments(x))
        if not self.by_batch:
            return F.batch_norm(x, self.mean, self.variance, self.weight, self.bias, eps=self.eps)
        if _transformed(x):
            return self._written_out(x)
        return standardize(x, self.weight, self.bias, self.eps)

    def settled(self, moments: Callable[[], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """The (channels,) mean and variance to normalize by: those of the batch, if they count, or the calibrated."""
        if not self.by_batch:
            return self.mean, self.variance
        mean, variance = moments()
        if self.seen is not None and not _transformed(mean):
            self.seen.append((mean, variance))
        return mean, variance

    @property
    def by_batch(self) -> bool:
        """Whether the statistics are those of the batch."""
        return self.training or self.reading or not self.calibrated

    def _written_out(self, x: Tensor) -> Tensor:
        """The same in plain arithmetic: ``grad(vmap(grad))`` of the fused one is wrong while its value is right."""
        return _standardized(x, *_moments(x), self.weight, self.bias, self.eps)

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.calibrated)

    def set_extra_state(self, state: Tensor) -> None:
        self.calibrated = bool(state)


class TaskNorm(_Normalization):
    """Batch normalization by the statistics of the support alone: an example to answer for never counts.

    ``reading`` notes them; a learner that holds them in its state gives them back as the buffers.
    """

    def __init__(self, channels: int, *, eps: float = 1e-5) -> None:
        super().__init__(channels, eps=eps)
        self.real: Tensor | None = None  # (n,) which of the examples being read are not padding
        self.noted: tuple[Tensor, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.real is not None:
            self.noted = _moments_of(x, self.real)
        mean, variance = self.noted if self.real is not None and self.noted else (self.mean, self.variance)
        return _standardized(x, mean, variance, self.weight, self.bias, self.eps)


@contextmanager
def reading(module: nn.Module, real: Tensor, *, by_batch: bool = True) -> Iterator[None]:
    """What goes through the module are examples to learn from, ``real`` (n,) of them no padding: every TaskNorm uses
    the statistics of the real ones, and notes them; every BatchNorm those of the batch, if ``by_batch`` calibrated or
    not."""
    batch = [m for m in module.modules() if isinstance(m, BatchNorm) and by_batch]
    task = [m for m in module.modules() if isinstance(m, TaskNorm)]
    for norm in batch:
        norm.reading = True
    for one in task:
        one.real = real
    try:
        yield
    finally:
        for norm in batch:
            norm.reading = False
        for one in task:
            one.real = one.noted = None


def statistics(module: nn.Module) -> dict[str, Tensor]:
    """The buffers of every TaskNorm, by name."""
    tasks = [(name, one) for name, one in module.named_modules() if isinstance(one, TaskNorm)]
    return {f"{name}.{part}": buffer for name, one in tasks for part, buffer in one.named_buffers()}


def without_statistics(module: nn.Module) -> nn.Module:
    """The module as it is. Raises ValueError where it is normalized by a support that nobody would hold."""
    if statistics(module):
        raise ValueError(
            'normalization "support" is for learners whose state holds the statistics of the support, those that learn '
            "by gradient descent; choose batch, group, layer or none"
        )
    return module


def noted(module: nn.Module) -> dict[str, Tensor]:
    """Inside ``reading``: the same as they should be from now on."""
    found: dict[str, Tensor] = {}
    for name, one in module.named_modules():
        if isinstance(one, TaskNorm) and one.noted is not None:
            found[f"{name}.mean"], found[f"{name}.variance"] = one.noted
    return found


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
    """(channels,) mean and biased variance, at least in single precision; 0 and 1 of no examples."""
    wide = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
    if not len(x):
        return wide.new_zeros(x.shape[1]), wide.new_ones(x.shape[1])
    axes = (0, *range(2, x.dim()))
    mean = wide.mean(axes, keepdim=True)
    return mean.view(-1), (wide - mean).square().mean(axes)


def _moments_of(x: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """The same of the examples that are real (n,); 0 and 1 where none is."""
    share = real.to(x) / (real.sum().clamp_min(1) * math.prod(x.shape[2:]))  # of each number in a channel
    shares = share.view(-1, *(1,) * (x.dim() - 1))
    axes = (0, *range(2, x.dim()))
    mean = (x * shares).sum(axes)
    centred = x - mean.view(1, -1, *(1,) * (x.dim() - 2))
    variance = (centred.square() * shares).sum(axes)
    return mean, torch.where(real.any(), variance, torch.ones_like(variance))


def _standardized(x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    shape = (1, -1) + (1,) * (x.dim() - 2)
    scale = torch.rsqrt(variance + eps) * weight
    return (x - mean.view(shape)) * scale.view(shape) + bias.view(shape)


def _transformed(x: Tensor) -> bool:
    """Whether a torch.func transform (vmap, grad) is looking at x."""
    return torch._C._functorch.is_functorch_wrapped_tensor(x)


class GroupNorm(nn.GroupNorm):
    """Group normalization (Wu & He, 2018); torch's own cannot be mapped over tasks where channels may lie last."""

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() < 4 or not _transformed(input):
            return super().forward(input)
        out = super().forward(input.flatten(2)).reshape(input.shape)
        return out.movedim(1, -1).contiguous().movedim(-1, 1)  # channels last again: pools are ten times as fast so


def _group(channels: int) -> nn.Module:
    return GroupNorm(max(1, channels // 8), channels)  # one channel at one place would be normalized away


def _layer(channels: int) -> nn.Module:
    return GroupNorm(1, channels)


CHOICES: dict[str, Callable[[int], nn.Module]] = {
    "batch": BatchNorm,
    "support": TaskNorm,
    "group": _group,
    "layer": _layer,
    "none": lambda channels: nn.Identity(),
}


def norm(name: str, channels: int) -> nn.Module:
    """The normalization of that name: batch, support, group, layer or none. Raises ValueError for another."""
    if name not in CHOICES:
        raise ValueError(f"no normalization is called {name!r}; choose one of {', '.join(CHOICES)}")
    return CHOICES[name](channels)
