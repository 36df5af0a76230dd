"""How much the answers to single examples depend on each weight: sums over examples of powers of THEIR gradients.

The gradient of a batch's mean, squared, is another thing: for independent examples about 1 / batch of it. Gradients of
single examples cost no more than that. For a linear layer the gradient of an example is the outer product of what came
in and of the slope of what went out, so that its squares add up by one matrix product; for a convolution it is a
product of patches. What is left (normalization, a layer that is used twice or that reads something else than an
example a row, parameters of a module of one's own) is mapped by ``vmap`` in small chunks. A weight of such a layer that
is used once more, without calling the layer, is not seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from quickstudy.core import BatchDependent
from quickstudy.nets.convolution import Conv2d

Weights = dict[str, Tensor]
Score = Callable[..., Tensor]  # (n, way) logits and what goes with the examples -> (k, n): k functions of each example
CHUNK, MAPPED = 256, 16  # examples at a time: in closed form, and by vmap


class Call(NamedTuple):
    """What one layer was given, and what it made of it."""

    name: str
    layer: nn.Module
    given: Tensor
    made: Tensor


def importance(
    module: nn.Module, weights: Weights, x: Tensor, score: Score, along: Sequence[Tensor] = (), *, power: int = 2
) -> Weights:
    """The mean over the examples of Σ_k |∂ score_k(example) / ∂w|^power, for every weight by its name.

    ``module`` with these ``weights`` makes (n, way) logits of x (n, *shape); parameters that are not among them count
    as constants. ``score(logits, *along)`` makes (k, n) numbers of the logits, ``along`` being tensors with a row for
    each example. The module is in ``eval()`` meanwhile.

    Raises ValueError for no examples, for a power that is not 1 or 2, and for a module in which examples depend on each
    other.
    """
    if power not in (1, 2) or not len(x):
        raise ValueError(f"needs a power of 1 or 2 and at least one example, got {power} and {len(x)}")
    live = {name: w.detach().requires_grad_() for name, w in weights.items()}
    total = {name: torch.zeros_like(w) for name, w in live.items()}
    with evaluating(module), torch.enable_grad():
        single = {name for name in _check_single(module) if f"{name}.weight" in live}
        single = {call.name for call in _calls(module, live, single, x[:1])[1]}
        for start in range(0, len(x), CHUNK):
            part = [t[start : start + CHUNK] for t in (x, *along)]
            done = _closed(module, live, single, score, part, power, total)
            _mapped(module, live, done, score, part, power, total)
    return {name: t.div_(len(x)) for name, t in total.items()}


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Inside, the module is in ``eval()``; afterwards every part of it is as it was."""
    training = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, mode in training.items():
            part.training = mode


def _check_single(module: nn.Module) -> set[str]:
    """The names of the layers that share no parameter. Raises ValueError where answers depend on the batch."""
    for name, part in module.named_modules():
        by_batch = isinstance(part, nn.modules.batchnorm._BatchNorm) and part.running_mean is None
        if by_batch or (isinstance(part, BatchDependent) and part.transductive):
            raise ValueError(
                f"{name} normalizes by the batch even in eval(), so that no example has a gradient of its own; "
                "calibrate it, keep running statistics, or choose another normalization"
            )
    uses = Counter(id(p) for _, p in module.named_parameters(remove_duplicate=False))
    return {name for name, part in module.named_modules() if all(uses[id(p)] == 1 for p in part.parameters(False))}


def _closed(
    module: nn.Module, live: Weights, single: set[str], score: Score, part: Sequence[Tensor], power: int, total: Weights
) -> set[str]:
    """Adds what can be written in closed form, and says of which weights nothing is left to add. Where a layer reads an
    example a row, the powers of the slopes are added over the functions first, since what came in is the same for all.
    """
    logits, calls = _calls(module, live, single, part[0])
    rows = {call.name: torch.zeros_like(call.made) for call in calls if call.made.dim() == 2}
    for each in score(logits, *part[1:]) if calls else ():  # (n,)
        slopes = torch.autograd.grad(
            each.sum(), [call.made for call in calls], retain_graph=True, materialize_grads=True
        )
        with torch.no_grad():
            for call, slope in zip(calls, slopes, strict=True):
                if call.name in rows:
                    rows[call.name] += _power(slope, power)
                else:
                    _add_places(call, slope, power, total)
    with torch.no_grad():
        for call in calls:
            if call.name in rows:
                _add_rows(call, rows[call.name], power, total)
    done = {f"{call.name}.{name}" for call in calls for name, _ in call.layer.named_parameters()}
    return done | _unread(logits, {name: w for name, w in live.items() if name not in done})


