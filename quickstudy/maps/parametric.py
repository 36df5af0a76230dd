"""Layouts that are functions: a net is trained with the loss of t-SNE or of UMAP, and places new points at once.

Both losses need pairs of neighbours and pairs of any points. Neighbours are drawn by their weight in the graph, any
points from the batch, so that a step costs the same however many points there are (Sainburg, McInnes & Gentner, 2021;
Damrich, Böhm, Hamprecht & Kobak, 2023).
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn

from quickstudy import devices
from quickstudy.maps import fitting
from quickstudy.maps.layout import Floats, Layout
from quickstudy.maps.needing import needing
from quickstudy.maps.pca import Axes, reducing
from quickstudy.maps.umap import library, made

CLOSEST = 1e-4  # squared distance from which on points push each other away: below, the slope has no bound
PUSHES = 5  # points that push, for one neighbour that pulls: UMAP's own number


class Parametric(Layout):
    """A layout by a net: fully connected over the first ``reduce`` principal components, or, over the features as they
    are, a module of your own from (n, d) to (n, 2), of which a copy is trained."""

    least = 5

    net: nn.Module | None
    widths: Sequence[int]
    reduce: int | None
    steps: int
    batch: int
    rate: float
    seed: int
    progress: bool

    def _fit(self, x: Floats, y: Any) -> Floats:
        self._axes = reducing(x, self.reduce)
        z = x if self._axes is None else self._axes(x)
        pairs = Pairs(*self._graph(z))
        inputs = fitting.tensor(self._seen(x))
        with devices.seeded(self.seed) as draw:
            self._net = self._made(inputs.shape[1])
            if self.net is None:
                self._net[0].learn(inputs)

            def loss() -> Tensor:
                rows = torch.cat(pairs.drawn(self.batch, draw))
                return self._loss(*self._net(inputs[rows]).chunk(2))

            fitting.descend(self._net, loss, steps=self.steps, rate=self.rate, progress=self.progress)
        return self._place(x)

    def _place(self, x: Floats) -> Floats:
        return fitting.applied(self._net, self._seen(x))

    def _seen(self, x: Floats) -> Floats:
        """What the net reads."""
        return x if self._axes is None or self.net is not None else self._axes(x)

    def _made(self, inputs: int) -> Any:
        if self.net is not None:
            return copy.deepcopy(self.net)
        return nn.Sequential(fitting.Scaled(inputs), fitting.dense(inputs, self.widths, 2))

    def _kept(self) -> Mapping[str, Floats]:
        axes = {} if self._axes is None else self._axes.arrays
        return axes | {f"net.{name}": part for name, part in fitting.arrays(self._net).items()}

    def _restore(self, kept: Mapping[str, Floats], about: Mapping[str, Any]) -> None:
        self._axes = Axes.among(kept)
        inputs = self.n_features_in_ if self._axes is None else len(self._axes.directions)
        self._net = fitting.filled(self._made(inputs), kept, "net.")

    @abstractmethod
    def _graph(self, x: Floats) -> tuple[Any, Any, Any]:
        """Neighbours among (n, k): (e,) from, (e,) to, and (e,) their weights."""

    @abstractmethod
    def _loss(self, a: Tensor, b: Tensor) -> Tensor:
        """Of the places (batch, 2) of neighbours a and b."""


class ParametricTSNE(Parametric):
    """A net with the loss of t-SNE (van der Maaten, 2009).

    The divergence of the similarities in the plane, w = 1 / (1 + d²) over their sum, from those of the features is,
    up to a constant, the mean of -log w over neighbours plus the logarithm of the mean of w over all pairs; of both, a
    batch has an estimate.

    Parameters
    ----------
    perplexity : how many neighbours count, roughly; lowered to a third of the points where there are few.
    net, widths : a module of your own, or the widths of hidden layers; ``reduce``: components that neighbours are found
        in and the net reads.
    steps, batch, rate : of the training.
    """

    def __init__(
        self,
        *,
        perplexity: float = 30.0,
        net: nn.Module | None = None,
        widths: Sequence[int] = (256, 256, 256),
        reduce: int | None = 50,
        steps: int = 3000,
        batch: int = 512,
        rate: float = 1e-3,
        seed: int = 0,
        progress: bool = False,
    ) -> None:
        self.perplexity = perplexity
        self.net = net
        self.widths = widths
        self.reduce = reduce
        self.steps = steps
        self.batch = batch
        self.rate = rate
        self.seed = seed
        self.progress = progress

    def _graph(self, x: Floats) -> tuple[Any, Any, Any]:
        with needing("openTSNE"):
            from openTSNE.affinity import PerplexityBasedNN

        perplexity = min(self.perplexity, (len(x) - 1) / 3)
        near = PerplexityBasedNN(x, perplexity=perplexity, random_state=self.seed).P.tocoo()
        return near.row, near.col, near.data

    def _loss(self, a: Tensor, b: Tensor) -> Tensor:
        pulled = (1 + (a - b).square().sum(1)).log().mean()
        size = a.square().sum(1)
        apart = (size[:, None] + size - 2 * a @ a.mT).clamp_min(0)  # (batch, batch)
        others = 1 - torch.eye(len(a))
        return pulled + ((others / (1 + apart)).sum() / others.sum()).log()


class ParametricUMAP(Parametric):
    """A net with the loss of UMAP (Sainburg, McInnes & Gentner, 2021): the cross-entropy of being neighbours, whose
    chance in the plane is 1 / (1 + a d^2b), over neighbours and five times as many pairs of any points.

    Parameters
    ----------
    neighbours : how many count; fewer where there are fewer points.
    apart : the least distance of neighbours in the plane, by which a and b are found.
    net, widths : a module of your own, or the widths of hidden layers; ``reduce``: components that neighbours are found
        in and the net reads.
    steps, batch, rate : of the training.
    """

    def __init__(
        self,
        *,
        neighbours: int = 15,
        apart: float = 0.1,
        net: nn.Module | None = None,
        widths: Sequence[int] = (256, 256, 256),
        reduce: int | None = 50,
        steps: int = 3000,
        batch: int = 512,
        rate: float = 1e-3,
        seed: int = 0,
        progress: bool = False,
    ) -> None:
        self.neighbours = neighbours
        self.apart = apart
        self.net = net
        self.widths = widths
        self.reduce = reduce
        self.steps = steps
        self.batch = batch
        self.rate = rate
        self.seed = seed
        self.progress = progress

    def _graph(self, x: Floats) -> tuple[Any, Any, Any]:
        found = made(len(x), self.neighbours, self.apart, "euclidean", self.seed)
        with library():
            found.set_params(transform_mode="graph").fit(x)
        self._a, self._b, near = found._a, found._b, found.graph_.tocoo()
        return near.row, near.col, near.data

    def _loss(self, a: Tensor, b: Tensor) -> Tensor:
        pulled = self._odds(a, b).log1p().mean()
        pushed = torch.stack([self._odds(a, b.roll(i, 0)) for i in range(1, PUSHES + 1)])
        return pulled + (pushed.log1p() - pushed.log()).mean(1).sum()

    def _odds(self, a: Tensor, b: Tensor) -> Tensor:
        """Against being neighbours: a d^2b."""
        return self._a * (a - b).square().sum(1).clamp_min(CLOSEST) ** self._b


class Pairs:
    """Edges from which some are drawn, each as often as its weight says."""

    def __init__(self, start: Any, end: Any, weight: Any) -> None:
        self.start, self.end = torch.from_numpy(start).long(), torch.from_numpy(end).long()
        self.below = torch.from_numpy(np.cumsum(weight, dtype=np.float64))

    def drawn(self, count: int, draw: Generator) -> tuple[Tensor, Tensor]:
        """(count,) from and (count,) to."""
        heights = torch.rand(count, generator=draw, dtype=torch.float64) * self.below[-1]
        edges = torch.searchsorted(self.below, heights, right=True).clamp_max(len(self.below) - 1)
        return self.start[edges], self.end[edges]
