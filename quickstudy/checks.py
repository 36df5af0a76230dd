"""Batteries for learners and tasks of your own: what must hold whatever the method, each property usable alone.

``check_learner(learner, tasks)`` and ``check_tasks(tasks)`` raise AssertionError with a message that names the
property, by how much it fails and where to look. Everything runs on copies, in float64 where figures are compared.
"""

from __future__ import annotations

import copy
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from quickstudy import batching, core, storage, tree
from quickstudy.core import Examples, Learner, Objective, Task, Tasks

L = TypeVar("L", bound=nn.Module)
EXACT = 1e-9  # relative, for the same arithmetic in another order
TASKS = 3  # read by the battery for learners


def check_learner(
    learner: Learner,
    tasks: Tasks[Task],
    *,
    training: Tasks[Any] | None = None,
    way: int | None = None,
    objective: Objective | None = None,
) -> None:
    """Every property below. ``tasks`` are episodes that suit the learner, ``training`` what its objective reads (the
    same unless given), ``way`` and ``objective`` theirs unless given.

    Raises AssertionError for the first property that fails.
    """
    way = way or _way(tasks)
    items, lessons = tasks.batch(range(TASKS)), (training or tasks).batch(range(TASKS))
    task = tree.index(items, 0)
    goal = objective or learner.objective(_way(training) if training else way)
    check_state(learner, task, way)
    check_start(learner, task, way)
    check_types(learner, task, way)
    check_unchanged(learner, task, way)
    check_storage(learner, task, way)
    if not learner.random:
        check_mapping(learner, items, way)
        check_order(learner, task, way)
        check_independence(learner, task, way)
        check_padding(learner, task, way)
        check_trace(learner, task, way)
        check_widening(learner, task, way)
    if batching.trainable(learner):
        check_reach(learner, lessons, goal)
        check_progress(learner, lessons, goal)
    if batching.trainable(learner) and not learner.random:
        check_mapped_gradients(learner, lessons, goal)
        check_gradients(learner, lessons, goal)


def check_state(learner: Learner, task: Task, way: int) -> None:
    """Every leaf of a state is a tensor, before any data and after."""
    learner, task = _double(learner), _wide(task)
    start = learner.init(way)
    for when, state in (("init", start), ("adapt", learner.adapt(start, task.support))):
        wrong = [f"{path or 'itself'} is {type(leaf).__name__}" for path, leaf in tree.items(state) if not _is(leaf)]
        assert not wrong, f"every leaf of a state is a tensor, but after {when} {', '.join(wrong)}"


def check_start(learner: Learner, task: Task, way: int) -> None:
    """Before any data the answers are (q, way) finite numbers."""
    learner, task = _double(learner), _wide(task)
    said, expected = learner.predict(learner.init(way), task.query.x), (len(task.query.x), way)
    assert said.shape == expected, f"answers are (q, way) = {expected}, got {tuple(said.shape)} before any data"
    assert bool(said.isfinite().all()), f"before any data predict answers {said.flatten()[:4].tolist()}: not finite"


def check_types(learner: Learner, task: Task, way: int) -> None:
    """The answers have the precision and the device of the data and the weights."""
    for dtype in (torch.float32, torch.float64):
        moved, data = copy.deepcopy(learner).to(dtype), _cast(task, dtype)
        said = moved(data.support, data.query.x, way)
        got, expected = (said.dtype, said.device), (dtype, data.query.x.device)
        assert got == expected, f"weights and data are {expected}, the answer is {got}; look for tensors made in adapt"


def check_unchanged(learner: Learner, task: Task, way: int) -> None:
    """Adapting and predicting change neither the state they were given, nor the weights, nor the data; asked twice,
    predict answers the same."""
    learner, task = _double(learner), _wide(task)
    first = learner.adapt(learner.init(way), task.support)
    parts = {"the state": first, "weights or buffers": dict(learner.state_dict()), "the data": task}
    before = copy.deepcopy(tree.map(lambda leaf: leaf.detach(), parts))
    once = learner.predict(first, task.query.x)
    learner.adapt(first, task.support)
    twice = learner.predict(first, task.query.x)
    after = parts | {"weights or buffers": dict(learner.state_dict())}
    for (path, old), (_, new) in zip(tree.items(before), tree.items(after), strict=True):
        assert torch.equal(old, new), f"adapt or predict changed {path} in place; return new tensors instead"
    assert torch.equal(once, twice) or learner.random, "two calls of predict from one state gave two answers"


