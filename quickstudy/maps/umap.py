"""UMAP (McInnes, Healy & Melville, 2018)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from quickstudy.maps.layout import Floats
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
        self._fitted: Fitted | None = self._library(len(x))
        with quiet():
            return np.array(self._fitted.fit_transform(x))

    def _lay_beside(self, x: Floats) -> Floats:
        if self._fitted is None:
            self._fitted = self._again()
        with quiet():
            return np.array(self._fitted.transform(x))

    def _again(self) -> Fitted:
        """The library's object: fitted without a step from the places that came of it."""
        made = self._library(len(self._x))
        made.set_params(n_epochs=0, init=self.embedding_)
        with quiet():
            made.fit(self._x)
        made.embedding_ = self.embedding_
        made.n_epochs = None  # new points take steps
        return made

    def _library(self, count: int) -> Fitted:
        import umap

        if self.neighbours < 2:
            raise ValueError(f"UMAP needs at least 2 neighbours, got {self.neighbours}")
        return umap.UMAP(
            n_neighbors=min(self.neighbours, count - 1),
            min_dist=self.apart,
            metric=self.metric,
            random_state=self.seed,
            n_jobs=1 if self.seed is not None else -1,
        )

    def _forget(self) -> None:
        self._fitted = None


class quiet(warnings.catch_warnings):  # noqa: N801
    """Without what the libraries below it say to their developers."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.filterwarnings("ignore", module=r"umap|sklearn|numba|pynndescent|scipy")
