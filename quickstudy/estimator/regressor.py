"""The scikit-learn face of a learner of values: taught with a few (x, y), asked for y."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from quickstudy import devices, tree
from quickstudy.core import Examples, Learner
from quickstudy.estimator import modelfile
from quickstudy.learners.gradient import Gradient
from quickstudy.nets.heads import Fresh
from quickstudy.nets.mlp import mlp
from quickstudy.rules import adam
from quickstudy.storage import save_tensors

KIND, MADE = "quickstudy regressor", "FewShotRegressor.save({})"
LEAST = 1e-12  # spread that a column is divided by


class FewShotRegressor(RegressorMixin, BaseEstimator):
    """Learns a function from a few examples; ``partial_fit`` adds more without the old ones.

    Parameters
    ----------
    learner : a learner of values, such as a trained ``maml_regressor``, which reads and answers x and y as they are; or
        a function from (shape, columns of y) to one. None: a small net of two hidden layers that starts anew and takes
        ``steps`` of Adam, on x and y in units of the spread of the first examples.
    steps, rate, width : of that net.
    seed : of its first weights.
    """

    def __init__(
        self,
        learner: Learner | Callable[[tuple[int, ...], int], Learner] | None = None,
        *,
        steps: int = 300,
        rate: float = 0.01,
        width: int = 40,
        seed: int = 0,
    ) -> None:
        self.learner = learner
        self.steps = steps
        self.rate = rate
        self.width = width
        self.seed = seed

    def fit(self, X: Any, y: Any) -> FewShotRegressor:  # noqa: N803
        """Learns from (n, features) and (n,) or (n, k) values."""
        return self._learn(X, y, fresh=True)

    def partial_fit(self, X: Any, y: Any) -> FewShotRegressor:  # noqa: N803
        """Goes on learning: a learner by gradient descent takes its steps on these examples alone."""
        return self._learn(X, y, fresh="state_" not in vars(self))

    def save(self, path: str | Path) -> None:
        """Writes what was learned as one safetensors file, without pickle."""
        check_is_fitted(self, "state_")
        units = {name: torch.tensor(np.stack(pair)) for name, pair in (("x", self.inputs_), ("y", self.outputs_))}
        parts = {"learner": dict(self.learner_.state_dict()), "state": self.state_, "units": units}
        settings = {name: value for name, value in self.get_params(deep=False).items() if name != "learner"}
        about = {"settings": settings, "plain": self.learner is None, "flat": self.flat_}
        save_tensors(Path(path), dict(tree.items(parts)), modelfile.header(KIND) | about)

    @classmethod
    def load(cls, path: str | Path, *, given: Learner | Callable[..., Learner] | None = None) -> FewShotRegressor:
        """The regressor of such a file; ``given``: the learner, where it was one of your own.

        Raises FileProblem for a file that is missing, damaged or of a newer version, ValueError without the learner.
        """
        tensors, about = modelfile.opened(Path(path), KIND, MADE)
        if not about["plain"] and given is None:
            raise ValueError(f"{path} needs the learner it was taught with: FewShotRegressor.load(path, given=learner)")
        made = cls(None if about["plain"] else given, **about["settings"])
        units = {name: pair.numpy() for name, pair in modelfile.under("units", tensors).items()}
        made.inputs_, made.outputs_ = tuple(units["x"]), tuple(units["y"])
        made.flat_, made.n_features_in_ = about["flat"], units["x"].shape[1]
        made._build(units["x"].shape[1:], units["y"].shape[1])
        made.learner_.load_state_dict(modelfile.under("learner", tensors))
        made.state_ = tree.restore(made.state_, modelfile.under("state", tensors))
        return made

    def _learn(self, X: Any, y: Any, *, fresh: bool) -> FewShotRegressor:  # noqa: N803
        X, y = validate_data(self, X, y, reset=fresh, multi_output=True, y_numeric=True, dtype=np.float64)  # noqa: N806
        values = y.reshape(len(y), -1)
        if fresh:
            self._begin(X, values, y.ndim)
        if values.shape[1] != len(self.outputs_[0]):
            raise ValueError(
                f"this regressor has {len(self.outputs_[0])} targets, got {values.shape[1]}; fit anew to change them"
            )
        x, targets = (self._scaled(part, *by) for part, by in ((X, self.inputs_), (values, self.outputs_)))
        with torch.no_grad():
            self.state_: Any = self.learner_.adapt(self.state_, Examples(x, targets))
        return self

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """(q,) or (q, k) values."""
        check_is_fitted(self, "state_")
        X = validate_data(self, X, reset=False, dtype=np.float64)  # noqa: N806
        with torch.no_grad():
            said = self.learner_.predict(self.state_, self._scaled(X, *self.inputs_)).double().numpy()
        middle, spread = self.outputs_
        values = said * spread + middle
        return values[:, 0] if self.flat_ else values

    def _begin(self, x: np.ndarray, y: np.ndarray, axes: int) -> None:
        """The learner and its units."""
        self.flat_ = axes == 1
        plain = self.learner is None
        self.inputs_, self.outputs_ = (_units(part) if plain else _none(part) for part in (x, y))
        self._build(x.shape[1:], y.shape[1])

    def _build(self, shape: tuple[int, ...], columns: int) -> None:
        with devices.seeded(self.seed):
            made = self._net(shape) if self.learner is None else self.learner
            own = copy.deepcopy(made) if isinstance(made, Learner) else made(shape, columns)
        self.learner_ = own.double().eval()
        self.state_ = self.learner_.init(columns)

    def _net(self, shape: tuple[int, ...]) -> Learner:
        net = mlp(shape, widths=(self.width, self.width))
        return Gradient(net, Fresh(net.features), adam(self.rate), steps=self.steps, values=True)

    def _scaled(self, part: np.ndarray, middle: np.ndarray, spread: np.ndarray) -> Tensor:
        return torch.from_numpy((part - middle) / spread)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _units(part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The middle and the spread of each column; a constant column is left as long as it is."""
    spread = part.std(0)
    return part.mean(0), np.where(spread > LEAST, spread, 1.0)


def _none(part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(part.shape[1]), np.ones(part.shape[1])
