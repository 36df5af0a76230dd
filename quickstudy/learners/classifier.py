"""The baseline classifier of the matching-networks paper: train on all classes at once, then compare features."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from quickstudy.core import Examples, Learner, Objective, Task, cross_entropy
from quickstudy.learners.exemplars import Exemplars
from quickstudy.learners.finetuned import FineTuned, fine_tuned
from quickstudy.learners.gradient import Gradient
from quickstudy.learners.neighbours import Neighbours
from quickstudy.nets.conv4 import conv4
from quickstudy.nets.heads import Fresh, Head, Learned
from quickstudy.nets.norm import reading
from quickstudy.rules import sgd


class Classifier(Learner[Any]):
    """Slow: an embedding under a head over all training classes. Fast: that of the reader, a learner with the same
    ``embed``, which learns a new task from its features."""

    reads = "batches"

    def __init__(self, reader: Exemplars | FineTuned | Gradient, head: Head) -> None:
        super().__init__()
        self.reader, self.head = reader, head
        self.ordered, self.padded, self.together = reader.ordered, reader.padded, reader.together

    def init(self, way: int) -> Any:
        return self.reader.init(way)

    def adapt(self, state: Any, support: Examples) -> Any:
        return self.reader.adapt(state, support)

    def predict(self, state: Any, x: Tensor) -> Tensor:
        return self.reader.predict(state, x)

    def adapt_all(self, support: Examples, way: int) -> Any:
        return self.reader.adapt_all(support, way)

    def predict_all(self, states: Any, x: Tensor) -> Tensor:
        return self.reader.predict_all(states, x)

    def objective(self, way: int) -> Objective:
        return supervised


def supervised(learner: Classifier, batch: Task) -> Tensor:
    """Cross-entropy over all training classes of a labelled batch, which is a task with an empty support."""
    embed, (x, y) = learner.reader.embed, batch.query
    with reading(embed, y >= 0, by_batch=False):
        z = embed(x)
    return cross_entropy(learner.head(z, dict(learner.head.named_parameters())), y)


def classifier(
    shape: tuple[int, int, int],
    *,
    classes: int,
    width: int = 64,
    normalization: str = "batch",
    read: str = "neighbours",
    metric: str = "cosine",
    finetune_steps: int = 0,
    finetune_rate: float = 0.01,
) -> Classifier:
    """The papers' net trained on ``classes`` classes. A task is read by the nearest ``"neighbours"``, after fine-tuning
    if there are ``finetune_steps``, or by a new ``"softmax"`` layer with which the whole net is fine-tuned."""
    if read not in ("neighbours", "softmax"):
        raise ValueError(f"features are read by neighbours or by softmax, got {read!r}")
    net = conv4(shape, width=width, normalization=normalization)
    reader: Exemplars | FineTuned | Gradient
    if read == "neighbours":
        reader = fine_tuned(Neighbours(net, net.features, metric=metric), finetune_steps, finetune_rate)
    else:
        reader = Gradient(net, Fresh(net.features), sgd(finetune_rate), steps=finetune_steps, frozen_norm=True)
    return Classifier(reader, Learned(net.features, classes))
