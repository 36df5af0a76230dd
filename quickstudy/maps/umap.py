"""UMAP (McInnes, Healy & Melville, 2018)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch

from quickstudy.maps.layout import Floats
from quickstudy.maps.needing import needing
from quickstudy.maps.neighbourly import Neighbourly

if TYPE_CHECKING:
    from umap import UMAP as Fitted  # noqa: N811


class UMAP(Neighbourly):
    """Uniform manifold approximation and projection, of umap-learn.

    Parameters
    ----------
    neighbours : how many count; fewer where there are fewer points.
    apart : the least distance of neighbours in the plane (``min_dist``).
    metric : of the distances, by the name that umap-learn has.
    reduce : principal components in which neighbours are found; None for the features as they are.
    seed : the same seed gives the same bits on the same machine, on one core. None: quicker on several, and never the
        same twice.
    """

    least = 5

    def __init__(
        self,
        *,
        neighbours: int = 15,
        apart: float = 0.1,
        metric: str = "euclidean",
        reduce: int | None = 50,
        seed: int | None = 0,
    ) -> None:
        self.neighbours = neighbours
        self.apart = apart
        self.metric = metric
        self.reduce = reduce
        self.seed = seed

    def _lay_out(self, x: Floats) -> Floats:
        self._fitted: Fitted | None = made(len(x), self.neighbours, self.apart, self.metric, self.seed)
        with library():
            return np.array(self._fitted.fit_transform(x))

    def _lay_beside(self, x: Floats) -> Floats:
        if self._fitted is None:
            self._fitted = self._again()
        with library():
            return np.array(self._fitted.transform(x))

    def _again(self) -> Fitted:
        """The library's object: fitted without a step from the places that came of it."""
        again = made(len(self._x), self.neighbours, self.apart, self.metric, self.seed)
        again.set_params(n_epochs=0, init=self.embedding_)
        with library():
            again.fit(self._x)
        again.embedding_ = self.embedding_
        again.n_epochs = None  # new points take steps
        return again

    def _forget(self) -> None:
        self._fitted = None


def made(count: int, neighbours: int, apart: float, metric: str, seed: int | None) -> Fitted:
    """The library's object for so many points."""
    with needing("umap-learn"):
        import umap

    if neighbours < 2:
        raise ValueError(f"UMAP needs at least 2 neighbours, got {neighbours}")
    return umap.UMAP(
        n_neighbors=min(neighbours, count - 1),
        min_dist=apart,
        metric=metric,
        random_state=seed,
        n_jobs=1 if seed is not None else -1,
    )


@contextmanager
def library() -> Iterator[None]:
    """Without what the library and those below it say to their developers; and with as many threads afterwards as
    before: numba sets those of everything that shares its OpenMP, PyTorch among them."""
    threads = torch.get_num_threads()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"umap|sklearn|numba|pynndescent|scipy")
        yield
    torch.set_num_threads(threads)
