"""Alphabets that nobody trained on, as folders of drawings: what ``quickstudy fit`` makes of a few of each letter.

Protocol: the 20 evaluation alphabets of Omniglot (20 to 47 letters each, 20 drawings a letter). The drawers are put in
an order that depends on the alphabet alone; the first ones' drawings are learned from, those of the last 15 are
asked. Everybody sees the same pictures, 28 x 28 with bright ink; a score is of one alphabet, an interval over the 20.
For rejection every other letter is taught, and the rest are to be recognized as none of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from quickstudy import metrics
from quickstudy.data.folder import class_files
from quickstudy.data.omniglot import DRAWINGS, unpack_evaluation
from quickstudy.data.pool import hash_order, split_sha256
from quickstudy.estimator import FewShotClassifier, confidence
from quickstudy.estimator.inputs import Looks, tensors
from quickstudy.experiment import Experiment
from quickstudy.learners.classifier import Classifier
from quickstudy.recipes.cells import AnyCell, Scores, digest
from quickstudy.train import Progress

TABLE = "own-examples"
ALPHABETS = 20
MOST = 5  # drawings of each letter to learn from; the other 15 are asked
SEED = 1  # of the drawers' order
LOOKS = Looks((1, 28, 28), contrast=True)
PLAIN = Experiment(learner="classifier", data="omniglot", split="lake", way=60, steps=1500)


class Pictures(NamedTuple):
    """Drawings and their letters, as files and as (n, 1, 28, 28) numbers."""

    files: list[Path]
    x: np.ndarray
    y: np.ndarray

    def some(self, rows: np.ndarray) -> Pictures:
        return Pictures([self.files[row] for row in np.flatnonzero(rows)], self.x[rows], self.y[rows])


class Alphabet(NamedTuple):
    """One folder: what may be learned from, in the order in which it is, and what is asked."""

    name: str
    support: Pictures
    query: Pictures

    def shots(self, shot: int) -> Pictures:
        """The first drawings of every letter."""
        return self.support.some(np.arange(len(self.support.y)) % MOST < shot)


@functools.cache
def alphabet(number: int, folder: Path) -> Alphabet:
    """One of the evaluation alphabets, whose pictures are written to the folder once."""
    root = folders(folder)
    names = sorted(path.name for path in root.iterdir())
    name = names[number]
    order = [int(drawer) - 1 for drawer in hash_order([f"{i + 1}" for i in range(DRAWINGS)], SEED)]
    order = order[number:] + order[:number]  # other drawers first in every alphabet
    classes = class_files(root / name)
    parts = []
    for chosen in (order[:MOST], order[MOST:]):
        files = [members[drawer] for members in classes.values() for drawer in chosen]
        labels = [letter for letter in classes for _ in chosen]
        parts.append(Pictures(files, tensors(files, LOOKS).numpy(), np.array(labels)))
    return Alphabet(name, *parts)


def folders(folder: Path) -> Path:
    """The evaluation alphabets as folders of folders of PNG files."""
    if not (done := folder / "whole").exists():
        unpack_evaluation(folder)
        done.touch()
    return folder / "images_evaluation"


@dataclass(frozen=True)
class LetterCell(AnyCell):
    """A score of each alphabet; ``tasks`` beyond the 20 there are do not exist."""

    shot: int
    of: Callable[[Alphabet, int, Path], float]
    training: Experiment | None = None

    @property
    def setting(self) -> str:
        return f"{self.shot} drawing{'s' * (self.shot > 1)} a letter"

    @property
    def trained(self) -> bool:
        return self.training is not None

    def stamp(self, seed: int, scale: float) -> str:
        if self.training is None:
            return f"shot{self.shot}"
        return f"{self.training.learner}-seed{seed}-{digest(self._asked(seed, scale))}"

    def _asked(self, seed: int, scale: float) -> Experiment:
        assert self.training is not None
        return replace(self.training, seed=seed, steps=max(1, round(self.training.steps * scale)))

    def measure(self, seed: int, *, scale: float, tasks: int, runs: Path, progress: bool) -> Scores:
        pictures, run, done = runs / TABLE / "pictures", runs / TABLE / self.stamp(seed, scale), Progress()
        if self.training is not None:
            _, done = self._asked(seed, scale).run(run, progress=progress)
        alphabets = [alphabet(i, pictures) for i in range(min(tasks, ALPHABETS))]
        scores = np.array([self.of(one, self.shot, run) for one in alphabets])
        return Scores(scores, False, split_sha256([one.name for one in alphabets]), done)


class Calibration(LetterCell):
    """The mean gap of confidence and accuracy."""

    score: ClassVar[str] = "calibration_error"
    metric: ClassVar[str] = "calibration_error_percent"


class Rejection(LetterCell):
    """How well what is novel is told from what is known: the area under the receiver's curve."""

    score: ClassVar[str] = "auroc"
    metric: ClassVar[str] = "auroc_percent"


