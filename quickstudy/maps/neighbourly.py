"""What t-SNE and UMAP share: they keep neighbours together, and find them in few dimensions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from quickstudy.maps.layout import Floats, Layout
from quickstudy.maps.pca import Axes, reducing


class Neighbourly(Layout):
    """A layout by nearest neighbours among the first ``reduce`` principal components, which are quicker to compare and
    have less noise; None: among the features as they are.

    What it was fitted on is kept, since new points find their neighbours in it.
    """

    reduce: int | None

    def _fit(self, x: Floats, y: Any) -> Floats:
        self._axes = reducing(x, self.reduce)
        self._x = self._reduced(x)
        return self._lay_out(self._x)

    def _place(self, x: Floats) -> Floats:
        z = self._reduced(x)
        return self.embedding_ if np.array_equal(z, self._x) else self._lay_beside(z)

    def _reduced(self, x: Floats) -> Floats:
        return x if self._axes is None else self._axes(x)

    def _kept(self) -> Mapping[str, Floats]:
        return {"x": self._x} | ({} if self._axes is None else self._axes.arrays)

    def _restore(self, kept: Mapping[str, Floats], about: Mapping[str, Any]) -> None:
        self._x = kept["x"]
        self._axes = Axes.among(kept)
        self._forget()

    @abstractmethod
    def _lay_out(self, x: Floats) -> Floats:
        """(n, 2) of (n, k)."""

    @abstractmethod
    def _lay_beside(self, x: Floats) -> Floats:
        """(m, 2) of new (m, k), beside what is there."""

    @abstractmethod
    def _forget(self) -> None:
        """That a library's own object is there: it is made again when it is needed."""
