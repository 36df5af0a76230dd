"""t-SNE (van der Maaten & Hinton, 2008) in time linear in the number of points (Linderman et al., 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quickstudy.maps.layout import Floats
from quickstudy.maps.needing import needing
from quickstudy.maps.neighbourly import Neighbourly

if TYPE_CHECKING:
    from openTSNE import TSNEEmbedding


class TSNE(Neighbourly):
    """t-distributed stochastic neighbour embedding, of openTSNE: it starts from principal components, and places new
    points by their neighbours among the old ones, which stay.

    Parameters
    ----------
    perplexity : how many neighbours count, roughly; lowered to a third of the points where there are few.
    metric : of the distances, by the name that openTSNE has.
    reduce : principal components in which neighbours are found; None for the features as they are.
    seed : of the approximate search for neighbours. On one core the same seed gives the same bits.
    jobs : cores to use, -1 for all.
    """

    def __init__(
        self,
        *,
        perplexity: float = 30.0,
        metric: str = "euclidean",
        reduce: int | None = 50,
        seed: int = 0,
        jobs: int = 1,
    ) -> None:
        self.perplexity = perplexity
        self.metric = metric
        self.reduce = reduce
        self.seed = seed
        self.jobs = jobs

    def _lay_out(self, x: Floats) -> Floats:
        with needing("openTSNE"):
            import openTSNE

        if self.perplexity < 1:
            raise ValueError(f"perplexity is a number of neighbours, at least 1, got {self.perplexity}")
        fitted = openTSNE.TSNE(
            perplexity=self._neighbours(len(x)), metric=self.metric, random_state=self.seed, n_jobs=self.jobs
        )
        self._fitted: TSNEEmbedding | None = fitted.fit(x)
        return np.array(self._fitted)

    def _lay_beside(self, x: Floats) -> Floats:
        if self._fitted is None:
            self._fitted = self._again()
        return np.array(self._fitted.transform(x, perplexity=min(5.0, self._neighbours(len(self._x)))))

    def _again(self) -> TSNEEmbedding:
        """The library's object, from what it was fitted on and the places that came of it."""
        with needing("openTSNE"):
            import openTSNE

        near = openTSNE.affinity.PerplexityBasedNN(
            self._x,
            perplexity=self._neighbours(len(self._x)),
            metric=self.metric,
            random_state=self.seed,
            n_jobs=self.jobs,
        )
        return openTSNE.TSNEEmbedding(self.embedding_, near, random_state=self.seed, n_jobs=self.jobs)

    def _forget(self) -> None:
        self._fitted = None

    def _neighbours(self, count: int) -> float:
        return min(self.perplexity, (count - 1) / 3)
