"""Learners that read examples one after the other, each with the label of the one before: the base of black-box ones.

What such a net learns from a task is whatever it keeps in its state; nothing says how (Hochreiter, Younger & Conwell,
2001; Santoro et al., 2016).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from quickstudy import tree
from quickstudy.core import Examples, Learner, Objective, TraceLoss
from quickstudy.nets.cells import Cell
from quickstudy.nets.codes import Code

Run = Callable[[Tensor, Any], tuple[Tensor, Any]]


class Read(NamedTuple):
    """Where a net stands in a sequence."""

    net: Any  # its state: tensors
    label: Tensor  # (..., width) of the last example, which it reads with the next one


class Sequential(Learner[Read]):
    """Slow: the cell and the last layer. Fast: the cell's state and the last label.

    The cell reads an example's pixels with the label of the example before; what it says of an example is said before
    that example's label arrives. ``predict`` takes a step for each query without keeping it. Trained on streams, by the
    loss on every step. Everything is written for any axes in front: many tasks are an axis of the net's own.
    """

    ordered = True
    padded = False
    together = True
    reads = "sequences"

    def __init__(self, cell: Cell, code: Code) -> None:
        super().__init__()
        self.cell, self.code = cell, code
        self.last = nn.Linear(cell.outputs, code.width)

    def init(self, way: int) -> Read:
        if way != self.code.labels:
            raise ValueError(
                f"this learner has learned to read and to give {self.code.labels} labels and cannot start with {way}; "
                "train it with as many, or measure it on streams (quickstudy instances)"
            )
        label = self.last.weight.new_zeros(self.code.width)
        return Read(self.cell.start(label), label)

    def adapt(self, state: Read, support: Examples) -> Read:
        return self._read(state, support)[1]

    def predict(self, state: Read, x: Tensor) -> Tensor:
        """Each query is a sequence of one step from the same state."""
        each = tree.map(lambda leaf: leaf.expand(len(x), *leaf.shape), state)
        return self._said(each, Examples(x[:, None], x.new_zeros((len(x), 1), dtype=torch.long)))[:, 0]

    def trace(self, support: Examples, way: int) -> Tensor:
        return self._said(self.init(way), support)

    def adapt_all(self, support: Examples, way: int) -> Read:
        return self._read(self._starts(len(support.x), way), support, self.cell.sweep)[1]

    def trace_all(self, support: Examples, way: int) -> Tensor:
        return self._said(self._starts(len(support.x), way), support, self.cell.sweep)

    def objective(self, way: int) -> Objective:
        return CodeLoss(way)

    def inputs(self, state: Read, support: Examples) -> tuple[Tensor, Tensor]:
        """(..., n, pixels + width) what the cell reads, and the (..., width) label that is left for the next step."""
        x = support.x.flatten(-3)
        codes = self.code.encode(support.y, x)
        labels = torch.cat([state.label.to(x)[..., None, :], codes], -2)
        return torch.cat([x, labels[..., :-1, :]], -1), labels[..., -1, :]

    def _starts(self, count: int, way: int) -> Read:
        return tree.map(lambda leaf: leaf.expand(count, *leaf.shape), self.init(way))

    def loss(self, stream: Examples, way: int) -> Tensor:
        """The mean cross-entropy of ``trace``."""
        return self.code.loss(self._outputs(self.init(way), stream), stream.y)

    def loss_all(self, streams: Examples, way: int) -> Tensor:
        """(t,) likewise of ``trace_all``."""
        return self.code.loss(self._outputs(self._starts(len(streams.x), way), streams, self.cell.sweep), streams.y)

    def _said(self, state: Read, support: Examples, run: Run | None = None) -> Tensor:
        return self.code.logits(self._outputs(state, support, run))

    def _outputs(self, state: Read, support: Examples, run: Run | None = None) -> Tensor:
        """(..., n, width) numbers of the code."""
        said: Tensor = self.last(self._read(state, support, run)[0])
        return said

    def _read(self, state: Read, support: Examples, run: Run | None = None) -> tuple[Tensor, Read]:
        """One task is read step by step, so that it can be mapped; many, which nobody maps, in one go."""
        inputs, label = self.inputs(state, support)
        outputs, net = (run or self.cell.run)(inputs, tree.map(lambda leaf: leaf.to(inputs), state.net))
        return outputs, Read(net, label)


class CodeLoss(TraceLoss):
    """The loss of a ``Sequential`` learner on a stream, by its code, which need not spell every label out."""

    def __call__(self, learner: Learner, stream: Examples) -> Tensor:
        assert isinstance(learner, Sequential)
        return learner.loss(stream, self.way)

    def over(self, learner: Learner, streams: Examples) -> Tensor:
        assert isinstance(learner, Sequential)
        return learner.loss_all(streams, self.way)
