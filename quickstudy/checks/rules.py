"""What every rule promises: learners map it over tasks and differentiate through it.

Each property reads the rule and the weights it is to move, and sets them small convex problems of its own.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from quickstudy import storage, tree
from quickstudy.checks.gradients import STEPS
from quickstudy.checks.tools import EXACT, cast, double, same
from quickstudy.rules.rule import Rule, Weights

TASKS = 3  # problems that are mapped together
LENGTH = 3  # updates, of the descents through which gradients are taken
Signal = tuple[Weights, Tensor]  # what an update reads: gradients and loss


class Problem(NamedTuple):
    """½ Σ c (w - t)² + ½ (Σ d (w - t))²: convex, and a coordinate's gradient depends on the others."""

    target: Weights
    curvature: Weights  # in [0.5, 1.5]
    direction: Weights  # of length 1 over all weights

    def loss(self, weights: Weights) -> Tensor:
        """A scalar."""
        away = {name: w - self.target[name] for name, w in weights.items()}
        bowl = torch.stack([(self.curvature[name] * a.square()).sum() for name, a in away.items()]).sum()
        valley = torch.stack([(self.direction[name] * a).sum() for name, a in away.items()]).sum()
        return 0.5 * (bowl + valley.square())


def check_rule(rule: Rule, weights: Weights) -> None:
    """All the checks, on copies; ``weights``: such as the rule is to move, small ones suffice.

    Raises AssertionError for the first property that fails.
    """
    for check in (check_memory, check_types, check_unchanged, check_storage, check_progress):
        check(rule, weights)
    check_reach(rule, weights)
    check_differences(rule, weights)
    check_mapping(rule, weights)
    check_together(rule, weights)
    check_move(rule, weights)


def check_memory(rule: Rule, weights: Weights) -> None:
    """Every leaf of the memory is a tensor, and an update keeps names, shapes and types of memory and weights."""
    rule, weights = double(rule), _plain(weights)
    before = rule.init(weights)
    new, after = rule.update(*_asked(weights, before))
    for when, memory in (("init", before), ("update", after)):
        kinds = {path or "itself": type(leaf).__name__ for path, leaf in tree.items(memory) if not _is_tensor(leaf)}
        assert not kinds, f"every leaf of a memory is a tensor, but after {when} there are others: {kinds}"
    for what, old, now in (("the memory", before, after), ("the weights", weights, new)):
        assert _form(old) == _form(now), f"update turned {what} from {_form(old)} into {_form(now)}"


def check_types(rule: Rule, weights: Weights) -> None:
    """New weights have the precision and the device of the old ones; the memory is on their devices."""
    for dtype in (torch.float32, torch.float64):
        moved, given = copy.deepcopy(rule).to(dtype), _plain(weights, dtype)
        new, memory = moved.update(*_asked(given, moved.init(given)))
        for name, w in given.items():
            got, expected = (new[name].dtype, new[name].device), (w.dtype, w.device)
            assert got == expected, f"the weight {name} was {expected}, after update it is {got}"
        strange = {leaf.device for leaf in tree.leaves(memory)} - {w.device for w in given.values()}
        assert not strange, f"the memory is on {strange}, where no weight is"


def check_unchanged(rule: Rule, weights: Weights) -> None:
    """An update changes neither the rule, in train() too, nor what it was given; asked twice, it answers the same."""
    rule = double(rule).train()
    asked = _second(rule, weights)
    given = {**dict(zip(("grads", "memory", "weights", "loss"), asked, strict=True)), "rule": rule.state_dict()}
    before = tree.map(lambda leaf: leaf.detach().clone(), given)
    once, twice = rule.update(*asked), rule.update(*asked)
    given["rule"] = rule.state_dict()
    for (path, now), (_, then) in zip(tree.items(given), tree.items(before), strict=True):
        assert torch.equal(now, then), f"update changed {path.replace('.', ' ', 1)}; return new tensors instead"
    for (path, a), (_, b) in zip(tree.items(once), tree.items(twice), strict=True):
        assert torch.equal(a, b), f"two equal updates gave two answers (at {path}); keep what changes in the memory"


def check_storage(rule: Rule, weights: Weights) -> None:
    """A rule and a memory that went through a file go on as before."""
    rule = double(rule)
    grads, memory, weights, loss = _second(rule, weights)
    blank = copy.deepcopy(rule)
    for tensor in (*blank.parameters(), *blank.buffers()):
        tensor.data = torch.ones_like(tensor)
    blank.load_state_dict(_through_a_file(rule.state_dict()))
    _through_a_file(dict(tree.items(rule.init(weights))))  # leaves that share their memory cannot be written
    kept = tree.restore(memory, _through_a_file(dict(tree.items(memory))))
    there, here = blank.update(grads, kept, weights, loss), rule.update(grads, memory, weights, loss)
    what = "before and after a file (is something kept outside parameters, buffers and the memory?)"
    for (path, a), (_, b) in zip(tree.items(there), tree.items(here), strict=True):
        same(a, b, f"the updates (at {path}) {what}", relative=0)


