"""A layout: a scikit-learn transformer from features to places in the plane, which can be saved."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from quickstudy import __version__
from quickstudy.files import FileProblem
from quickstudy.storage import load_tensors, save_tensors

FORMAT = 1  # of saved layouts; raised when an older reader would misread a newer file
KIND = "quickstudy layout"
Floats = NDArray[Any]


class Layout(TransformerMixin, BaseEstimator, ABC):
    """Places for features (n, d); ``embedding_`` (n, 2) are those of what it was fitted on.

    A subclass places what it is fitted on, and what is new, as float32 or float64, and says of which tensors it is
    made. What it is fitted on has places already: ``transform`` of the very same array gives ``embedding_``.
    """

    least = 3  # examples to fit

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Lays out (n, d) features, at least two. Raises ValueError for too few rows or columns, for what is no number,
        and where all rows are alike."""
        X = validate_data(  # noqa: N806
            self, X, dtype=[np.float32, np.float64], ensure_min_samples=self.least, ensure_min_features=2
        )
        check_spread(X)
        self.embedding_ = np.asarray(self._fit(X, y))
        if not np.isfinite(self.embedding_).all():
            raise ArithmeticError("some places are no numbers; lower the rate, or scale the features")
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Floats:  # noqa: N803
        """(n, 2) places of what it is fitted on."""
        return self.fit(X, y).embedding_

    def transform(self, X: Any) -> Floats:  # noqa: N803
        """(m, 2) places of (m, d) features, old or new."""
        check_is_fitted(self, "embedding_")
        X = validate_data(self, X, dtype=[np.float32, np.float64], reset=False)  # noqa: N806
        return np.asarray(self._place(X))

    def save(self, path: Path | str) -> None:
        """Writes all that ``transform`` needs: one safetensors file, no pickle."""
        check_is_fitted(self, "embedding_")
        tensors = {"embedding": self.embedding_, **self._kept()}
        options = {key: _python(value) for key, value in self.get_params(deep=False).items()}
        about = {
            "kind": KIND,
            "format": FORMAT,
            "quickstudy": __version__,
            "layout": type(self).__name__,
            "features": self.n_features_in_,
            **self._more(),
            "options": {key: value for key, value in options.items() if _plain(value)},
        }
        save_tensors(Path(path), {name: torch.from_numpy(np.array(part)) for name, part in tensors.items()}, about)

    @classmethod
    def load(cls, path: Path | str, **given: Any) -> Self:
        """What ``save`` wrote; ``given``: parameters that a file cannot hold, such as a module of your own.

        Raises FileProblem for a file that is missing, damaged, of another layout or of a newer version.
        """
        tensors, about = opened(Path(path))
        if about["layout"] != cls.__name__:
            raise FileProblem(f"{path} holds a layout of {about['layout']}, expected {cls.__name__}; load it as that")
        options = {key: tuple(value) if isinstance(value, list) else value for key, value in about["options"].items()}
        made = cls(**options, **given)
        made.n_features_in_ = about["features"]
        parts = {name: tensor.numpy() for name, tensor in tensors.items()}
        made.embedding_ = parts.pop("embedding")
        made._restore(parts, about)
        return made

    @abstractmethod
    def _fit(self, x: Floats, y: Any) -> Floats: ...

    @abstractmethod
    def _place(self, x: Floats) -> Floats: ...

    @abstractmethod
    def _kept(self) -> Mapping[str, Floats]:
        """Arrays from which ``_restore`` makes it again, besides the embedding."""

    @abstractmethod
    def _restore(self, kept: Mapping[str, Floats], about: Mapping[str, Any]) -> None: ...

    def _more(self) -> dict[str, Any]:
        """What it says of itself in a file besides arrays, as JSON; ``_restore`` is given it."""
        return {}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    @property
    def _n_features_out(self) -> int:
        return int(self.embedding_.shape[1])


def check_spread(x: Floats) -> None:
    """Raises ValueError where all rows are the same: there is nothing to lay out."""
    if (x == x[0]).all():
        raise ValueError(
            f"all {len(x)} rows are the same, so that no place is better than another; pass other features"
        )


def opened(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a saved layout, and what it says of itself. Raises FileProblem."""
    if not path.is_file():
        raise FileProblem(f"{path} is not there; save of a fitted layout writes it")
    tensors, about = load_tensors(path, "fit and save it anew")
    if about.get("kind") != KIND:
        raise FileProblem(f"{path} holds no layout; save of a fitted layout writes one")
    if about["format"] > FORMAT:
        raise FileProblem(
            f"{path} was written by quickstudy {about['quickstudy']} as a layout of format {about['format']}; this is "
            f"quickstudy {__version__}, which reads formats up to {FORMAT}: pip install --upgrade quickstudy"
        )
    return tensors, about


def _python(value: Any) -> Any:
    """NumPy's numbers and arrays as Python's."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | list | tuple)
