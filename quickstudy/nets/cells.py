"""Nets that read a sequence step by step: one step of each, for any axes in front."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from quickstudy.nets.lstm import Carry, LSTMCell, sweeps
from quickstudy.nets.sizes import check_sizes


class Cell(nn.Module, ABC):
    """One step, in two parts: what does not depend on the state can be done for all steps of a sequence at once."""

    projected: int  # the k of the first part
    outputs: int

    @abstractmethod
    def start(self, like: Tensor) -> Any:
        """The state before the first step, for inputs like this (..., inputs)."""

    @abstractmethod
    def project(self, x: Tensor) -> Tensor:
        """(..., k) from inputs (..., inputs): the first part."""

    @abstractmethod
    def step(self, projected: Tensor, state: Any) -> tuple[Tensor, Any]:
        """(..., outputs) and the next state: the second part."""

    def run(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """(..., n, outputs) along the sequences (..., n, inputs) from this state, and the state after them."""
        steps, outputs = self.project(x), []
        if not steps.shape[-2]:
            return steps.new_zeros(*steps.shape[:-1], self.outputs), state
        for projected in steps.unbind(-2):
            output, state = self.step(projected, state)
            outputs.append(output)
        return torch.stack(outputs, -2), state

    def sweep(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The same in one go, where a cell has a way to; it need not be mapped over tasks."""
        return self.run(x, state)


class Recurrent(Cell):
    """A long short-term memory; its state is output and cell."""

    def __init__(self, inputs: int, hidden: int, *, forget: float = 0.0) -> None:
        super().__init__()
        self.cell = LSTMCell(inputs, hidden, forget=forget)
        self.projected, self.outputs = 4 * hidden, hidden

    def start(self, like: Tensor) -> Carry:
        return self.cell.start(like)

    def project(self, x: Tensor) -> Tensor:
        return self.cell.project(x)

    def step(self, projected: Tensor, state: Carry) -> tuple[Tensor, Carry]:
        carry = self.cell.step(projected, state)
        return carry[0], carry

    def sweep(self, x: Tensor, state: Carry) -> tuple[Tensor, Carry]:
        return self.cell.sweep(x, state) if sweeps() else self.run(x, state)


class FeedForward(Cell):
    """A hidden layer that remembers nothing."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        check_sizes(hidden=hidden)
        self.layer = nn.Linear(inputs, hidden)
        self.projected = self.outputs = hidden

    def start(self, like: Tensor) -> tuple[()]:
        return ()

    def project(self, x: Tensor) -> Tensor:
        return self.layer(x)

    def step(self, projected: Tensor, state: tuple[()]) -> tuple[Tensor, tuple[()]]:
        return projected.relu(), state

    def run(self, x: Tensor, state: tuple[()]) -> tuple[Tensor, tuple[()]]:
        return self.step(self.project(x), state)
