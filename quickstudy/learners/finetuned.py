"""Fine-tuning at test time (Vinyals et al., 2016): the embedding goes on learning, from the support."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn

from quickstudy.core import Examples, Learner, Objective, mapped
from quickstudy.learners.exemplars import Exemplars, Memory
from quickstudy.learners.gradient import Adapted, Gradient
from quickstudy.nets.heads import Fresh
from quickstudy.rules.rule import Rule
from quickstudy.rules.sgd import sgd


class Tuned(NamedTuple):
    """What one task has made of the embedding, and the support as that embeds it."""

    weights: Adapted  # also of the softmax layer, which answers nothing
    memory: Memory


class FineTuned(Learner[Tuned]):
    """Slow: those of the reader. Fast: the embedding after ``steps`` of ``rule`` under a fresh softmax layer on the
    support, and the reader's memory of the support as that embeds it.

    Calibrated batch normalization stays as it is; meta-training is the reader's, without fine-tuning.
    """

    def __init__(self, reader: Exemplars, rule: Rule[Any], *, steps: int) -> None:
        super().__init__()
        if not any(True for _ in reader.embed.parameters()):
            raise ValueError(f"{type(reader.embed).__name__} has no weights to fine-tune")
        self.reader, self.rule, self.steps = reader, rule, steps
        self.ordered, self.padded = reader.ordered, reader.padded
        self._tuner()  # refuses what it cannot take

    def init(self, way: int) -> Tuned:
        return Tuned(self._tuner().init(way), self.reader.init(way))

    def adapt(self, state: Tuned, support: Examples) -> Tuned:
        tuner = self._tuner()
        weights = tuner.adapt(state.weights, support)
        return Tuned(weights, self.reader.remember(state.memory, tuner.features(weights, support.x), support.y))

    def predict(self, state: Tuned, x: Tensor) -> Tensor:
        return self.reader.answer(state.memory, self._tuner().features(state.weights, x))

    def adapt_all(self, support: Examples, way: int) -> Tuned:
        tuner = self._tuner()
        weights = tuner.adapt_all(support, way)
        seen = (tuner.features_all(weights, support.x), support.y)
        return Tuned(weights, mapped(lambda pair: self.reader.remember(self.reader.init(way), *pair), seen))

    def predict_all(self, states: Tuned, x: Tensor) -> Tensor:
        asked = (states.memory, self._tuner().features_all(states.weights, x))
        logits: Tensor = mapped(lambda pair: self.reader.answer(*pair), asked)
        return logits

    def objective(self, way: int) -> Objective:
        untuned = self.reader.objective(way)
        return lambda learner, item: untuned(learner.reader, item)

    @property
    def embed(self) -> nn.Module:
        """The reader's embedding."""
        return self.reader.embed

    def _tuner(self) -> Gradient:
        """Made when it is needed: as a part of this module it would hold the embedding a second time."""
        head = Fresh(self.reader.features)
        return Gradient(self.reader.embed, head, self.rule, steps=self.steps, frozen_norm=True)


def fine_tuned(reader: Exemplars, steps: int, rate: float) -> Exemplars | FineTuned:
    """The reader, fine-tuned by so many steps of gradient descent; as it is for none."""
    return FineTuned(reader, sgd(rate), steps=steps) if steps else reader
