"""Tailored embeddings: a net whose two middle numbers are the map, trained for what the map is to show."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from quickstudy import devices
from quickstudy.maps import fitting
from quickstudy.maps.layout import Floats, Layout

BESIDE = 64  # units between the plane and the classes, or the values


class Told(NamedTuple):
    """What is known of examples besides their features."""

    labels: Tensor | None  # (n,) numbers of classes, -1 for none
    targets: Tensor | None  # (n, k), nan for none


class Bottleneck(nn.Module):
    """(n, d) to the plane, and by a head for each loss from there to the features, the classes' logits, the values."""

    def __init__(self, encoder: nn.Module, features: int, heads: Mapping[str, nn.Module], values: int) -> None:
        super().__init__()
        self.encoder, self.heads = encoder, nn.ModuleDict(heads)
        self.looks, self.scale = fitting.Scaled(features), fitting.Scaled(values or 1)
        self.doubt: Tensor
        self.register_buffer("doubt", torch.ones(1))  # nats of a label before anything is known

    def learn(self, x: Tensor, told: Told) -> None:
        """The units in which losses are counted."""
        self.looks.learn(x)
        if told.targets is not None:
            self.scale.learn(told.targets)
        if told.labels is not None:
            share = told.labels[told.labels >= 0].bincount().double()
            self.doubt.copy_(torch.distributions.Categorical(share).entropy().clamp_min(1e-12))

    def forward(self, x: Tensor) -> Tensor:
        return self.encoder(self.looks(x))

    def losses(self, x: Tensor, told: Told) -> dict[str, Tensor]:
        """(n,) of each head that has something to be held against; nan where nothing was told."""
        z, found = self(x), {}
        said = {name: head(z) for name, head in self.heads.items()}
        if "reconstruction" in said:
            found["reconstruction"] = _error(said["reconstruction"], self.looks(x))
        if "classification" in said and told.labels is not None:
            each = F.cross_entropy(said["classification"], told.labels, ignore_index=-1, reduction="none") / self.doubt
            found["classification"] = torch.where(told.labels >= 0, each, torch.nan)
        if "regression" in said and told.targets is not None:
            found["regression"] = _error(said["regression"], self.scale(told.targets))
        return found


def _error(said: Tensor, wanted: Tensor) -> Tensor:
    """(n,) mean squares over what is wanted (n, k); nan where it is nan."""
    real = wanted.isfinite()
    total = ((said - torch.where(real, wanted, 0.0)) * real).square().sum(1)
    return torch.where(real.any(1), total / real.sum(1).clamp_min(1), torch.nan)


def _mean(values: Tensor) -> Tensor:
    """Over those that are numbers; 0 where none is."""
    real = values.isfinite()
    return torch.where(real, values, 0.0).sum() / real.sum().clamp_min(1)


def _with(name: str) -> Callable[[Callable[..., Any]], Any]:
    """A method that is there where this loss has a weight."""

    def there(layout: Tailored) -> bool:
        if not layout._weights[name]:
            raise AttributeError(f"this embedding does without {name}; make it with {name}=1.0")
        return True

    return available_if(there)


