"""Networks as loss functions: any module, trained on minibatches of what it is given, without being rewritten."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from quickstudy import tree
from quickstudy.data.pool import Pool
from quickstudy.rules.rule import Weights
from quickstudy.tasks.episodes import pictures
from quickstudy.tasks.losses import Losses, normal

Loss = Callable[[Tensor, Tensor], Tensor]  # (answers, targets) -> a scalar


class Batches(Protocol):
    """Minibatches as a function of integers."""

    def draw(self, indices: Sequence[int], step: int) -> tuple[Tensor, Tensor]:
        """(p, b, *shape) inputs and (p, b, ...) targets of this step of these problems."""
        ...


class OfPool:
    """Labelled pictures drawn from a whole pool: (p, size, *shape) from 0 to 1, and their classes."""

    def __init__(self, pool: Pool, size: int, *, seed: int = 0) -> None:
        if size < 1:
            raise ValueError(f"a minibatch holds at least 1 picture, got {size}")
        self.pool, self.size, self.seed = pool, size, seed
        self._labels = pool.labels

    def draw(self, indices: Sequence[int], step: int) -> tuple[Tensor, Tensor]:
        raw = np.stack([_bits(self.seed, index, step).random_raw(self.size) for index in indices])
        rows = (raw % np.uint64(len(self.pool.images))).astype(np.int64)
        x = pictures(self.pool, rows)
        return x, self._labels[torch.from_numpy(rows)].to(x.device)


class OfList:
    """Minibatches that exist already, such as ``list(DataLoader(...))``: one of them, drawn anew each step."""

    def __init__(self, batches: Sequence[tuple[Tensor, Tensor]], *, seed: int = 0) -> None:
        if not batches:
            raise ValueError("a network needs at least one minibatch to be trained on, got none")
        self.batches, self.seed = batches, seed

    def draw(self, indices: Sequence[int], step: int) -> tuple[Tensor, Tensor]:
        places = [int(_bits(self.seed, index, step).random_raw() % np.uint64(len(self.batches))) for index in indices]
        return tree.stack([tuple(self.batches[place]) for place in places])


RESET = ("reset_parameters", "_reset_parameters")  # by which PyTorch's layers draw their first weights


class Networks(Losses):
    """The loss of a module on minibatches. A problem's weights are drawn anew: normal of deviation ``spread``, or by
    its layers' own ``reset_parameters``; its buffers stay as they are. The module itself never changes."""

    def __init__(
        self, name: str, net: nn.Module, batches: Batches, *, loss: Loss, spread: float | None, seed: int
    ) -> None:
        if not (shapes := {key: w for key, w in net.named_parameters() if w.requires_grad}):
            raise ValueError(f"{type(net).__name__} has no weights to train")
        _check(net, spread)
        self.name, self.batches, self.measure, self.spread, self.seed = name, batches, loss, spread, seed
        self.net = copy.deepcopy(net)
        self.shapes = {key: w.shape for key, w in shapes.items()}

    def batch(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Their numbers: all else follows from those."""
        return {"index": torch.tensor(indices, dtype=torch.int64)}

    def start(self, problems: dict[str, Tensor]) -> Weights:
        indices = problems["index"].tolist()
        if self.spread is None:
            return tree.stack([self._reset(index) for index in indices])
        sizes = [shape.numel() for shape in self.shapes.values()]
        row = torch.from_numpy((self.spread * normal(self.seed, indices, sum(sizes))).astype(np.float32))
        parts = zip(self.shapes.items(), row.split(sizes, dim=1), strict=True)
        return {key: part.reshape(len(indices), *shape).contiguous() for (key, shape), part in parts}

    def loss(self, weights: Weights, problems: dict[str, Tensor], step: int) -> Tensor:
        x, y = self.batches.draw(problems["index"].tolist(), step)
        return vmap(self._one, randomness="different")(weights, x, y)

    def _one(self, weights: Weights, x: Tensor, y: Tensor) -> Tensor:
        return self.measure(functional_call(self.net, weights, (x,)), y)

    def _reset(self, index: int) -> Weights:
        """As the module's layers draw their weights, of (seed, index)."""
        fresh = copy.deepcopy(self.net)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed * 1_000_003 + index)
            fresh.apply(_redraw)
        return {key: w.detach() for key, w in fresh.named_parameters() if w.requires_grad}


def networks(
    net: nn.Module,
    batches: Batches | Sequence[tuple[Tensor, Tensor]],
    *,
    loss: Loss = nn.functional.cross_entropy,
    spread: float | None = None,
    seed: int = 0,
    name: str = "network",
) -> Networks:
    """Any module as a distribution of loss functions, one for each draw of its first weights and minibatches.

    ``batches``: (input, target) pairs of equal shapes, such as ``list(DataLoader(..., drop_last=True))``, or an object
    that draws them; ``spread``: deviation of the first weights, unless the layers' own ``reset_parameters`` draws them.
    """
    drawn = OfList(batches, seed=seed) if isinstance(batches, Sequence) else batches
    return Networks(name, net, drawn, loss=loss, spread=spread, seed=seed)


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU}
SPREAD, MINIBATCH = 0.01, 128  # of the paper's networks


def perceptron(
    pool: Pool, *, widths: Sequence[int] = (20,), activation: str = "sigmoid", seed: int = 0, name: str = "MNIST"
) -> Networks:
    """The paper's classifiers: hidden layers of these widths, minibatches of 128, first weights and biases normal of
    deviation 0.01, as in the authors' code.

    Raises ValueError for another activation than sigmoid and relu.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"no activation is called {activation!r}; there are {', '.join(ACTIVATIONS)}")
    sizes = [int(np.prod(pool.shape)), *widths]
    hidden = [
        layer for a, b in zip(sizes, widths, strict=False) for layer in (nn.Linear(a, b), ACTIVATIONS[activation]())
    ]
    net = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(sizes[-1], len(pool)))
    return networks(net, OfPool(pool, MINIBATCH, seed=seed), spread=SPREAD, seed=seed, name=name)


def _bits(seed: int, index: int, step: int) -> np.random.Philox:
    return np.random.Philox(key=seed, counter=[0, 0, step + 1, index])


def _redraw(module: nn.Module) -> None:
    for reset in _resets(module):
        reset()


def _resets(module: nn.Module) -> list[Callable[[], None]]:
    """By which the layer draws its own first weights; none where it has no such method."""
    return [getattr(module, name) for name in RESET if hasattr(module, name)]


def _check(net: nn.Module, spread: float | None) -> None:
    """Raises ValueError for what cannot be drawn anew, or trained on stacked minibatches."""
    for name, part in net.named_modules():
        told = f"{name or 'the net'} ({type(part).__name__})"
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.training and part.running_mean is not None:
            raise ValueError(f"{told} keeps running statistics in training; use group or layer norm, or eval()")
        own = [key for key, w in part.named_parameters(recurse=False) if w.requires_grad]
        if spread is None and own and not _resets(part):
            raise ValueError(
                f"{told} has weights {', '.join(own)} and no reset_parameters that would draw them anew; give it one, "
                "or pass spread="
            )
