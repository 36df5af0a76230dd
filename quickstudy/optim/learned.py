"""A learned rule in the place of a hand-designed optimizer."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from quickstudy import rules, tree
from quickstudy.optim.guard import Guard
from quickstudy.optim.weights import rule as load
from quickstudy.rules.coordinatewise import Coordinatewise

CHUNK = 2**14  # coordinates at a time: what the rule computes then stays in the caches
Group = dict[str, Any]


class LearnedOptimizer(torch.optim.Optimizer):
    """Weights that fall by a rule which has been learned: ``LearnedOptimizer(net.parameters())`` where Adam stood.

    ``weights``: a run folder of ``quickstudy train-optimizer``, a file, the name of weights that come with the package,
    a rule, or None for the usual ones. ``lr`` multiplies every step, for schedulers; 1 is what was learned. All
    coordinates of a group are one batch; parameters without a gradient are left as they are.

    The guard falls back to Adam (rate ``fallback`` times ``lr``) from the best weights so far, and warns, when the
    descent has turned back. It sees the loss where ``step`` is given a closure that returns it, or where
    ``observe(loss)`` is called before ``step()``; otherwise it sees gradients that are no numbers, and no more.

    The memory takes some 80 numbers for each coordinate. Raises ValueError for parameters that are not in single or
    double precision.
    """

    def __init__(
        self,
        params: Iterable[Any],
        weights: str | Path | Coordinatewise | None = None,
        *,
        lr: float = 1.0,
        guard: bool = True,
        fallback: float = 1e-3,
    ) -> None:
        if not (lr >= 0 and fallback > 0):
            raise ValueError(f"lr is at least 0 and fallback positive, got {lr} and {fallback}")
        self.rule = weights if isinstance(weights, Coordinatewise) else load(weights)
        self._loss: float | None = None
        self._alike: dict[tuple[torch.dtype, torch.device], Coordinatewise] = {}
        super().__init__(params, {"lr": lr, "fallback": fallback, "guard": guard, "fallen": False, "watch": None})

    def add_param_group(self, param_group: Group) -> None:
        super().add_param_group(param_group)
        strange = {p.dtype for p in self.param_groups[-1]["params"]} - {torch.float32, torch.float64}
        if strange:
            raise ValueError(f"parameters are float32 or float64, got {strange}; keep them so and use torch.autocast")
        if self.param_groups[-1]["watch"] is None:
            self.param_groups[-1]["watch"] = dataclasses.asdict(Guard())

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"rule": self.rule, "_loss": self._loss, "_alike": {}}

    def observe(self, loss: float | Tensor) -> None:
        """Tells the guard the loss of the step that comes next."""
        self._loss = float(loss.detach()) if isinstance(loss, Tensor) else float(loss)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """One step of all groups; with a closure, on the loss that it returns and the gradients that it makes."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
            self.observe(loss)
        with torch.no_grad():
            for group in self.param_groups:
                self._step(group)
        self._loss = None
        return loss

    def _step(self, group: Group) -> None:
        live = [p for p in group["params"] if p.grad is not None]
        if not live:
            return
        row = torch.cat([p.grad.reshape(-1) for p in live])
        if group["guard"] and not group["fallen"]:
            self._watch(group, row)
        if group["fallen"] and not bool(row.isfinite().all()):
            return  # of weights that were put back; the next gradients are theirs
        change = self._adam(group, live, row) if group["fallen"] else group["lr"] * self._learned(group, row)
        parts = change.split([p.numel() for p in live])
        torch._foreach_add_(live, [part.view_as(p) for part, p in zip(parts, live, strict=True)])

    def _learned(self, group: Group, row: Tensor) -> Tensor:
        """(k,) what is added to the coordinates that have a gradient."""
        rule = self._rule(row)
        memory = self._memory(group, "memory", rule.first)
        change, after, place = torch.empty_like(row), memory, 0
        for start, stop in _spans(group["params"]):
            part = tree.map(lambda leaf, a=start, b=stop: leaf[..., a:b] if leaf.dim() else leaf, memory)
            size = stop - start
            change[place : place + size], after = rule.change(row[place : place + size], part)
            tree.map(lambda old, new: old.copy_(new) if old.dim() else old, part, after)
            place += size
        tree.map(lambda old, new: old if old.dim() else old.copy_(new), memory, after)
        return change

    def _rule(self, row: Tensor) -> Coordinatewise:
        """In the precision of the coordinates, and where they are."""
        key, own = (row.dtype, row.device), next(self.rule.parameters(), row)
        if key == (own.dtype, own.device):
            return self.rule
        if key not in self._alike:
            self._alike[key] = copy.deepcopy(self.rule).to(row)
        return self._alike[key]

    def _adam(self, group: Group, live: list[Tensor], row: Tensor) -> Tensor:
        """Likewise, by the rule that is fallen back to."""
        adam = rules.adam(group["fallback"] * group["lr"])
        count = sum(p.numel() for p in group["params"])
        whole = row.new_zeros(count)
        places = torch.cat([torch.arange(a, b, device=row.device) for a, b in _spans(group["params"])])
        whole[places] = row
        memory = self._memory(group, "fallback", lambda like: adam.init({"row": like}))
        new, after = adam.update({"row": whole}, memory, {"row": torch.zeros_like(whole)}, row.new_zeros(()))
        tree.map(lambda old, fresh: old.copy_(fresh), memory, after)
        return new["row"][places]

    def _watch(self, group: Group, row: Tensor) -> None:
        """Falls back where the descent is lost; else keeps the weights, now and then, while they are the best."""
        guard = Guard(**group["watch"])
        lost = not bool(row.isfinite().all())
        if self._loss is not None:
            lost = guard.turned_back(self._loss) or lost
            if not lost and guard.wants_copy():
                for p in group["params"]:
                    self.state[p]["best"] = p.detach().clone()
        group["watch"] = dataclasses.asdict(guard)
        if lost:
            self._fall(group)

    def _fall(self, group: Group) -> None:
        group["fallen"] = True
        for p in group["params"]:
            p.copy_(self.state[p].pop("best", p))
        for key in [key for key in self.state[group["params"][0]] if key.startswith("memory.")]:
            del self.state[group["params"][0]][key]
        warnings.warn(
            f"the learned optimizer lost its way after {group['watch']['seen']} observed losses (last mean "
            f"{group['watch']['mean']:.3g}, best {group['watch']['best']:.3g}); it goes on from the best weights kept, "
            f"as Adam with rate {group['fallback']:g}",
            stacklevel=4,
        )

    def _memory(self, group: Group, name: str, first: Callable[[Tensor], Any]) -> Any:
        """The tree that is kept beside the group's first parameter, of all its coordinates."""
        start, count = group["params"][0], sum(p.numel() for p in group["params"])
        kept = self.state[start]
        template = first(start.new_empty(0))
        if not any(key.startswith(f"{name}.") for key in kept):
            fresh = first(start.new_zeros(count))
            kept |= {f"{name}.{path}": leaf for path, leaf in tree.items(fresh)}
        return tree.restore(template, {key.removeprefix(f"{name}."): leaf for key, leaf in kept.items()})


def _spans(params: list[Tensor]) -> list[tuple[int, int]]:
    """(start, stop) among the coordinates of all parameters, of those that have a gradient: neighbours together, but
    no more than ``CHUNK`` at a time."""
    joined: list[tuple[int, int]] = []
    place = 0
    for p in params:
        if p.grad is not None and p.numel():
            start = joined.pop()[0] if joined and joined[-1][1] == place else place
            joined.append((start, place + p.numel()))
        place += p.numel()
    return [(a, min(a + CHUNK, stop)) for start, stop in joined for a in range(start, stop, CHUNK)]
