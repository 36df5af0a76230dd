"""What a layer of a network makes of its inputs."""

from __future__ import annotations

import copy
import difflib
import itertools
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from quickstudy.core import Learner
from quickstudy.data import Pool
from quickstudy.files import atomic

LARGE = 2**31  # bytes that are held in memory
Data = NDArray[Any] | Tensor | Pool


def features(
    net: nn.Module,
    layer: str,
    data: Data,
    *,
    batch: int = 256,
    device: torch.device | str | None = None,
    out: Path | str | None = None,
) -> NDArray[Any]:
    """(n, d): what the layer of this name gives for every example, flattened.

    ``data`` is (n, *shape), an array (a memory-mapped one is read in parts), a tensor, or a pool; bytes are divided by
    255, as in every training here. ``layer`` is a name of ``net.named_modules()``, "" for the whole net, which is run
    in ``eval()``, ``batch`` examples at a time, where its weights are or, as a copy, on ``device``. A learner is asked
    through its embedding: ``features(learner.embed, "", data)``. With ``out`` the features are a memory-mapped .npy
    file, which is there once it is whole; without, more than two gigabytes lie in a file without a name.

    Raises ValueError for a layer that the net does not have or does not use, for a layer that does not give a row for
    each example, and for no data.
    """
    if isinstance(net, Learner):
        raise ValueError("a learner reads a support and answers; pass the net inside it, such as learner.embed")
    x = data.images if isinstance(data, Pool) else data
    if not len(x):
        raise ValueError("there is nothing to run through the net; pass at least one example")
    if device is not None:
        net = copy.deepcopy(net).to(device)
    with _reading(net, layer) as last, torch.inference_mode():
        parts = _rows(net, layer, last, x, batch)
        first = next(parts)
        shape = (len(x), first.shape[1])
        if out is None:
            return _filled(_room(shape, first.dtype), first, parts)
        with atomic(Path(out)) as part:
            made = np.lib.format.open_memmap(part, mode="w+", dtype=first.dtype, shape=shape)
            _filled(made, first, parts).flush()
    return np.lib.format.open_memmap(Path(out), mode="r")


def layers(net: nn.Module) -> list[str]:
    """The names by which ``features`` knows the layers, the whole net ("") first."""
    return [name for name, _ in net.named_modules()]


@contextmanager
def _reading(net: nn.Module, layer: str) -> Iterator[list[Tensor]]:
    """The net in ``eval()``, with a list that holds what the layer gave last; then as it was."""
    inner, last, modes = _named(net, layer), list[Tensor](), {m: m.training for m in net.modules()}

    def keep(module: nn.Module, inputs: Any, output: Any) -> None:
        last[:] = [output.clone() if isinstance(output, Tensor) else output]  # layers in place come after it

    hook = inner.register_forward_hook(keep)
    net.eval()
    try:
        yield last
    finally:
        hook.remove()
        for module, mode in modes.items():
            module.training = mode


def _named(net: nn.Module, layer: str) -> nn.Module:
    found = dict(net.named_modules())
    if layer not in found:
        names = [name for name in found if name]
        close = difflib.get_close_matches(layer, names, 1)
        meant = f"; did you mean {close[0]}?" if close else ""
        raise ValueError(f"the net has no layer {layer!r}; it has {', '.join(names) or 'none'} and '', itself{meant}")
    return found[layer]


def _rows(net: nn.Module, layer: str, last: list[Tensor], x: Any, batch: int) -> Iterator[NDArray[Any]]:
    """(at most batch, d) after (at most batch, d)."""
    like = next(net.parameters(), torch.empty(0))
    for start in range(0, len(x), batch):
        part = x[start : start + batch]
        last.clear()
        net(_inputs(part, like))
        if not last:
            raise ValueError(f"the net has the layer {layer!r}, but does not run it on these inputs; choose another")
        yield _flat(last[0], len(part), layer)


def _inputs(part: Any, like: Tensor) -> Tensor:
    """As the net's weights are: floats and bytes of their type, whole numbers as they are."""
    x = part if isinstance(part, Tensor) else torch.from_numpy(np.array(part))
    if x.dtype == torch.uint8:
        return x.to(like.device).to(like.dtype).div_(255)
    return x.to(like) if x.is_floating_point() else x.to(like.device)


def _flat(given: Any, count: int, layer: str) -> NDArray[Any]:
    if not isinstance(given, Tensor) or given.dim() < 1 or len(given) != count:
        got = f"a tensor of {tuple(given.shape)}" if isinstance(given, Tensor) else f"a {type(given).__name__}"
        raise ValueError(
            f"the layer {layer!r} gave {got} for {count} examples, expected a row for each; choose another"
        )
    rows = given.reshape(count, -1)
    return (rows.float() if rows.dtype in (torch.bfloat16, torch.float16) else rows).cpu().numpy()


def _room(shape: tuple[int, int], dtype: Any) -> NDArray[Any]:
    if math.prod(shape) * dtype.itemsize <= LARGE:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile() as file:  # the array keeps it
        return np.memmap(file, dtype, mode="w+", shape=shape)


def _filled(whole: Any, first: NDArray[Any], parts: Iterator[NDArray[Any]]) -> Any:
    start = 0
    for part in itertools.chain([first], parts):
        whole[start : start + len(part)] = part
        start += len(part)
    return whole
