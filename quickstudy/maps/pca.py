"""Principal components: the best linear layout, and what distances are taken in before the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn import decomposition

from quickstudy.maps.layout import Floats, Layout


class PCA(Layout):
    """The two directions in which the features vary most (Pearson, 1901; Hotelling, 1933)."""

    def _fit(self, x: Floats, y: Any) -> Floats:
        self._axes = Axes.of(x, 2)
        return self._axes(x)

    def _place(self, x: Floats) -> Floats:
        return self._axes(x)

    def _kept(self) -> Mapping[str, Floats]:
        return self._axes.arrays

    def _restore(self, kept: Mapping[str, Floats], about: Mapping[str, Any]) -> None:
        self._axes = Axes(**kept)


def reducing(x: Floats, count: int | None) -> Axes | None:
    """The principal axes of (n, d) where it has more than ``count``; None where it may stay as it is."""
    return None if count is None or count >= x.shape[1] else Axes.of(x, count)


class Axes:
    """A mean (d,) and directions (k, d)."""

    def __init__(self, mean: Floats, directions: Floats) -> None:
        self.mean, self.directions = mean, np.ascontiguousarray(directions)  # as a file has them

    @classmethod
    def of(cls, x: Floats, count: int) -> Axes:
        """The ``count`` principal ones of (n, d)."""
        found = decomposition.PCA(min(count, *x.shape), random_state=0).fit(x)
        return cls(found.mean_, found.components_)

    def __call__(self, x: Floats) -> Floats:
        """(n, k) from (n, d)."""
        return (x - self.mean) @ self.directions.T

    @classmethod
    def among(cls, kept: Mapping[str, Floats]) -> Axes | None:
        """Those that were kept, if any were."""
        return cls(kept["mean"], kept["directions"]) if "mean" in kept else None

    @property
    def arrays(self) -> dict[str, Floats]:
        return {"mean": self.mean, "directions": self.directions}
