"""Intents of sentences from one, five and ten examples each: the estimator on tf-idf vectors, beside scikit-learn's.

Protocol: a task draws so many examples of every intent from the training part; tf-idf (sublinear counts of words and of
pairs of words) is fitted on these alone, and all estimators read the same vectors. The whole test part is asked. For
rejection, CLINC150's sentences out of scope are to be told from those of its test part.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier

from quickstudy.data.intents import INTENTS, Intents
from quickstudy.data.pool import split_sha256
from quickstudy.estimator import FewShotClassifier
from quickstudy.recipes.cells import AnyCell, Scores
from quickstudy.tasks.episodes import bits
from quickstudy.train import Progress

TABLE = "intents"
DRAWS = 10
SHOTS = (1, 5, 10)


class Vectors(NamedTuple):
    """A task: sparse vectors, and intents."""

    support: Any
    y: np.ndarray
    query: Any
    asked: np.ndarray
    outside: Any


@functools.cache
def loaded(name: str) -> Intents:
    """The data set, read once."""
    return INTENTS[name]()


@functools.lru_cache(maxsize=2 * DRAWS)
def drawn(name: str, shot: int, index: int) -> Vectors:
    """Task ``index``."""
    data = loaded(name)
    chance = np.argsort(bits(0, index).random_raw(len(data.train.texts)))
    intents = np.array(data.train.intents)[chance]
    rows = np.concatenate([chance[np.flatnonzero(intents == one)[:shot]] for one in sorted(set(intents))])
    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2))
    support = words.fit_transform([data.train.texts[row] for row in rows])
    query = words.transform(data.test.texts)
    outside = words.transform(data.outside) if data.outside else None
    return Vectors(support, np.array(data.train.intents)[rows], query, np.array(data.test.intents), outside)


@dataclass(frozen=True)
class IntentCell(AnyCell):
    """The accuracy of an estimator of scikit-learn's kind."""

    data: str
    shot: int
    make: Callable[[], Any]

    trained: ClassVar[bool] = False

    @property
    def setting(self) -> str:
        return f"{self.data}, {self.shot} example{'s' * (self.shot > 1)} an intent"

    def stamp(self, seed: int, scale: float) -> str:
        return "as-it-is"

    def measure(self, seed: int, *, scale: float, tasks: int, runs: Path, progress: bool) -> Scores:
        scores = np.array([self.of(drawn(self.data, self.shot, i)) for i in range(min(tasks, DRAWS))])
        return Scores(scores, False, split_sha256(loaded(self.data).test.texts), Progress())

    def of(self, task: Vectors) -> float:
        """The score of one task."""
        made = self.make().fit(task.support, task.y)
        return float((made.predict(task.query) == task.asked).mean())


class OutOfScope(IntentCell):
    """How well sentences out of scope are told from the others."""

    score: ClassVar[str] = "auroc"
    metric: ClassVar[str] = "auroc_percent"

    def of(self, task: Vectors) -> float:
        made = self.make().fit(task.support, task.y)
        known, novel = doubt(made, task.query), doubt(made, task.outside)
        return float(roc_auc_score(np.repeat([0, 1], [len(known), len(novel)]), np.concatenate([known, novel])))


def doubt(made: Any, x: Any) -> np.ndarray:
    """What tells novel from known: the estimator's novelty, the distance to the nearest, or how far the best class is
    from certain."""
    if isinstance(made, FewShotClassifier):
        return made.novelty(x)
    return made.kneighbors(x)[0][:, 0] if isinstance(made, KNeighborsClassifier) else 1 - made.predict_proba(x).max(1)


def ours() -> FewShotClassifier:
    """A direction for each intent."""
    return FewShotClassifier("prototypes", options={"metric": "cosine"})


def softmax() -> Any:
    """As scikit-learn has it, with steps enough to converge."""
    return LogisticRegression(max_iter=1000)


def nearest() -> Any:
    """The nearest sentence by angle."""
    return KNeighborsClassifier(n_neighbors=1, metric="cosine")


METHODS = (
    ("quickstudy FewShotClassifier", "prototypes by angle", ours),
    ("logistic regression", "scikit-learn", softmax),
    ("nearest neighbour", "scikit-learn, cosine", nearest),
)
CELLS: list[AnyCell] = [
    *(
        IntentCell(TABLE, name, how, data, shot, make)
        for data in INTENTS
        for shot in SHOTS
        for name, how, make in METHODS
    ),
    *(
        OutOfScope(TABLE, f"out of scope: {name}", how, "CLINC150", shot, make)
        for shot in SHOTS
        for name, how, make in METHODS
    ),
]
