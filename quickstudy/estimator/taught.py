"""A learner that was taught: what the estimator, the command line and a model file all stand on.

Every example is embedded once. What the learner reads is the features where it has an embedding that stays as it is,
else the inputs; a few of them are kept, so that each can be left out in turn.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from quickstudy.core import Examples, Learner, widen
from quickstudy.estimator import confidence
from quickstudy.estimator.recipe import PLAIN, Recipe
from quickstudy.learners.classifier import Classifier
from quickstudy.learners.exemplars import Exemplars
from quickstudy.learners.gradient import Gradient
from quickstudy.learners.prototypes import Prototypes

Label = str | int | float | bool
KEPT = confidence.FOLDS  # examples of each class, at most, to measure by
PRIOR = 50  # answers that what suited other classes counts as
DOUBT = 0.5  # probability of another class from which on an example is suspicious
BATCH = 256  # inputs embedded at a time


class Said(NamedTuple):
    """What is said of an example as if it had not been taught."""

    row: int  # which of all that were taught
    label: Label
    answer: Label
    probability: float  # of the answer
    of_label: float


@dataclass
class Measured:
    """What leaving one example out in turn tells."""

    accuracy: float | None = None  # None: no class has a second example
    count: int = 0  # examples that were left out
    temperature: float = 1.0
    how: str = "nothing was taught"  # the temperature came about
    novelty: list[float] = field(default_factory=list)  # of those examples, in order of size
    said: list[Said] = field(default_factory=list)


class Taught:
    """A learner, its state, and the names of its classes in the order in which they were taught."""

    def __init__(self, recipe: Recipe, learner: Learner) -> None:
        if learner.transductive:
            raise ValueError(
                "this learner normalizes inputs by those beside them, so that an answer would depend on the rest of "
                "the batch; calibrate it (quickstudy.train.calibrate), as quickstudy train does"
            )
        self.recipe, self.learner = recipe, learner.eval()
        self.embed, self.reader = parted(self.learner)
        self.names: list[Label] = []
        self.state: Any = None
        self.kept = Examples(torch.empty(0), torch.empty(0, dtype=torch.int64))
        self.rows = torch.empty(0, dtype=torch.int64)  # (n,) which of all examples the kept ones are
        self.counts: list[int] = []  # examples of each class
        self.measured = Measured()

    def teach(self, x: Tensor, labels: Sequence[Label]) -> None:
        """More examples (n, *shape), of classes old and new; what was taught before is not needed again."""
        if len(labels) != len(x):
            raise ValueError(f"every example needs its label, got {len(x)} examples and {len(labels)} labels")
        known = set(self.names)
        check_kinds(known.union(labels))
        new = sorted({label for label in labels if label not in known})
        names = self.names + new
        y = torch.tensor(_places(names, labels))
        with torch.no_grad():
            z = self.embedded(x)
            state = self._start(len(names))
            self.state = self.reader.adapt(state, Examples(z, y))
            self.names = names
            self._keep(z, y)
            self.measured = self._measure()

    def logits(self, x: Tensor) -> Tensor:
        """(q, way) in the order of ``names``."""
        return self.answers(x)[0]

    def answers(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(q, way) logits, and (q,) how little the inputs look like anything that was taught."""
        with torch.no_grad():
            said = confidence.said(self.reader, self.state, self.embedded(x))
        return said[:, :-1], said[:, -1]

    def probabilities(self, logits: Tensor) -> Tensor:
        """(q, way) of logits."""
        return confidence.probabilities(logits, self.measured.temperature)

    def threshold(self, share: float) -> float:
        """The novelty that this share of inputs of known classes exceeds.

        Raises ValueError where nothing was left out, and the learner was not measured where it was made.
        """
        if not 0 < share < 1:
            raise ValueError(f"reject is the share of known inputs that may be turned away, in (0, 1), got {share}")
        own, usual = self.measured.novelty, self.recipe.novelty
        if not own and not usual:
            raise ValueError(
                "what is novel cannot be told from one example a class by this learner; give two examples of some class"
            )
        if not own or not usual:
            return float(np.quantile(own or usual, 1 - share))
        weight = len(own) / (len(own) + PRIOR)  # of two examples nothing can be told about the rarest twentieth
        return float(weight * np.quantile(own, 1 - share) + (1 - weight) * np.quantile(usual, 1 - share))

    def suspects(self) -> list[Said]:
        """Examples that the others would rather have called something else, the most suspicious first."""
        doubted = [one for one in self.measured.said if one.answer != one.label and one.probability > DOUBT]
        return sorted(doubted, key=lambda one: one.of_label)

    def embedded(self, x: Tensor) -> Tensor:
        """(n, d) float64 features, or the inputs for a learner that adapts its net."""
        parts = [self.embed(part) for part in x.split(BATCH)] or [self.embed(x)]
        return torch.cat(parts).to(confidence.precision(self.reader))

    def _start(self, way: int) -> Any:
        if self.state is None:
            return confidence.start(self.reader, way)
        return widen(self.reader, self.state, len(self.names), way)

    def _keep(self, z: Tensor, y: Tensor) -> None:
        """The first of each class, in the order of the classes, so that one by one or at once keeps the same."""
        first = sum(self.counts)
        self.counts += [0] * (len(self.names) - len(self.counts))
        for c in y.tolist():
            self.counts[c] += 1
        x = torch.cat([self.kept.x, z]) if len(self.kept.x) else z
        labels, rows = torch.cat([self.kept.y, y]), torch.cat([self.rows, first + torch.arange(len(y))])
        own = [torch.nonzero(labels == c)[:KEPT, 0] for c in range(len(self.names))]
        chosen = torch.cat(own)
        self.kept, self.rows = Examples(x[chosen], labels[chosen]), rows[chosen]

    def _measure(self) -> Measured:
        way = len(self.names)
        found, chosen = confidence.left_out(self.reader, self.state, self.kept, self.rows, way)
        if way < 2 or not len(chosen):
            return Measured(temperature=self._usual(), how=self._why())
        logits, novel = found[:, :-1], found[:, -1]
        y = self.kept.y[chosen]
        temperature = self._temperature(logits, y)
        chances = confidence.probabilities(logits, temperature)
        answers = chances.argmax(-1)
        said = [
            Said(row, self.names[label], self.names[answer], float(chance[answer]), float(chance[label]))
            for row, label, answer, chance in zip(
                self.rows[chosen].tolist(), y.tolist(), answers.tolist(), chances, strict=True
            )
        ]
        right = float((answers == y).double().mean())
        return Measured(right, len(y), temperature, "leaving one of each class out", sorted(novel.tolist()), said)

    def _temperature(self, logits: Tensor, y: Tensor) -> float:
        """The best one for what was left out, corrected for what that is: of one example fewer, and few answers."""
        found = confidence.best_temperature(logits, y)
        if not self.recipe.temperatures:
            return found
        shots = int(np.median(self.counts))
        usual, fewer = self._usual_of(shots), self._usual_of(shots - 1)
        weight = len(y) / (len(y) + PRIOR)
        return float(usual * (found / fewer) ** weight)

    def _usual(self) -> float:
        """Where nothing can be left out."""
        if self.recipe.temperatures:
            return self._usual_of(1)
        if self.recipe.embedding == PLAIN and len(self.names) > 1:
            return confidence.gap(confidence.bounded(self.reader.predict(self.state, self.kept.x)), self.kept.y)
        return 1.0

    def _usual_of(self, shots: int) -> float:
        known = self.recipe.temperatures
        return known[min(max(shots, 1), len(known)) - 1]

    def _why(self) -> str:
        if self.recipe.temperatures:
            return "what suited other classes, since no class has a second example"
        return "a rule of thumb, since no class has a second example"


def check_kinds(labels: Iterable[Label]) -> None:
    """Raises ValueError for text among numbers."""
    if len({isinstance(label, str) for label in labels}) > 1:
        raise ValueError("some labels are text and some are not; make all of them text, or none")


def parted(learner: Learner) -> tuple[nn.Module, Learner]:
    """The embedding and what reads its features in double precision; of a learner that adapts its net, nothing and the
    learner."""
    inner: Any = learner.reader if isinstance(learner, Classifier) else learner
    still = isinstance(inner, Gradient) and not any(name.startswith("net") for name in inner.only)
    if not (isinstance(inner, Prototypes | Exemplars) or still):
        return nn.Identity(), inner
    return inner.embed, copy.deepcopy(inner, {id(inner.embed): nn.Identity()}).double()


def _places(names: list[Label], labels: Sequence[Label]) -> list[int]:
    where = {name: place for place, name in enumerate(names)}
    return [where[label] for label in labels]
