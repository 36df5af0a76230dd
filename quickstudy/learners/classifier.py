"""The baseline classifier of the matching-networks paper: train on all classes at once, then compare features."""

from __future__ import annotations

from torch import Tensor, nn

from quickstudy.core import Examples, Learner, Objective, Task, cross_entropy
from quickstudy.learners.exemplars import Exemplars, Memory
from quickstudy.learners.neighbours import Neighbours
from quickstudy.nets.conv4 import conv4


class Classifier(Learner[Memory]):
    """Slow: an embedding under a linear layer over all training classes. Fast: that of the learner which reads the
    features of a new task, such as nearest neighbours by cosine."""

    episodic = False

    def __init__(self, reader: Exemplars, classes: int) -> None:
        super().__init__()
        self.reader = reader
        self.head = nn.Linear(reader.features, classes)

    def init(self, way: int) -> Memory:
        return self.reader.init(way)

    def adapt(self, state: Memory, support: Examples) -> Memory:
        return self.reader.adapt(state, support)

    def predict(self, state: Memory, x: Tensor) -> Tensor:
        return self.reader.predict(state, x)

    def objective(self, way: int) -> Objective:
        return supervised


def supervised(learner: Classifier, batch: Task) -> Tensor:
    """Cross-entropy over all training classes of a labelled batch, which is a task with an empty support."""
    return cross_entropy(learner.head(learner.reader.embed(batch.query.x)), batch.query.y)


def classifier(
    shape: tuple[int, int, int], *, classes: int, width: int = 64, normalization: str = "batch", metric: str = "cosine"
) -> Classifier:
    """The papers' net trained on ``classes`` classes, read by the nearest neighbour."""
    net = conv4(shape, width=width, normalization=normalization)
    return Classifier(Neighbours(net, net.features, metric=metric), classes)