def accuracy(answers: np.ndarray, query: Pictures) -> float:
    """The share that is right."""
    return float((answers == query.y).mean())


def ours(one: Alphabet, shot: int, run: Path) -> float:
    """From files to answers, as a user has it."""
    support = one.shots(shot)
    return accuracy(FewShotClassifier().fit(support.files, support.y).predict(one.query.files), one.query)


def by_sklearn(make: Callable[[], Any]) -> Callable[[Alphabet, int, Path], float]:
    """An estimator of scikit-learn, on pixels."""

    def score(one: Alphabet, shot: int, run: Path) -> float:
        support = one.shots(shot)
        made = make().fit(support.x.reshape(len(support.x), -1), support.y)
        return accuracy(made.predict(one.query.x.reshape(len(one.query.x), -1)), one.query)

    return score


def softmax(one: Alphabet, shot: int, run: Path) -> float:
    """Logistic regression on the features of the plain classifier."""
    support, embed = one.shots(shot), features(run)
    made = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(embed(support.x), support.y)
    return accuracy(made.predict(embed(one.query.x)), one.query)


@functools.cache
def features(run: Path) -> Callable[[np.ndarray], np.ndarray]:
    """(n, d) of pictures, from a training of the plain classifier."""
    from quickstudy import experiment
    from quickstudy.storage import Run

    opened = Run.open(run)
    learner = experiment.trained(opened, experiment.from_run(opened).splits()).cpu()
    assert isinstance(learner, Classifier)
    net = learner.reader.embed

    def embed(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return torch.cat([net(part) for part in torch.from_numpy(x).split(256)]).numpy()

    return embed


def calibration(temper: bool) -> Callable[[Alphabet, int, Path], float]:
    """The calibration error with the temperature that was found, or with that of meta-training, which is 1."""

    def error(one: Alphabet, shot: int, run: Path) -> float:
        support = one.shots(shot)
        made = FewShotClassifier().fit(support.x, support.y)
        logits = made.taught_.logits(torch.from_numpy(one.query.x))
        chances = confidence.probabilities(logits, made.temperature_ if temper else 1.0).numpy()
        right = np.array(made.taught_.names)[chances.argmax(1)] == one.query.y
        return metrics.calibration_error(chances.max(1), right)

    return error


def rejection(score: Callable[[FewShotClassifier, np.ndarray], np.ndarray]) -> Callable[[Alphabet, int, Path], float]:
    """The AUROC of a score of novelty where every other letter is taught."""

    def auroc(one: Alphabet, shot: int, run: Path) -> float:
        taught = set(sorted(set(one.support.y))[::2])
        support = one.shots(shot)
        known = support.some(np.array([letter in taught for letter in support.y]))
        made = FewShotClassifier().fit(known.x, known.y)
        novel = np.array([letter not in taught for letter in one.query.y])
        return float(roc_auc_score(novel, score(made, one.query.x)))

    return auroc


def by_distance(made: FewShotClassifier, x: np.ndarray) -> np.ndarray:
    """The novelty that ``reject`` goes by."""
    return made.novelty(x)


def by_probability(made: FewShotClassifier, x: np.ndarray) -> np.ndarray:
    """How far the best class is from certain."""
    return 1 - made.predict_proba(x).max(1)


def nearest() -> Any:
    """The nearest drawing."""
    return KNeighborsClassifier(n_neighbors=1)


def support_vectors() -> Any:
    """Of the default and three others tried on four of these very alphabets the best, to its advantage."""
    return SVC(C=10)


SHOTS = (1, 2, 3, 4, 5)
CELLS: list[AnyCell] = [
    *(LetterCell(TABLE, "quickstudy fit", "shipped weights omniglot", shot, ours) for shot in SHOTS),
    *(LetterCell(TABLE, "nearest neighbour", "scikit-learn, pixels", shot, by_sklearn(nearest)) for shot in SHOTS),
    *(LetterCell(TABLE, "SVM", "scikit-learn, pixels", shot, by_sklearn(support_vectors)) for shot in SHOTS),
    *(
        LetterCell(TABLE, "logistic regression", "scikit-learn, features of a plain classifier", shot, softmax, PLAIN)
        for shot in SHOTS
    ),
    *(Calibration(TABLE, "calibration error", "as trained", shot, calibration(False)) for shot in SHOTS),
    *(Calibration(TABLE, "calibration error", "with the temperature found", shot, calibration(True)) for shot in SHOTS),
    *(Rejection(TABLE, "rejection", "by distance", shot, rejection(by_distance)) for shot in SHOTS),
    *(Rejection(TABLE, "rejection", "by probability", shot, rejection(by_probability)) for shot in SHOTS),
]
