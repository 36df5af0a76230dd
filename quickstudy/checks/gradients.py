"""What meta-training relies on: an objective, and gradients of the slow weights that are right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from quickstudy import batching, tree
from quickstudy.checks.tools import EXACT, cast, double, padding, same
from quickstudy.core import Learner, Objective, Task

STEPS = (1e-5, 1e-6, 1e-7, 1e-8)  # of finite differences: a kink, as of ReLU, can spoil one, and rounding the short
# ones where a slope is small; a wrong gradient spoils all


def check_mapped_gradients(learner: Learner, items: Any, objective: Objective) -> None:
    """The objective's gradients mapped over tasks equal those of a loop, in train() and in eval()."""
    learner, items = double(learner), cast(items)
    for mode in (True, False):
        learner.train(mode)
        (_, mapped), (_, looped) = (
            batching.gradients(learner, objective, items, chunk=n) for n in (tree.size(items), 1)
        )
        floor = 1e-4 * max(float(grad.abs().max()) for grad in looped)  # far below it, a gradient is rounding
        for (name, _), a, b in zip(_weights(learner), mapped, looped, strict=True):
            what = f"the meta-gradients of {name}, mapped over tasks (vmap) and in a loop in {_name(mode)},"
            same(a, b, f"{what} (look for F.batch_norm, in-place writes, random numbers)", floor=floor)


def check_differences(learner: Learner, items: Any, objective: Objective, *, relative: float = 1e-4) -> None:
    """The objective's gradients equal central finite differences, weight by weight."""
    learner, items = double(learner).train(), cast(items)
    _, grads = batching.gradients(learner, objective, items)
    chance = torch.Generator().manual_seed(0)
    for (name, weight), grad in zip(_weights(learner), grads, strict=True):
        noise = torch.randn(weight.shape, generator=chance, dtype=weight.dtype).to(weight.device)
        line = _unit(grad) + _unit(noise)
        said, size = float((grad * line).sum()), float(grad.norm())
        for step in STEPS:
            above, below = (_moved(learner, items, objective, weight, by * line) for by in (step, -step))
            slope = (above - below) / (2 * step)
            gap = abs(slope - said) / max(abs(slope), size, EXACT)
            if gap < relative:
                break
        assert gap < relative, (
            f"the meta-gradient of {name} gives the slope {said:.6g} where finite differences give {slope:.6g} "
            f"(off by {gap:.2g}); look for detach, no_grad or .data on the way from this weight to the objective"
        )


def check_reach(learner: Learner, items: Any, objective: Objective) -> None:
    """Every trainable weight gets a gradient from the objective."""
    learner, items = double(learner).train(), cast(items)
    _, grads = batching.gradients(learner, objective, items)
    idle = [name for (name, _), grad in zip(_weights(learner), grads, strict=True) if not bool(grad.any())]
    assert not idle, f"no gradient reaches {', '.join(idle)}; set requires_grad to False for what is not learned"


def check_progress(learner: Learner, items: Any, objective: Objective, *, steps: int = 5, rate: float = 1e-3) -> None:
    """A few steps of Adam lower the objective on the tasks they read."""
    learner, items = double(learner).train(), cast(items)
    weights = batching.trainable(learner)
    adam = torch.optim.Adam(weights, lr=rate)
    before = _value(learner, items, objective)
    for _ in range(steps):
        _, grads = batching.gradients(learner, objective, items)
        for weight, grad in zip(weights, grads, strict=True):
            weight.grad = grad
        adam.step()
    after = _value(learner, items, objective)
    assert after < before, f"{steps} steps of Adam on the tasks they read took the objective from {before} to {after}"


def check_padded_loss(learner: Learner, items: Any, objective: Objective) -> None:
    """Padding (y = -1) in the support and the query of tasks leaves the objective as it is."""
    if learner.transductive or not (learner.padded and isinstance(items, Task)):
        return
    learner, items = double(learner), cast(items)
    padded = [_padded(tree.index(items, i)) for i in range(len(items.query.x))]
    loss, expected = (_value(learner, some, objective) for some in (tree.stack(padded), items))
    same(torch.tensor(loss), torch.tensor(expected), "the objectives with and without padding (y = -1)")


def _padded(task: Task) -> Task:
    return Task(*(tree.cat([padding(task.query), part]) for part in task))


def _weights(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """The slow weights with their names, in the order of ``batching.trainable``."""
    return ((name, weight) for name, weight in module.named_parameters() if weight.requires_grad)


def _value(learner: Learner, items: Any, objective: Objective) -> float:
    torch.manual_seed(0)
    with torch.no_grad():
        return float(batching.over_tasks(lambda item: objective(learner, item), items).mean())


def _moved(learner: Learner, items: Any, objective: Objective, weight: nn.Parameter, by: Tensor) -> float:
    """The objective with one weight moved."""
    kept = weight.detach().clone()
    weight.data = kept + by
    value = _value(learner, items, objective)
    weight.data = kept
    return value


def _unit(a: Tensor) -> Tensor:
    return a / a.norm().clamp_min(torch.finfo(a.dtype).tiny)


def _name(mode: bool) -> str:
    return "train()" if mode else "eval()"