def check_storage(learner: Learner, task: Task, way: int) -> None:
    """Weights and state that go through a file answer as before."""
    learner, task = _double(learner), _wide(task)
    state = learner.adapt(learner.init(way), task.support)
    said = learner.predict(state, task.query.x)
    blank = copy.deepcopy(learner)
    for tensor in (*blank.parameters(), *blank.buffers()):
        tensor.data = torch.ones_like(tensor)
    blank.load_state_dict(_through_a_file(learner.state_dict()))
    kept = tree.restore(state, _through_a_file(dict(tree.items(state))))
    what = "after saving and loading weights and state; is something kept outside parameters, buffers and the state?"
    _same(blank.predict(kept, task.query.x), said, f"the answers {what}", 0)


def check_mapping(learner: Learner, items: Task, way: int) -> None:
    """Mapped over tasks by ``vmap``, adapt and predict say what they say in a loop, in train() and in eval()."""
    learner, items = _double(learner), _wide(items)
    for mode in (True, False):
        learner.train(mode)
        where = f"mapped over tasks (vmap) against a loop, in {'train' if mode else 'eval'}()"
        states = _both(lambda task: learner.adapt(learner.init(way), task.support), items)
        for (path, mapped), (_, looped) in zip(*map(tree.items, states), strict=True):
            _same(mapped, looped, f"the state's {path} {where}")
        asked = (states[1], items.query.x)
        _same(*_both(lambda one: learner.predict(one[0], one[1]), asked), f"the answers {where}")


def check_mapped_gradients(learner: Learner, items: Any, objective: Objective) -> None:
    """The objective's meta-gradients mapped over tasks equal those of a loop, in train() and in eval()."""
    learner, items = _double(learner), _wide(items)
    for mode in (True, False):
        learner.train(mode)
        (_, mapped), (_, looped) = (batching.gradients(learner, objective, items, chunk=n) for n in (TASKS, 1))
        floor = 1e-4 * max(float(grad.abs().max()) for grad in looped)  # below it, a gradient is rounding
        for (name, _), a, b in zip(_weights(learner), mapped, looped, strict=True):
            what = f"the meta-gradient of {name} mapped over tasks (vmap) against a loop"
            _same(a, b, f"{what}; look for F.batch_norm, in-place writes or random numbers", floor=floor)


def check_gradients(
    learner: Learner, items: Any, objective: Objective, *, step: float = 1e-6, relative: float = 1e-4
) -> None:
    """The objective's meta-gradients equal central finite differences, weight by weight."""
    learner, items = _double(learner).train(), _wide(items)
    _, grads = batching.gradients(learner, objective, items)
    chance = torch.Generator().manual_seed(0)
    for (name, weight), grad in zip(_weights(learner), grads, strict=True):
        noise = torch.randn(weight.shape, generator=chance, dtype=weight.dtype).to(weight.device)
        way = _unit(grad) + _unit(noise)
        rise = _moved(learner, items, objective, weight, step * way) - _moved(
            learner, items, objective, weight, -step * way
        )
        slope, said = rise / (2 * step), float((grad * way).sum())
        error = abs(slope - said) / max(abs(slope), float(grad.norm()), step)
        assert error < relative, (
            f"the meta-gradient of {name} gives the slope {said:.6g} where finite differences give {slope:.6g} "
            f"(off by {error:.2g}); look for detach, no_grad or .data on the way from this weight to the objective"
        )


def check_reach(learner: Learner, items: Any, objective: Objective) -> None:
    """Every trainable weight gets a gradient from the objective."""
    learner, items = _double(learner).train(), _wide(items)
    _, grads = batching.gradients(learner, objective, items)
    idle = [name for (name, _), grad in zip(_weights(learner), grads, strict=True) if not bool(grad.any())]
    assert not idle, f"no gradient reaches {', '.join(idle)}; set requires_grad to False for what is not learned"