def check_progress(rule: Rule, weights: Weights) -> None:
    """A short descent lowers the loss; that of a rule which is learned does so before it has learned."""
    rule, start, problem = double(rule), _plain(weights), _problem(weights, 0)
    with torch.no_grad():
        before, after = float(problem.loss(start)), float(_end(rule, start, problem))
    assert after < before, f"{LENGTH} updates took the loss of a convex problem from {before} to {after}"


def check_reach(rule: Rule, weights: Weights) -> None:
    """Every starting weight and every trainable parameter of the rule gets a meta-gradient. All are finite, also where
    the gradients that the rule reads are exactly zero."""
    rule, start, problem = double(rule), _leaves(weights), _problem(weights, 0)
    still = problem._replace(target=_plain(weights))
    for one, where in ((problem, ""), (still, " where gradients are zero (look for square roots)")):
        grads = _meta_gradients(rule, start, _end(rule, start, one))
        wild = [name for name, grad in grads.items() if not bool(grad.isfinite().all())]
        assert not wild, f"the meta-gradients of {', '.join(wild)} are not finite{where}"
        idle = [name for name, grad in grads.items() if not bool(grad.any()) and one is problem]
        assert not idle, f"no gradient reaches {', '.join(idle)}; set requires_grad to False for what is not learned"


def check_differences(rule: Rule, weights: Weights, *, relative: float = 1e-5) -> None:
    """Meta-gradients through a short descent equal central finite differences, for the starting weights and for each
    of the rule's parameters.

    The differences of a ``detached`` rule are taken with the gradients and losses that were read before anything
    moved. So a rule fails which is detached but does not say so, and one which says so but is not.
    """
    rule, start, problem = double(rule), _leaves(weights), _problem(weights, 0)
    signals = _descent(rule, start, problem)[1] if rule.detached else None
    grads = _meta_gradients(rule, start, _end(rule, start, problem))
    chance = torch.Generator().manual_seed(0)
    for name, leaf in _sought(rule, start).items():
        noise = torch.randn(leaf.shape, generator=chance, dtype=leaf.dtype).to(leaf.device)
        line = _unit(grads[name]) + _unit(noise)
        said, size = float((grads[name] * line).sum()), float(grads[name].norm())
        for step in STEPS:
            above, below = (_moved(leaf, by * line, rule, start, problem, signals) for by in (step, -step))
            slope = (above - below) / (2 * step)
            gap = abs(slope - said) / max(abs(slope), size, EXACT)
            if gap < relative:
                break
        assert gap < relative, (
            f"the meta-gradient of {name} gives the slope {said:.6g} where finite differences give {slope:.6g} "
            f"(off by {gap:.2g}); look for detach, no_grad or .data in update, and at what detached declares"
        )


def check_mapping(rule: Rule, weights: Weights) -> None:
    """Mapped over tasks by ``vmap``, ``init`` and ``update`` give the weights of a loop, and their meta-gradients."""
    rule, start, problems = double(rule), _leaves(weights), [_problem(weights, seed) for seed in range(TASKS)]
    looped = tree.stack([_descent(rule, start, problem)[0] for problem in problems])
    mapped = torch.func.vmap(lambda problem: _descent(rule, start, problem)[0])(tree.stack(problems))
    for name in start:
        same(mapped[name], looped[name], f"the weights {name}, mapped over tasks (vmap) and in a loop,")
    ours, theirs = (_meta_gradients(rule, start, _total(problems, ends)) for ends in (mapped, looped))
    floor = 1e-4 * max(float(grad.abs().max()) for grad in theirs.values())  # far below it, a gradient is rounding
    for name, grad in ours.items():
        same(grad, theirs[name], f"the meta-gradients of {name}, mapped over tasks and in a loop,", floor=floor)


def check_together(rule: Rule, weights: Weights) -> None:
    """``update_all`` of stacked tasks is ``update`` of each, and so are the gradients of what the rule has learned."""
    rule = double(rule)
    asked = [tree.map(lambda leaf, task=task: (1 + task) * leaf, _second(rule, weights)) for task in range(TASKS)]
    together, looped = rule.update_all(*tree.stack(asked)), tree.stack([rule.update(*each) for each in asked])
    for (name, ours), (_, theirs) in zip(tree.items(together), tree.items(looped), strict=True):
        same(ours, theirs, f"what update_all and a loop make of {name}")
    learned = [p for p in rule.parameters() if p.requires_grad]
    ends = [torch.stack([w.square().sum() for w in new.values()]).sum() for new, _ in (together, looped)]
    if learned:
        for ours, theirs in zip(*(torch.autograd.grad(end, learned) for end in ends), strict=True):
            same(ours, theirs, "the gradients of the rule's parameters through update_all and through a loop")


