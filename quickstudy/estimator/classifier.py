"""The scikit-learn face of a learner: taught with a few labelled examples, asked about new ones."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor, nn

from quickstudy.core import Learner
from quickstudy.estimator import modelfile
from quickstudy.estimator.choosing import Asked, Choice, untaught
from quickstudy.estimator.inputs import are_pictures, is_folder, taught_by, tensors
from quickstudy.estimator.taught import Said, Taught, check_kinds


class FewShotClassifier(ClassifierMixin, BaseEstimator):
    """Learns classes from one or a few examples each, and later more of them without the old examples.

    ``X`` is pictures (a folder of class folders, a list of files, images or arrays of any size) or vectors (an array, a
    sparse matrix, such as tf-idf). Labels are strings, numbers or booleans.

    Parameters
    ----------
    learner : what learns. None: the shipped weights ``"omniglot"`` for pictures, ``"prototypes"`` for vectors. Or a
        name of shipped weights (``quickstudy models``), the folder of a training, a ``Learner``, a function from a
        shape to one; for vectors and embeddings ``"prototypes"``, ``"neighbours"``, ``"matching"``, ``"density"`` or
        ``"linear"``.
    embedding : a module that turns pictures or vectors into features, or ``"timm:NAME"`` or ``"hf:NAME"``.
    options : of a learner by name, such as ``{"metric": "cosine"}``.
    size : side of the pictures in pixels, where nothing else says it.
    reject : the share of inputs of known classes that may be turned away in order to recognize those of no class;
        ``predict`` answers "unknown" for them, or -1 where labels are numbers. None: never.

    Attributes
    ----------
    classes_ : (way,) the labels, sorted.
    leave_one_out_accuracy_ : of the examples, one of each class left out in turn, so that it is that of one
        example fewer; nan where no class has two.
    temperature_ : of the probabilities, by which the examples that are left out are explained best.
    suspects_ : examples that the others would have called something else, the most suspicious first.
    """

    def __init__(
        self,
        learner: Choice = None,
        *,
        embedding: str | nn.Module | None = None,
        options: Mapping[str, Any] | None = None,
        size: int | None = None,
        reject: float | None = None,
    ) -> None:
        self.learner = learner
        self.embedding = embedding
        self.options = options
        self.size = size
        self.reject = reject

    def fit(self, X: Any, y: Any = None) -> FewShotClassifier:  # noqa: N803
        """Learns from (n, ...) examples and (n,) labels, or from a folder of class folders alone.

        Raises ValueError for fewer than two classes, and for whatever cannot be read (of files, FileProblem).
        """
        X, labels = self._examples(X, y, reset=True)  # noqa: N806
        if len(found := set(labels)) < 2:
            raise ValueError(
                f"classes are told apart, so two are needed; got 1 class, {next(iter(found))!r}. To begin with one and "
                "add others later, use partial_fit"
            )
        return self._teach(untaught(Asked(self.learner, self.embedding, self.options, self.size), X), X, labels)

    def partial_fit(self, X: Any, y: Any = None, classes: Any = None) -> FewShotClassifier:  # noqa: N803
        """Learns more examples, of classes old and new; what was taught before is not needed again.

        ``classes`` is not needed and not read: a class exists once it has an example.
        """
        fresh = "taught_" not in vars(self)
        X, labels = self._examples(X, y, reset=fresh)  # noqa: N806
        asked = Asked(self.learner, self.embedding, self.options, self.size)
        return self._teach(untaught(asked, X) if fresh else self.taught_, X, labels)

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """(q,) labels; with ``reject``, "unknown" or -1 for inputs of no class that was taught."""
        logits, novel = self._answers(X)
        said = self.classes_[self._probabilities(logits).argmax(1)]
        if self.reject is None:
            return said
        return np.where(novel.numpy() > self.taught_.threshold(self.reject), _unknown(self.taught_.names), said)

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """(q, way) calibrated probabilities, in the order of ``classes_``."""
        return self._probabilities(self._answers(X)[0])

    def novelty(self, X: Any) -> np.ndarray:  # noqa: N803
        """(q,) how little inputs look like anything that was taught; larger is more novel."""
        return self._answers(X)[1].numpy()

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:  # noqa: N803
        """Accuracy on labelled examples, or on a folder of class folders."""
        if y is None and is_folder(X):
            X, y = taught_by(X)  # noqa: N806
        return float(super().score(X, y, sample_weight))

    def save(self, path: str | Path) -> None:
        """Writes a model file, which ``load`` and ``quickstudy predict`` read: one safetensors file, no pickle."""
        check_is_fitted(self)
        more = {"reject": self.reject, "asked": self._plain(), "files": self._files}
        modelfile.save(self.taught_, Path(path), more)

    @classmethod
    def load(cls, path: str | Path, *, given: nn.Module | None = None) -> FewShotClassifier:
        """The classifier of a model file; ``given``: the learner or embedding, where it was a module of your own.

        Raises FileProblem for a file that is missing, damaged or of a newer version.
        """
        taught, more = modelfile.read(Path(path), given)
        made = cls(**more.get("asked", {}), reject=more["reject"])
        if given is not None:
            made.set_params(**{"learner" if isinstance(given, Learner) else "embedding": given})
        made.taught_, made._files = taught, more.get("files", [])  # which files were taught, for who looks again
        made._tell()
        return made

    def export(self, path: str | Path) -> None:
        """Writes what was learned as one graph, ``.onnx`` or ``.pt2``: from pictures or vectors to probabilities, whose
        columns are in the order of the classes that the file's metadata has."""
        from quickstudy.estimator import export

        check_is_fitted(self)
        export.save(self.taught_, Path(path))

    def _plain(self) -> dict[str, Any]:
        """What the constructor was told, as far as it is plain values."""
        told = {"learner": self.learner, "embedding": self.embedding, "options": self.options, "size": self.size}
        plain = {key: str(value) if isinstance(value, Path) else value for key, value in told.items()}
        return {key: value for key, value in plain.items() if isinstance(value, str | int | dict)}

    def _examples(self, x: Any, y: Any, reset: bool) -> tuple[Any, list[Any]]:
        """The inputs, and the labels as plain values."""
        if y is None and isinstance(x, str | Path):
            return taught_by(x)
        if are_pictures(x):
            if y is None:
                raise ValueError("pictures need their labels y, unless they are a folder with a folder for each class")
            y = np.asarray(y)
            if y.ndim != 1 or not len(y):
                raise ValueError(f"labels are (n,), at least one, got an array of {y.shape}")
        else:
            x = x.detach().cpu().numpy() if isinstance(x, Tensor) else x
            x, y = validate_data(self, x, y, reset=reset, accept_sparse="csr", dtype=np.float64)
        check_kinds(y.tolist())
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The number of unique classes")  # few examples of many: what we are for
            check_classification_targets(y)
        return x, y.tolist()

    def _teach(self, taught: Taught, x: Any, labels: Sequence[Any]) -> FewShotClassifier:
        """All that can go wrong goes wrong before anything is changed."""
        examples = tensors(x, taught.recipe.looks)
        if self.reject is not None and (answer := _unknown(labels)) in labels:
            raise ValueError(f"{answer!r} is what predict answers for inputs of no class; rename the class")
        taught.teach(examples, labels)
        if taught is not vars(self).get("taught_"):
            self._files: list[str] = []
        self.taught_ = taught
        self._tell()
        return self

    def _tell(self) -> None:
        """The attributes that scikit-learn and users read."""
        names = np.array(self.taught_.names)
        self._order = np.argsort(names, kind="stable")
        self.classes_ = names[self._order]
        measured = self.taught_.measured
        self.leave_one_out_accuracy_ = float("nan") if measured.accuracy is None else measured.accuracy
        self.temperature_ = measured.temperature

    @property
    def suspects_(self) -> list[Said]:
        return self.taught_.suspects()

    def _answers(self, x: Any) -> tuple[Tensor, Tensor]:
        """(q, way) logits in the order in which the classes were taught, and (q,) novelty."""
        check_is_fitted(self)
        if not self.taught_.recipe.looks.pictures and not are_pictures(x):
            x = x.detach().cpu().numpy() if isinstance(x, Tensor) else x
            x = validate_data(self, x, reset=False, accept_sparse="csr", dtype=np.float64)
        return self.taught_.answers(tensors(x, self.taught_.recipe.looks))

    def _probabilities(self, logits: Tensor) -> np.ndarray:
        return self.taught_.probabilities(logits).double().numpy()[:, self._order]

    def __sklearn_is_fitted__(self) -> bool:
        return "taught_" in vars(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.three_d_array = True
        return tags


def _unknown(labels: Sequence[Any]) -> Any:
    """What is answered for inputs of no class, beside such labels."""
    return "unknown" if isinstance(labels[0], str) else -1
