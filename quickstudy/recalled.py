"""Generators that several lives share: what one of them has trained, the others recall.

A generator learns pictures, whatever their labels mean and however the solver learns. Lives that differ in nothing else
train the same one, which takes most of their time.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from torch import Generator, nn

from quickstudy import __version__, tree
from quickstudy.core import Examples
from quickstudy.learners.generative import Generated, Scholar
from quickstudy.learners.memory import Memory
from quickstudy.learners.replay import Replay
from quickstudy.storage import digest, load_tensors, save_tensors, sums


class Recalled(Memory[Scholar]):
    """A generator whose contexts are looked for in a folder before they are trained, to the same bits.

    A file is named by all that its training depends on: the generator as it was, its options, the pictures, the number
    of the context, the random numbers, the versions, and what the order of sums depends on.
    """

    def __init__(self, memory: Generated, folder: Path) -> None:
        super().__init__()
        self.memory, self.folder = memory, folder
        self.spared = 0.0  # seconds that the trainings took which were recalled

    def init(self, way: int) -> Scholar:
        return self.memory.init(way)

    def draw(self, state: Scholar, count: int, batch: Examples, rng: Generator) -> Examples:
        return self.memory.draw(state, count, batch, rng)

    def add(self, state: Scholar, support: Examples, contexts: int, rng: Generator) -> Scholar:
        path = self.folder / f"{self._name(state, support, contexts, rng)}.safetensors"
        if path.exists():
            return self._found(path, state)
        begun = time.monotonic()
        made = self.memory.add(state, support, contexts, rng)
        save_tensors(path, dict(tree.items(made)), {"seconds": time.monotonic() - begun})
        return made

    def _found(self, path: Path, state: Scholar) -> Scholar:
        values, meta = load_tensors(path, "delete it, and it is trained again")
        self.spared += meta["seconds"]
        if self.memory.told is not None:
            self.memory.told(self.memory.steps)
        where = tree.leaves(state)[0].device
        restored: Scholar = tree.restore(state, {name: leaf.to(where) for name, leaf in values.items()})
        return restored

    def _name(self, state: Scholar, support: Examples, contexts: int, rng: Generator) -> str:
        device = next(iter(state.weights.values())).device.type
        words = f"quickstudy {__version__}, {self.memory}, {device}, context {contexts}, {sums()}"
        tensors = dict(tree.items(state)) | {"pictures": support.x, "random numbers": rng.get_state()}
        return hashlib.sha256(f"{words} {digest(tensors)}".encode()).hexdigest()[:16]


def recalling(learner: nn.Module, folder: Path) -> None:
    """Makes the generators in a learner look for their contexts in this folder, and keep them there."""
    for module in learner.modules():
        if isinstance(module, Replay) and isinstance(module.memory, Generated):
            module.memory = Recalled(module.memory, folder)
