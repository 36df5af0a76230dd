"""Reptile (Nichol, Achiam & Schulman, 2018): slow weights move towards the adapted ones."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from quickstudy import batching, tree
from quickstudy.core import Learner, Objective, QueryLoss, Task
from quickstudy.outer.base import Estimator


class Reptile(Estimator):
    """The gradient of a slow weight that adapts is its distance from the adapted one, averaged over tasks; that of
    another is 0. There is no derivative and no graph.

    A task adapts on all its examples, as published: the query is learned from like the support, after it. The loss is
    the query's after that, so that it says how well a task was fitted, not how it generalizes. Published with an outer
    optimizer that is plain descent of rate 1, falling to 0.
    """

    def check(self, module: nn.Module, objective: Objective) -> None:
        if not (isinstance(module, Learner) and isinstance(objective, QueryLoss)):
            raise ValueError("Reptile reads episodes: it needs a learner that adapts, and its loss on the query")
        if not slow(module, objective.way):
            raise ValueError(
                f"Reptile moves weights to where tasks take them, but no weight of {type(module).__name__} is in the "
                "state it starts from; use the estimator unroll"
            )

    def step(self, module: nn.Module, items: Any, objective: Objective, carry: Any) -> tuple[Tensor, list[Tensor], Any]:
        self.check(module, objective)
        both = tree.map(lambda a, b: torch.cat([a, b], dim=1), items.support, items.query)
        with torch.no_grad():
            loss, grads = batching.mean(
                module,
                lambda shell, group: moved(shell, objective, group),
                Task(both, items.query),
                chunk=self.chunk,
            )
        return loss, grads, carry


def moved(module: Any, objective: Any, group: Task) -> batching.Part:
    """The sums over tasks of the losses after adapting, and of how far each weight is from where it was taken."""
    states = objective.adapt(module, group)
    leaves, found = tree.leaves(states), dict[int, Tensor]()
    for place, weight in slow(module, objective.way):
        found[id(weight)] = (weight - leaves[place]).sum(0)
    loss = objective.score(module, states, group).sum()
    return loss, [found.get(id(weight)) for weight in batching.trainable(module)]


def slow(module: Learner, way: int) -> list[tuple[int, nn.Parameter]]:
    """(place, weight) of those leaves of the state before any data that are slow weights themselves."""
    own = {id(weight): weight for weight in batching.trainable(module)}
    leaves = tree.leaves(module.init(way))
    return [(place, own[id(leaf)]) for place, leaf in enumerate(leaves) if id(leaf) in own]
