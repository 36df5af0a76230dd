"""One net with the weights of many tasks at once, by putting their channels side by side.

Activations of t tasks are (n, t c, ...): a convolution becomes a grouped one, normalization has more channels, and
everything that treats channels alike stays as it is. Equal to running the net task by task, without the bookkeeping
of ``vmap``, and with the fused kernels that ``vmap`` cannot use.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quickstudy.nets.conv4 import Conv4, Mean
from quickstudy.nets.convolution import Conv2d, convolve
from quickstudy.nets.mlp import MLP
from quickstudy.nets.norm import BatchNorm, GroupNorm
from quickstudy.nets.patches import GreyConv2d, GreyNormed
from quickstudy.nets.pool import Window, max_pool
from quickstudy.nets.standardize import standardize

Weights = dict[str, Tensor]  # by name, (t, ...)


def stackable(net: nn.Module) -> bool:
    """Whether every layer of the net is one that is known here, and none stands in two places."""
    places = list(net.named_modules(remove_duplicate=False))
    weights = list(net.named_parameters(remove_duplicate=False))
    once = len(places) == len(list(net.modules())) and len(weights) == len(list(net.parameters()))
    return once and all(_known(part) for _, part in places)


def _known(layer: nn.Module) -> bool:
    if isinstance(layer, nn.Conv2d):
        plain = layer.dilation == (1, 1) and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
        return plain and type(layer) in RULES
    if isinstance(layer, nn.Flatten):
        return (layer.start_dim, layer.end_dim) == (1, -1)
    return type(layer) in RULES


def run(net: nn.Module, weights: Weights, x: Tensor) -> Tensor:
    """(t, n, *shape) to (t, n, features), task i with the weights [i]; a weight that is not given is the net's own."""
    t, n = x.shape[:2]
    shared = {name: own.expand(t, *own.shape) for name, own in net.named_parameters() if name not in weights}
    side_by_side = x.transpose(0, 1).flatten(1, 2)
    if side_by_side.dim() == 4:
        side_by_side = side_by_side.contiguous(memory_format=torch.channels_last)
    return _apply(net, weights | shared, "", side_by_side, t).view(n, t, -1).transpose(0, 1).to(x.dtype)


def _apply(net: nn.Module, weights: Weights, name: str, x: Tensor, t: int) -> Tensor:
    own = {part: weights[f"{name}{part}"] for part, _ in net.named_parameters(recurse=False)}
    x = RULES[type(net)](net, own, x, t)
    for part, child in net.named_children():
        x = _apply(child, weights, f"{name}{part}.", x, t)
    return x


def _convolution(layer: nn.Conv2d, own: Weights, x: Tensor, t: int) -> Tensor:
    w = own["weight"].movedim(2, -1).flatten(0, 1).movedim(-1, 1)  # channels last; copied only where shared
    stride, padding = (layer.stride[0], layer.stride[1]), (int(layer.padding[0]), int(layer.padding[1]))
    out = convolve(x, w, stride=stride, padding=padding, groups=t * layer.groups)
    return out if layer.bias is None else out + own["bias"].flatten().to(out)[:, None, None]


def _linear(layer: nn.Linear, own: Weights, x: Tensor, t: int) -> Tensor:
    z = x.view(len(x), t, -1).transpose(0, 1) @ own["weight"].mT  # (t, n, outputs)
    return (z if layer.bias is None else z + own["bias"][:, None]).transpose(0, 1).flatten(1)


def _batch_norm(layer: BatchNorm, own: Weights, x: Tensor, t: int) -> Tensor:
    weight, bias = own["weight"].flatten(), own["bias"].flatten()
    if layer.by_batch:
        return standardize(x, weight, bias, layer.eps)
    return F.batch_norm(x, layer.mean.repeat(t), layer.variance.repeat(t), weight, bias, eps=layer.eps)


def _group_norm(layer: GroupNorm, own: Weights, x: Tensor, t: int) -> Tensor:
    return F.group_norm(x, t * layer.num_groups, own["weight"].flatten(), own["bias"].flatten(), layer.eps)


def _alike(layer: nn.Module, own: Weights, x: Tensor, t: int) -> Tensor:
    """A layer that treats every channel by itself."""
    return layer(x)


def _max_pool(layer: nn.MaxPool2d, own: Weights, x: Tensor, t: int) -> Tensor:
    plain = _pair(layer.dilation) == (1, 1) and not layer.ceil_mode and not layer.return_indices
    window = Window(_pair(layer.kernel_size), _pair(layer.stride), _pair(layer.padding))
    return max_pool(x, window) if plain else layer(x)


def _pair(both: int | tuple[int, ...]) -> tuple[int, int]:
    return (both, both) if isinstance(both, int) else (both[0], both[1])


def _container(layer: nn.Module, own: Weights, x: Tensor, t: int) -> Tensor:
    """A net that runs its children in their order."""
    return x


RULES: dict[type[nn.Module], Callable[..., Tensor]] = {
    nn.Conv2d: _convolution,
    Conv2d: _convolution,
    GreyConv2d: _convolution,
    nn.Linear: _linear,
    BatchNorm: _batch_norm,
    GroupNorm: _group_norm,
    nn.MaxPool2d: _max_pool,
    nn.ReLU: _alike,
    nn.Flatten: _alike,
    nn.Identity: _alike,
    Mean: _alike,
    nn.Sequential: _container,
    GreyNormed: _container,
    Conv4: _container,
    MLP: _container,
}