def _unread(logits: Tensor, weights: Weights) -> set[str]:
    """The names of the weights on which these logits do not depend, such as those of other tasks' heads."""
    if not weights or not logits.requires_grad:
        return {*weights}
    slopes = torch.autograd.grad(logits.sum(), [*weights.values()], allow_unused=True)
    return {name for name, slope in zip(weights, slopes, strict=True) if slope is None}


def _calls(module: nn.Module, live: Weights, single: set[str], x: Tensor) -> tuple[Tensor, list[Call]]:
    """What the module says, and the calls of the layers that were called once, with a row for each example."""
    calls: list[Call] = []
    with _watched(module, single, calls):
        logits = functional_call(module, live, (x,))
    times = Counter(call.name for call in calls)
    return logits, [call for call in calls if times[call.name] == 1 and len(call.given) == len(x)]


@contextmanager
def _watched(module: nn.Module, single: set[str], calls: list[Call]) -> Iterator[None]:
    """Inside, the calls of linear layers and convolutions are written down."""

    def note(name: str, layer: nn.Module, given: Any, made: Tensor) -> Tensor:
        calls.append(Call(name, layer, given[0].detach(), made))
        return made.clone()  # an activation in place must not change what was made

    known = [(name, layer) for name, layer in module.named_modules() if name in single and _known(layer)]
    hooks = [layer.register_forward_hook(partial(note, name)) for name, layer in known]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _known(layer: nn.Module) -> bool:
    if type(layer) is nn.Conv2d or type(layer) is Conv2d:
        return layer.groups == 1 and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    return type(layer) is nn.Linear


def _add_rows(call: Call, powers: Tensor, power: int, total: Weights) -> None:
    """Of a layer that reads an example a row, from the powers (n, outputs) of the slopes of what it made."""
    if f"{call.name}.bias" in total:
        total[f"{call.name}.bias"] += powers.sum(0)
    total[f"{call.name}.weight"] += powers.T @ _power(call.given, power)


def _add_places(call: Call, slope: Tensor, power: int, total: Weights) -> None:
    """Of a layer that uses its weight at several places of an example, from the slope of what it made."""
    if f"{call.name}.bias" in total:
        total[f"{call.name}.bias"] += _power(_of_bias(call.layer, slope), power).sum(0)
    weight = total[f"{call.name}.weight"]
    weight += _power(_of_weight(call.layer, call.given, slope), power).sum(0).view_as(weight)


def _of_bias(layer: nn.Module, slope: Tensor) -> Tensor:
    """(n, outputs)."""
    return slope.flatten(2).sum(2) if isinstance(layer, nn.Conv2d) else slope.flatten(1, -2).sum(1)


def _of_weight(layer: nn.Module, given: Tensor, slope: Tensor) -> Tensor:
    """(n, outputs, inputs): of an example, the sum over the places at which the weight was used."""
    if isinstance(layer, nn.Conv2d):
        padding: Any = layer.padding  # numbers: words are mapped
        patches = F.unfold(given, layer.kernel_size, layer.dilation, padding, layer.stride)
        return slope.flatten(2) @ patches.mT
    return slope.flatten(1, -2).mT @ given.flatten(1, -2)


def _mapped(
    module: nn.Module, live: Weights, done: set[str], score: Score, part: Sequence[Tensor], power: int, total: Weights
) -> None:
    """Adds the rest, example by example under ``vmap``."""
    rest = {name: w.detach() for name, w in live.items() if name not in done}
    if not rest:
        return

    def one(some: Weights, x: Tensor, *along: Tensor) -> Tensor:
        logits = functional_call(module, live | some, (x[None],))
        return score(logits, *(t[None] for t in along))[:, 0]  # (k,)

    each = vmap(jacrev(one), in_dims=(None, *(0 for _ in part)), chunk_size=MAPPED)
    for name, grads in each(rest, *part).items():  # (n, k, *shape)
        total[name] += _power(grads.detach(), power).sum((0, 1))


def _power(values: Tensor, power: int) -> Tensor:
    return values.square() if power == 2 else values.abs()