class Tailored(Layout):
    """A net with a bottleneck of two units, trained by any mix of three losses.

    ``reconstruction`` gives back the features from the plane, ``classification`` tells the labels y, ``regression`` the
    values ``targets``; these are the weights of the mix. Each loss is 1 for a guess that knows nothing of the example
    (the mean, or the classes' frequencies), so that weights compare.

    Parameters
    ----------
    reconstruction, classification, regression : weights, at least one above 0.
    net : a module of your own from (n, d) to (n, 2), the encoder, of which a copy is trained; it reads features whose
        mean is 0.
    widths : hidden layers of the encoder where there is no net, and, the other way round, of the decoder.
    steps, batch, rate : of the training.

    Attributes
    ----------
    classes_ : the labels, sorted, where there are any.
    """

    def __init__(
        self,
        *,
        reconstruction: float = 1.0,
        classification: float = 0.0,
        regression: float = 0.0,
        net: nn.Module | None = None,
        widths: Sequence[int] = (256, 128),
        steps: int = 3000,
        batch: int = 256,
        rate: float = 1e-3,
        seed: int = 0,
        progress: bool = False,
    ) -> None:
        self.reconstruction = reconstruction
        self.classification = classification
        self.regression = regression
        self.net = net
        self.widths = widths
        self.steps = steps
        self.batch = batch
        self.rate = rate
        self.seed = seed
        self.progress = progress

    def fit(self, X: Any, y: Any = None, targets: Any = None) -> Self:  # noqa: N803
        """Learns from (n, d) features, (n,) labels (-1 for none) and (n,) or (n, k) targets (nan for none).

        Raises ValueError where a loss has a weight and nothing to learn from, besides what every layout refuses.
        """
        weights = self._weights
        if min(weights.values()) < 0 or not any(weights.values()):
            raise ValueError(f"weights of losses are at least 0, and one is above, got {weights}")
        self.classes_ = np.empty(0)
        if self.classification:
            if y is None:
                raise ValueError("classification tells labels; pass y of (n,), -1 where there is none")
            known = np.asarray(y).ravel()
            self.classes_ = np.unique(known[known != -1])
            if not len(self.classes_):
                raise ValueError("classification tells labels, and all of these are -1; leave it out, or pass some")
        if self.regression and targets is None:
            raise ValueError("regression tells values; pass targets of (n,) or (n, k), nan where there is none")
        return super().fit(X, self._told(y, targets))

    def fit_transform(self, X: Any, y: Any = None, targets: Any = None) -> Floats:  # noqa: N803
        """(n, 2) places of what it is fitted on."""
        return self.fit(X, y, targets).embedding_

    @_with("reconstruction")
    def inverse_transform(self, plane: Any) -> Floats:
        """(m, d) features of places (m, 2), where reconstruction was learned."""
        check_is_fitted(self, "embedding_")
        scaled = fitting.applied(self._net.heads["reconstruction"], np.asarray(plane))
        return self._net.looks.back(torch.from_numpy(scaled)).numpy()

    @_with("classification")
    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """(m,) labels, where classification was learned."""
        places = self.transform(X)
        return self.classes_[fitting.applied(self._net.heads["classification"], places).argmax(1)]

    @_with("regression")
    def predict_targets(self, X: Any) -> Floats:  # noqa: N803
        """(m, k) values, where regression was learned."""
        places = self.transform(X)
        return self._net.scale.back(torch.from_numpy(fitting.applied(self._net.heads["regression"], places))).numpy()

    def losses(self, X: Any, y: Any = None, targets: Any = None) -> dict[str, Floats]:  # noqa: N803
        """(m,) of each loss that was learned and can be told, 1 for a guess that knows nothing."""
        check_is_fitted(self, "embedding_")
        told = self._told(y, targets)
        with torch.inference_mode():
            found = self._net.losses(fitting.tensor(X), told)
        return {name: values.numpy() for name, values in found.items()}

    @property
    def _weights(self) -> dict[str, float]:
        return {
            "reconstruction": self.reconstruction,
            "classification": self.classification,
            "regression": self.regression,
        }

    def _told(self, y: Any, targets: Any) -> Told:
        labels = values = None
        if self.classification and y is not None:
            known = np.asarray(y).ravel()
            place = np.searchsorted(self.classes_, known).clip(max=len(self.classes_) - 1)
            labels = torch.from_numpy(np.where(self.classes_[place] == known, place, -1))
        if self.regression and targets is not None:
            values = fitting.tensor(np.asarray(targets, dtype=np.float64))
            values = values[:, None] if values.dim() == 1 else values
        return Told(labels, values)

    def _fit(self, x: Floats, y: Told) -> Floats:
        for name, known in (("labels", y.labels), ("targets", y.targets)):
            if known is not None and len(known) != len(x):
                raise ValueError(f"{name} are of the same examples, got {len(known)} for {len(x)} rows of features")
        inputs, weights = fitting.tensor(x), {name: weight for name, weight in self._weights.items() if weight}
        with devices.seeded(self.seed) as draw:
            self._values = 0 if y.targets is None else y.targets.shape[1]
            self._net = self._made(x.shape[1])
            self._net.learn(inputs, y)

            def loss() -> Tensor:
                rows = torch.randint(len(inputs), (min(self.batch, len(inputs)),), generator=draw)
                some = Told(*(None if part is None else part[rows] for part in y))
                found = self._net.losses(inputs[rows], some)
                return torch.stack([weight * _mean(found[name]) for name, weight in weights.items()]).sum()

            fitting.descend(self._net, loss, steps=self.steps, rate=self.rate, progress=self.progress)
        return self._place(x)

    def _place(self, x: Floats) -> Floats:
        return fitting.applied(self._net, x)

    def _made(self, features: int) -> Bottleneck:
        own = fitting.dense(features, self.widths, 2) if self.net is None else copy.deepcopy(self.net)
        heads = {
            "reconstruction": (self.widths[::-1], features),
            "classification": ((BESIDE,), len(self.classes_)),
            "regression": ((BESIDE,), self._values),
        }
        learned = {name: fitting.dense(2, *sizes) for name, sizes in heads.items() if self._weights[name]}
        return Bottleneck(own, features, learned, self._values)

    def _kept(self) -> Mapping[str, Floats]:
        return {f"net.{name}": part for name, part in fitting.arrays(self._net).items()}

    def _more(self) -> dict[str, Any]:
        return {"classes": self.classes_.tolist(), "values": self._values}

    def _restore(self, kept: Mapping[str, Floats], about: Mapping[str, Any]) -> None:
        self.classes_, self._values = np.array(about["classes"]), about["values"]
        self._net = fitting.filled(self._made(self.n_features_in_), kept, "net.")