def check_move(rule: Rule, weights: Weights) -> None:
    """``move`` leaves in the weights what ``update`` makes of them, in whatever order the gradients come, and wherever
    they lie in memory."""
    rule = double(rule)
    grads, memory, given, loss = _second(rule, weights)
    live = tree.map(lambda leaf: leaf.detach().clone(), given)
    backwards = {name: _elsewhere(grads[name]) for name in reversed(grads)}
    with torch.no_grad():
        new, after = rule.update(grads, memory, given, loss)
        kept = rule.move(backwards, tree.map(_elsewhere, memory), live, loss)
    expected = dict(tree.items((new, after)))
    for name, ours in tree.items((live, kept)):
        same(ours, expected[name], f"what move and update make of {name}")


def _elsewhere(values: Tensor) -> Tensor:
    """The same numbers, with the first axis running fastest."""
    return values.detach().T.contiguous().clone().T if values.dim() == 2 else values.detach().clone()


def _problem(weights: Weights, seed: int) -> Problem:
    chance = torch.Generator().manual_seed(seed)

    def drawn(draw: Callable[..., Tensor]) -> Weights:
        return {n: draw(w.shape, generator=chance, dtype=torch.float64).to(w.device) for n, w in weights.items()}

    target = tree.map(torch.add, _plain(weights), drawn(torch.randn))
    curvature, direction = tree.map(lambda c: 0.5 + c, drawn(torch.rand)), drawn(torch.randn)
    length = torch.stack([d.square().sum() for d in direction.values()]).sum().sqrt()
    return Problem(target, curvature, tree.map(lambda d: d / length, direction))


def _asked(weights: Weights, memory: Any) -> tuple[Weights, Any, Weights, Tensor]:
    """(grads, memory, weights, loss) of an update, in the weights' precision."""
    problem = cast(_problem(weights, 0), next(iter(weights.values())).dtype)
    grads, loss = torch.func.grad_and_value(problem.loss)(weights)
    return grads, memory, weights, loss


def _second(rule: Rule, weights: Weights) -> tuple[Weights, Any, Weights, Tensor]:
    """What the second update of a descent is given: by then the memory holds something."""
    weights = _plain(weights)
    return _asked(*tree.map(Tensor.detach, rule.update(*_asked(weights, rule.init(weights)))))


def _descent(
    rule: Rule, weights: Weights, problem: Problem, signals: Sequence[Signal] | None = None
) -> tuple[Weights, list[Signal]]:
    """The weights after a few updates and what those read: the problem's gradients, or the signals given."""
    memory, read = rule.init(weights), []
    for step in range(LENGTH):
        grads, loss = signals[step] if signals else torch.func.grad_and_value(problem.loss)(weights)
        weights, memory = rule.update(grads, memory, weights, loss)
        read.append((grads, loss))
    return weights, read


def _end(rule: Rule, weights: Weights, problem: Problem, signals: Sequence[Signal] | None = None) -> Tensor:
    """The loss after a descent."""
    return problem.loss(_descent(rule, weights, problem, signals)[0])


def _total(problems: Sequence[Problem], ends: Weights) -> Tensor:
    """The sum of the losses at weights that are stacked along a first axis."""
    return torch.stack([problem.loss(tree.index(ends, i)) for i, problem in enumerate(problems)]).sum()


def _sought(rule: Rule, start: Weights) -> dict[str, Tensor]:
    """What meta-gradients are taken of."""
    learned = {f"the rule's {name}": p for name, p in rule.named_parameters() if p.requires_grad}
    return {**{f"the starting weight {name}": w for name, w in start.items()}, **learned}


def _meta_gradients(rule: Rule, start: Weights, loss: Tensor) -> dict[str, Tensor]:
    sought = _sought(rule, start)
    grads = torch.autograd.grad(loss, list(sought.values()), allow_unused=True, materialize_grads=True)
    return dict(zip(sought, grads, strict=True))


def _moved(leaf: Tensor, by: Tensor, *descent: Any) -> float:
    """The loss after a descent with one leaf moved."""
    kept = leaf.detach().clone()
    leaf.data = kept + by
    with torch.no_grad():
        value = float(_end(*descent))
    leaf.data = kept
    return value


def _plain(weights: Weights, dtype: torch.dtype = torch.float64) -> Weights:
    return {name: w.detach().to(dtype, copy=True) for name, w in weights.items()}


def _leaves(weights: Weights) -> Weights:
    return {name: w.requires_grad_() for name, w in _plain(weights).items()}


def _form(values: Any) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    return {path: (tuple(leaf.shape), leaf.dtype) for path, leaf in tree.items(values)}


def _unit(a: Tensor) -> Tensor:
    return a / a.norm().clamp_min(torch.finfo(a.dtype).tiny)


def _is_tensor(leaf: Any) -> bool:
    return isinstance(leaf, Tensor)


def _through_a_file(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tensors.safetensors"
        storage.save_tensors(path, tensors, {})
        loaded, _ = storage.load_tensors(path)
    return {name: loaded[name].to(tensor.device) for name, tensor in tensors.items()}
