"""Memory-augmented neural networks (Santoro et al., 2016): what was seen is written down and found again by content."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from quickstudy import tree
from quickstudy.core import Examples
from quickstudy.learners.sequential import Sequential
from quickstudy.nets.cells import Cell, FeedForward, Recurrent
from quickstudy.nets.codes import code
from quickstudy.nets.lstm import OPEN
from quickstudy.nets.memory import Access, Accessed, LeastRecentlyUsed

STRENGTH, KEYS = 8.0, 5.0  # of looking, and of a usual layer's weights, before training


class Remembering(NamedTuple):
    """The state of a net with a memory."""

    controller: Any
    access: Access
    found: Tensor  # (..., heads * width) what was read last


class MemoryCell(Cell):
    """A controller with a memory beside it.

    The controller's output gives every head a key, which is written and then looked for, the strength of looking, and
    the gate between the place that was read last and the least used one. What is found goes to the output, and with the
    next input to the controller.
    """

    def __init__(self, controller: Cell, access: LeastRecentlyUsed) -> None:
        super().__init__()
        self.controller, self.access = controller, access
        self.sizes = (access.heads * access.width, access.heads, access.heads)
        self.found = nn.Linear(self.sizes[0], controller.projected, bias=False)  # with the input's, one layer of both
        self.head = nn.Linear(controller.outputs, sum(self.sizes))
        self.projected, self.outputs = controller.projected, controller.outputs + self.sizes[0]
        self._look_from_the_start()

    def _look_from_the_start(self) -> None:
        """Keys that differ as inputs do, sharply looked for: what was written is found from the start."""
        with torch.no_grad():
            self.head.bias.split(self.sizes)[1].fill_(STRENGTH)
            self.head.weight[: self.sizes[0]] *= KEYS

    def look_by_the_echo(self) -> None:
        """For a controller half of which repeats the other half a step later, with the label: half of the heads begin
        by writing what is repeated, half by looking for what is there now, by the same keys."""
        half, count = self.controller.outputs // 2, (self.access.heads + 1) // 2
        keys = self.head.weight[: self.sizes[0]].unflatten(0, (self.access.heads, self.access.width))
        with torch.no_grad():
            nn.init.zeros_(self.found.weight)
            same = keys[:count, :, :half].clone()
            keys.zero_()
            keys[:count, :, :half] = same
            keys[-count:, :, half : 2 * half] = same
            self.head.bias.split(self.sizes)[2].fill_(-OPEN)

    def start(self, like: Tensor) -> Remembering:
        access = self.access.start(like)
        return Remembering(self.controller.start(like), access, like.new_zeros(*like.shape[:-1], self.sizes[0]))

    def project(self, x: Tensor) -> Tensor:
        return self.controller.project(x)

    def step(self, projected: Tensor, state: Remembering) -> tuple[Tensor, Remembering]:
        output, next, _ = self.looked(projected, state)
        return output, next

    def looked(self, projected: Tensor, state: Remembering) -> tuple[Tensor, Remembering, Accessed]:
        """A step, with what it did in the memory."""
        hidden, controller = self.controller.step(projected + self.found(state.found), state.controller)
        keys, strength, gate = self.head(hidden).split(self.sizes, -1)
        keys = keys.unflatten(-1, (self.access.heads, self.access.width)).tanh()
        read, access, done = self.access(state.access, keys, 1 + nn.functional.softplus(strength), gate.sigmoid())
        found = read.flatten(-2)
        return torch.cat([hidden, found], -1), Remembering(controller, access, found), done


class MANN(Sequential):
    """Slow: all weights. Fast: the memory, what the controller keeps, the last label."""

    cell: MemoryCell

    def accesses(self, support: Examples, way: int) -> Accessed:
        """What every step of a stream did in the memory: (n, heads, rows) weights and (n, rows) usage."""
        state = self.init(way)
        inputs, _ = self.inputs(state, support)
        net, done = state.net, []
        for projected in self.cell.project(inputs).unbind(-2):
            _, net, one = self.cell.looked(projected, net)
            done.append(one)
        return tree.stack(done)


def mann(
    shape: tuple[int, int, int],
    *,
    way: int,
    controller: str = "lstm",
    hidden: int = 200,
    rows: int = 128,
    width: int = 40,
    heads: int = 4,
    gamma: float = 0.95,
    strings: bool = False,
) -> MANN:
    """The paper's: an LSTM of 200 units, 128 rows of 40, four heads. Slow: all weights. Fast: the memory and what the
    controller keeps. The ``controller`` is "lstm" or "feedforward"; with ``strings`` the labels are strings of five
    letters. The strength of looking is learned, as in the neural Turing machine; the paper's equation has none. No head
    finds what it has just written itself. An LSTM begins by remembering for a step what its heads write down with the
    label, so that drawings are looked up before any training; the paper leaves the first weights open."""
    labels = code(way, strings=strings)
    inputs = math.prod(shape) + labels.width
    if controller not in ("lstm", "feedforward"):
        raise ValueError(f"no controller is called {controller!r}; choose lstm or feedforward")
    net = Recurrent(inputs, hidden) if controller == "lstm" else FeedForward(inputs, hidden)
    cell = MemoryCell(net, LeastRecentlyUsed(rows, width, heads, gamma=gamma))
    if isinstance(net, Recurrent):
        net.cell.echo(labels.width)
        cell.look_by_the_echo()
    return MANN(cell, labels)
