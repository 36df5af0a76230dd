"""Truncated backpropagation through time, along descents: the gradients of a rule that is learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from quickstudy import batching, tree
from quickstudy.core import Objective
from quickstudy.outer.along import Along, ruled
from quickstudy.outer.sweep import swept
from quickstudy.rules.coordinatewise import Coordinatewise, flat
from quickstudy.rules.lstm import Lstm
from quickstudy.rules.rule import Rule, Weights
from quickstudy.tasks.losses import Descent, Losses, Stand, begin, slopes, unrolled

Segment = tuple[Tensor, list[Tensor], Stand]  # the loss, the gradients, where the descents then stand


class Carry(NamedTuple):
    """Where the descents stand between two segments."""

    problems: Any
    stand: Stand
    step: Tensor  # (), inner steps so far
    finished: Tensor  # (), descents so far


class Truncated(Along):
    """The mean loss after each of the next ``segment`` steps of some descents, and its gradient through those steps
    alone; then the descents go on from where they are. After the horizon new problems are taken.

    ``horizons``: of the first ``each`` descents the first, of the next the second, and so on: a curriculum. Memory is
    that of one segment.

    A rule that takes gradients as constants needs no way back through the losses: what a change of the weights at a
    step does to the loss there is the gradient which the rule was given anyway. Of a rule that treats all coordinates
    alike, ``sample`` of them, drawn anew each segment, say without bias what all would say: the gradient of a network's
    weights costs a fraction, the descent itself what it costs. A rule that is not detached is gone back through with
    the gradients that it reads. ``logarithm``: as of ``Descent``.
    """

    def __init__(
        self,
        losses: Losses,
        *,
        horizons: Sequence[int] = (100,),
        each: int = 1,
        segment: int = 20,
        sample: int | None = None,
        logarithm: bool = False,
    ) -> None:
        super().__init__(losses, horizons, each, segment, logarithm)
        if sample is not None and sample < 1:
            raise ValueError(f"sample is at least 1 coordinate, got {sample}")
        self.sample = sample

    def init(self, module: nn.Module) -> Carry:
        """A descent that is at its end."""
        problems = self.losses.batch([0])
        none = torch.zeros((), dtype=torch.int64)
        return Carry(problems, begin(ruled(module), self.losses, problems), none, none.clone())

    def step(
        self, module: nn.Module, items: Any, objective: Objective, carry: Carry
    ) -> tuple[Tensor, list[Tensor], Any]:
        rule = ruled(module)
        if int(carry.step) == 0:
            carry = carry._replace(problems=items, stand=begin(rule, self.losses, items))
        steps, over = self.next(carry)
        loss, grads, stand = self._segment(rule, carry, steps)
        after = torch.full_like(carry.step, 0 if over else steps.stop)
        return loss, grads, Carry(carry.problems, tree.map(Tensor.detach, stand), after, carry.finished + over)

    def _segment(self, rule: Rule, carry: Carry, steps: range) -> Segment:
        count = sum(w.numel() for w in carry.stand.weights.values())
        if self.sample is not None and self.sample < count and isinstance(rule, Coordinatewise) and rule.detached:
            return sampled(rule, self.objective, carry, steps, *strata(carry.stand.weights, self.sample))
        if isinstance(rule, Lstm):
            return swept(rule, self.objective, carry.stand, carry.problems, steps)
        return (constant if rule.detached else exact)(rule, self.objective, carry, steps)


def constant(rule: Rule, descent: Descent, carry: Carry, steps: range) -> Segment:
    """The segment of a rule that takes gradients as constants: the loss after a step pulls at its weights by the
    gradient there, and only the rule is gone back through."""
    stand, total = tree.map(Tensor.detach, carry.stand), torch.zeros(())
    passed, pulls, share = list[Tensor](), list[Tensor](), 1 / (tree.size(carry.problems) * len(steps))
    with torch.enable_grad():
        for step in range(steps.start, steps.stop + 1):
            each, grads = slopes(descent.losses, stand.weights, carry.problems, step)
            if step > steps.start:
                passed += stand.weights.values()
                pulls += [part * share for part in descent.pulls(each, grads).values()]
                total = total + descent.counted(each).sum() * share
            if step < steps.stop:
                stand = Stand(*rule.update(grads, stand.memory, stand.weights, each.mean()))
        found = torch.autograd.grad(passed, batching.trainable(rule), pulls, allow_unused=True, materialize_grads=True)
    return total, list(found), stand


def strata(weights: Weights, sample: int) -> tuple[Tensor, Tensor]:
    """(k,) places among all coordinates, as many of each weight as of any other or all that it has, and for how many
    each stands: the few of a last layer say more of the loss than the many of a first."""
    most = max(1, sample // len(weights))
    places, stands, start = list[Tensor](), list[Tensor](), 0
    for w in weights.values():
        some = torch.randperm(w.numel())[:most]
        places.append(start + some)
        stands.append(torch.full(some.shape, w.numel() / len(some), dtype=w.dtype))
        start += w.numel()
    return torch.cat(places), torch.cat(stands)


def sampled(
    rule: Coordinatewise, descent: Descent, carry: Carry, steps: range, places: Tensor, stands: Tensor
) -> Segment:
    """The same of a coordinatewise rule, gone back through at ``places`` (k,) alone, each for as many as ``stands``."""
    stand, moved, total = carry.stand, torch.zeros(()), torch.zeros(())
    memory = tree.map(lambda leaf: leaf[..., places] if leaf.dim() else leaf, stand.memory)
    share = 1 / (tree.size(carry.problems) * len(steps))
    passed, pulls = list[Tensor](), list[Tensor]()
    for step in range(steps.start, steps.stop + 1):
        each, grads = slopes(descent.losses, stand.weights, carry.problems, step)
        if step > steps.start:
            passed.append(moved)
            pulls.append(flat(descent.pulls(each, grads), stand.weights)[places] * (share * stands))
            total = total + descent.counted(each).sum() * share
        if step < steps.stop:
            with torch.no_grad():
                stand = Stand(*rule.update(grads, stand.memory, stand.weights, each.mean()))
            with torch.enable_grad():
                change, memory = rule.change(flat(grads, stand.weights)[places], memory)
                moved = moved + change
    found = torch.autograd.grad(passed, batching.trainable(rule), pulls, allow_unused=True, materialize_grads=True)
    return total, list(found), stand


def exact(rule: Rule, descent: Descent, carry: Carry, steps: range) -> Segment:
    """The segment of any rule: everything is gone back through, second derivatives included."""
    with torch.enable_grad():
        each, stand = unrolled(rule, descent.losses, tree.map(Tensor.detach, carry.stand), carry.problems, steps)
        total = descent.counted(each).mean()
        found = torch.autograd.grad(total, batching.trainable(rule), allow_unused=True, materialize_grads=True)
    return total.detach(), list(found), stand