def check_progress(learner: Learner, items: Any, objective: Objective, *, steps: int = 5, rate: float = 1e-3) -> None:
    """A few steps of Adam lower the objective on the tasks they read."""
    learner, items = _double(learner).train(), _wide(items)
    weights = batching.trainable(learner)
    adam = torch.optim.Adam(weights, lr=rate)
    before = _value(learner, items, objective)
    for _ in range(steps):
        _, grads = batching.gradients(learner, objective, items)
        for weight, grad in zip(weights, grads, strict=True):
            weight.grad = grad
        adam.step()
    after = _value(learner, items, objective)
    assert after < before, (
        f"{steps} steps of Adam on the same tasks took the objective from {before:.6g} to {after:.6g}"
    )


def check_independence(learner: Learner, task: Task, way: int) -> None:
    """A query's answer does not depend on the other queries, unless the learner says ``transductive``."""
    if learner.transductive:
        return
    learner, task = _double(learner), _wide(task)
    state = learner.adapt(learner.init(way), task.support)
    alone = torch.cat([learner.predict(state, x[None]) for x in task.query.x])
    what = "the answers to single queries against all together; declare transductive if that is meant"
    _same(alone, learner.predict(state, task.query.x), what)


def check_order(learner: Learner, task: Task, way: int) -> None:
    """The order of the support matters if and only if the learner says ``ordered``."""
    learner, task = _double(learner), _wide(task)
    backwards = tree.map(lambda leaf: leaf.flip(0), task.support)
    there, back = (learner(support, task.query.x, way) for support in (task.support, backwards))
    if learner.ordered:
        assert _error(back, there) > EXACT, "ordered is declared, but a reversed support gives the same answers"
    else:
        _same(back, there, "the answers from a reversed support; declare ordered if that is meant")


def check_padding(learner: Learner, task: Task, way: int) -> None:
    """Support examples with y = -1 change nothing, for learners whose examples are read one by one."""
    if learner.ordered or learner.transductive:
        return
    learner, task = _double(learner), _wide(task)
    said = learner(task.support, task.query.x, way)
    empty = Examples(task.query.x, tree.map(lambda leaf: torch.full_like(leaf, -1), task.query.y))
    for parts in ([empty, task.support], [task.support, empty]):
        _same(learner(tree.cat(parts), task.query.x, way), said, "the answers with padding (y = -1) in the support")


def check_trace(learner: Learner, task: Task, way: int) -> None:
    """``trace`` equals predicting each example and then adapting to it."""
    learner, task = _double(learner), _wide(task)
    folded = Learner.trace(learner, task.support, way)
    _same(learner.trace(task.support, way), folded, "trace against the fold of predict and adapt")


def check_widening(learner: Learner, task: Task, way: int) -> None:
    """A state widened by two classes equals one that had room for them from the start. A learner with a fixed number
    of classes refuses another by ValueError and is let off."""
    learner, task = _double(learner), _wide(task)
    try:
        roomy = learner.init(way + 2)
    except ValueError:
        return
    widened = core.widen(learner, learner.adapt(learner.init(way), task.support), way, way + 2)
    said, expected = (learner.predict(s, task.query.x) for s in (widened, learner.adapt(roomy, task.support)))
    _same(said, expected, f"the answers after widening {way} classes to {way + 2} against starting with {way + 2}")


def check_tasks(tasks: Tasks[Task], *, again: Tasks[Task] | None = None, indices: Sequence[int] = range(200)) -> None:
    """Every property of a task distribution below; ``again``: another object, made by the same call.

    Raises AssertionError for the first property that fails.
    """
    check_numbering(tasks, again or tasks, indices[:5])
    items = tasks.batch(indices)
    if tree.size(tree.index(items.support, 0)) and not items.query.y.is_floating_point():
        check_disjoint(tree.index(items, slice(5)))
        check_balance(items)
        check_no_leak(items)


def check_numbering(tasks: Tasks[Task], again: Tasks[Task], indices: Sequence[int]) -> None:
    """The same index is the same task on both objects, alone or in any batch; other indices are other tasks."""
    singles = [tasks[index] for index in indices]
    stacked = tree.stack(singles)
    for source, name in ((tasks, "the same object"), (again, "another object made by the same call")):
        assert _equal(source.batch(indices), stacked), f"batch differs from the stacked single tasks, on {name}"
        backwards = tree.map(lambda leaf: leaf.flip(0), stacked)
        assert _equal(source.batch(indices[::-1]), backwards), f"a task depends on its place in the batch, on {name}"
    twins = [(i, j) for i in range(len(singles)) for j in range(i) if _equal(singles[i], singles[j])]
    assert not twins, f"the indices {[(indices[i], indices[j]) for i, j in twins]} are the same task"


