"""Persistent evolution strategies (Vicol, Metz & Sohl-Dickstein, 2021): meta-gradients without a way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from quickstudy import batching, tree
from quickstudy.core import Objective
from quickstudy.outer.along import Along, ruled
from quickstudy.rules.rule import Rule, Weights
from quickstudy.tasks.losses import Losses, slopes


class Carry(NamedTuple):
    """Where the particles stand between two segments: first one of each pair, then its opposite."""

    problems: Any  # of each particle
    weights: Weights  # (2 p, *shape)
    memory: Any  # (2 p, ...) of each particle's rule
    sums: list[Tensor]  # (p, *shape): each pair's perturbations so far, of every parameter
    step: Tensor  # (), inner steps so far
    finished: Tensor  # (), descents so far


class Evolution(Along):
    """The mean loss after each of the next ``segment`` steps under perturbed parameters, and as its gradient the
    differences of antithetic pairs, each times the sum of all perturbations that its pair has had in this descent:
    unlike those of truncated backpropagation these gradients have no bias towards what pays soon.

    Every problem has one pair. ``spread``: deviation of the perturbations, drawn anew each segment; ``horizons``,
    ``each`` and ``logarithm`` as of ``Truncated``. There is no graph, so that memory does not grow with the segment.
    """

    def __init__(
        self,
        losses: Losses,
        *,
        horizons: Sequence[int] = (100,),
        each: int = 1,
        segment: int = 20,
        spread: float = 0.01,
        logarithm: bool = False,
    ) -> None:
        super().__init__(losses, horizons, each, segment, logarithm)
        if not spread > 0:
            raise ValueError(f"spread is positive, got {spread}")
        self.spread = spread

    def init(self, module: nn.Module) -> Carry:
        """Particles at their end."""
        return self._begin(ruled(module), self.losses.batch([0]), torch.zeros((), dtype=torch.int64))

    def step(
        self, module: nn.Module, items: Any, objective: Objective, carry: Carry
    ) -> tuple[Tensor, list[Tensor], Any]:
        with torch.no_grad():
            return self._segment(ruled(module), items, carry)

    def _segment(self, rule: Rule, items: Any, carry: Carry) -> tuple[Tensor, list[Tensor], Any]:
        if int(carry.step) == 0:
            carry = self._begin(rule, items, carry.finished)
        steps, over = self.next(carry)
        drawn = [self.spread * torch.randn_like(total) for total in carry.sums]
        sums = [total + part for total, part in zip(carry.sums, drawn, strict=True)]
        each, weights, memory = self._descend(rule, drawn, carry, steps)
        carry = Carry(
            carry.problems,
            weights,
            memory,
            sums,
            torch.full_like(carry.step, 0 if over else steps.stop),
            carry.finished + over,
        )
        return each.mean(), self._gradients(each, sums), carry

    def _begin(self, rule: Rule, items: Any, finished: Tensor) -> Carry:
        problems = tree.map(lambda leaf: torch.cat([leaf, leaf]), items)
        weights = self.losses.start(problems)
        memory = vmap(rule.init)(weights)
        sums = [w.new_zeros(tree.size(items), *w.shape) for w in batching.trainable(rule)]
        return Carry(problems, weights, memory, sums, torch.zeros((), dtype=torch.int64), finished.clone())

    def _descend(self, rule: Rule, drawn: list[Tensor], carry: Carry, steps: range) -> tuple[Tensor, Weights, Any]:
        """(2 p,) mean losses of the particles after these steps, and where they then stand."""
        names = [name for name, w in rule.named_parameters() if w.requires_grad]
        both = zip(names, batching.trainable(rule), drawn, strict=True)
        parameters = {name: w + torch.cat([part, -part]) for name, w, part in both}

        def moved(own: Weights, *asked: Any) -> Any:
            return functional_call(_Update(rule), {f"rule.{name}": w for name, w in own.items()}, asked)

        weights, memory, total = carry.weights, carry.memory, torch.zeros(())
        for step in range(steps.start, steps.stop + 1):
            each, grads = slopes(self.losses, weights, carry.problems, step)
            total = total + self.objective.counted(each) / len(steps) if step > steps.start else total
            if step < steps.stop:
                weights, memory = vmap(moved)(parameters, grads, memory, weights, each)
        return total, weights, memory

    def _gradients(self, each: Tensor, sums: list[Tensor]) -> list[Tensor]:
        """Σ (f₊ - f₋) ξ / (2 σ² p), over p pairs with the sums ξ of their perturbations."""
        plus, minus = each.chunk(2)
        weight = (plus - minus) / (2 * self.spread**2 * len(plus))
        return [torch.tensordot(weight, total, dims=1) for total in sums]


class _Update(nn.Module):
    """A rule's update as a module's call."""

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule = rule

    def forward(self, *asked: Any) -> Any:
        return self.rule.update(*asked)
