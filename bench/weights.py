"""The weights that contenders have in common, in one order, whatever the networks are called inside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from quickstudy.nets.heads import Learned
from quickstudy.nets.norm import BatchNorm


def parts(net: nn.Module) -> Iterator[Tensor]:
    """Convolution kernels and normalization's scales and shifts, block by block; then linear layers.

    A convolution's bias is left out: the batch normalization behind it takes it away again.
    """
    kernels = [m.weight for m in net.modules() if isinstance(m, nn.Conv2d)]
    norms = [(m.weight, m.bias) for m in net.modules() if isinstance(m, BatchNorm | nn.BatchNorm2d)]
    for kernel, norm in zip(kernels, norms, strict=True):
        yield from (kernel, *norm)
    for layer in net.modules():
        if isinstance(layer, nn.Linear | Learned):
            yield from (layer.weight, layer.bias)


def put(weights: Iterable[Tensor], net: nn.Module) -> None:
    """These weights into the net's parts."""
    with torch.no_grad():
        for own, given in zip(parts(net), weights, strict=True):
            assert own.shape == given.shape, f"weights of {given.shape} do not fit {type(net).__name__}'s {own.shape}"
            own.copy_(given)


def arrays(tensors: Iterable[Tensor]) -> list[np.ndarray]:
    """As they travel between processes."""
    return [tensor.detach().numpy() for tensor in tensors]