def check_disjoint(items: Task) -> None:
    """No task asks for a picture that it has shown. (A pool that holds the same picture twice can fail this, too.)"""
    for index in range(tree.size(items)):
        shown, asked = (set(_prints(part.x)) for part in tree.index(items, index))
        assert not shown & asked, f"{len(shown & asked)} pictures of task {index} are in its support and its query"


def check_balance(items: Task) -> None:
    """Each class is as often in the support and in the query as any other, in an order drawn anew."""
    for name, y in (("support", items.support.y), ("query", items.query.y)):
        counts = (y[:, :, None] == y.unique()).sum(1)
        assert bool((counts == counts[0, 0]).all()), f"classes are not balanced in the {name}: {counts[0].tolist()}"
        assert len(y.unique(dim=0)) > 1, f"the labels of the {name} come in the same order in every task"
        missing = set(y.unique().tolist()) - set(y[:, 0].tolist())
        assert not missing, f"the classes {sorted(missing)} are never first in the {name} in {len(y)} tasks"


def check_no_leak(items: Task) -> None:
    """What a class is called changes from task to task, so that a label cannot be learned by heart."""
    met: dict[bytes, list[int]] = defaultdict(list)
    for part in items:
        for print_, label in zip(_prints(part.x.flatten(0, 1)), part.y.flatten().tolist(), strict=True):
            met[print_].append(label)
    often = [labels for labels in met.values() if len(labels) > 1]
    fixed = sum(len(set(labels)) == 1 for labels in often)
    assert fixed <= 0.9 * len(often), (
        f"{fixed} of {len(often)} pictures that were met again had the same label each time; draw the order of the "
        "classes anew for every task"
    )


def _way(tasks: Any) -> int:
    return tasks.way


def _is(leaf: Any) -> bool:
    return isinstance(leaf, Tensor)


def _double(module: L) -> L:
    """A copy in float64 and eval(), without dropout."""
    copied = copy.deepcopy(module).double().eval()
    for part in copied.modules():
        if isinstance(part, nn.modules.dropout._DropoutNd):
            part.p = 0.0
    return copied


def _cast(data: Any, dtype: torch.dtype) -> Any:
    return tree.map(lambda leaf: leaf.to(dtype) if leaf.is_floating_point() else leaf, data)


def _wide(data: Any) -> Any:
    return _cast(data, torch.float64)


def _weights(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """The slow weights with their names, in the order of ``batching.trainable``."""
    return ((name, weight) for name, weight in module.named_parameters() if weight.requires_grad)


def _both(f: Callable[[Any], Any], items: Any) -> tuple[Any, Any]:
    """Mapped, and in a loop."""
    mapped, looped = (batching.over_tasks(f, items, chunk=n) for n in (tree.size(items), 1))
    return mapped, looped


def _error(a: Tensor, b: Tensor, floor: float = 0.0) -> float:
    """The largest difference, relative to the largest finite number of b; nan where one of them is nan."""
    difference = torch.where(a == b, 0, (a - b).abs()).max()
    scale = torch.where(b.isfinite(), b.abs(), 0).max().clamp_min(max(floor, torch.finfo(torch.float64).tiny))
    return float(difference / scale)


def _same(a: Tensor, b: Tensor, what: str, relative: float = EXACT, floor: float = 0.0) -> None:
    error = _error(a, b, floor)
    assert error <= relative, f"{what}: off by {error:.2g} relative to the largest, {relative:.2g} is allowed"


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


def _through_a_file(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    with tempfile.TemporaryDirectory() as folder:
        storage.save_tensors(Path(folder) / "tensors.safetensors", tensors, {})
        return storage.load_tensors(Path(folder) / "tensors.safetensors")[0]


def _equal(a: Any, b: Any) -> bool:
    return all(torch.equal(x, y) for x, y in zip(tree.leaves(a), tree.leaves(b), strict=True))


def _prints(x: Tensor) -> list[bytes]:
    """Something to tell pictures apart by: their bytes."""
    return [picture.tobytes() for picture in x.cpu().numpy()]
