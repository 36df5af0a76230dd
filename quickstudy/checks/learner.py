"""What every learner promises of ``init``, ``adapt`` and ``predict``."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from quickstudy import batching, core, storage, tree
from quickstudy.checks import gradients
from quickstudy.checks.tools import EXACT, cast, double, error, padding, same
from quickstudy.core import Learner, Objective, Task, Tasks
from quickstudy.rules import Rule

TASKS = 3  # read by the battery
LAYOUT = 1e-13  # a file does not keep in which order a tensor lies in memory, which changes the rounding


def check_learner(
    learner: Learner,
    tasks: Tasks[Task],
    *,
    training: Tasks[Any] | None = None,
    way: int | None = None,
    objective: Objective | None = None,
) -> None:
    """All the checks. ``tasks`` are episodes that suit the learner; ``training``, what its objective reads, is the
    same unless given; ``way`` and ``objective`` are theirs unless given.

    Raises AssertionError for the first property that fails.
    """
    way = way or _way(tasks)
    items, lessons = tasks.batch(range(TASKS)), (training or tasks).batch(range(TASKS))
    goal = objective or learner.objective(_way(training) if training else way)
    task = tree.index(items, 0)
    for check in (check_state, check_start, check_types, check_unchanged, check_storage):
        check(learner, task, way)
    if not learner.random:
        check_mapping(learner, items, way)
        check_many(learner, items, way)
        for check in (check_order, check_independence, check_padding, check_nothing, check_trace, check_widening):
            check(learner, task, way)
    if batching.trainable(learner):
        gradients.check_reach(learner, lessons, goal)
        gradients.check_progress(learner, lessons, goal)
    if batching.trainable(learner) and not learner.random:
        gradients.check_mapped_gradients(learner, lessons, goal)
        if not any(part.detached for part in learner.modules() if isinstance(part, Rule)):
            gradients.check_differences(learner, lessons, goal)
        gradients.check_padded_loss(learner, lessons, goal)


def check_state(learner: Learner, task: Task, way: int) -> None:
    """Every leaf of a state is a tensor, before any data and after."""
    learner, task = double(learner), cast(task)
    start = learner.init(way)
    for when, state in (("init", start), ("adapt", learner.adapt(start, task.support))):
        kinds = {path or "itself": type(leaf).__name__ for path, leaf in tree.items(state) if not _is_tensor(leaf)}
        assert not kinds, f"every leaf of a state is a tensor, but after {when} there are others: {kinds}"


def check_start(learner: Learner, task: Task, way: int) -> None:
    """Before any data the answers are (q, way) finite numbers."""
    learner, task = double(learner), cast(task)
    said, expected = learner.predict(learner.init(way), task.query.x), (len(task.query.x), way)
    assert said.shape == expected, f"answers are (q, way) = {expected}, got {tuple(said.shape)} before any data"
    assert bool(said.isfinite().all()), f"before any data predict answers {said.flatten()[:4].tolist()}: not finite"


def check_types(learner: Learner, task: Task, way: int) -> None:
    """The answers have the precision and the device of the data and the weights."""
    for dtype in (torch.float32, torch.float64):
        moved, data = copy.deepcopy(learner).to(dtype), cast(task, dtype)
        said = moved(data.support, data.query.x, way)
        got, expected = (said.dtype, said.device), (dtype, data.query.x.device)
        assert got == expected, f"weights and data are {expected}, the answer is {got}; look for tensors made in adapt"


def check_unchanged(learner: Learner, task: Task, way: int) -> None:
    """Adapting and predicting, in train() too, change neither the state they were given, nor the weights, nor the
    data; asked twice, predict answers the same."""
    learner, task = double(learner).train(), cast(task)
    state = learner.adapt(learner.init(way), task.support)
    given = {"the state's": state, "the data's": task, "the module's": learner.state_dict()}
    before = tree.map(lambda leaf: leaf.detach().clone(), given)
    once = learner.predict(state, task.query.x)
    learner.adapt(state, task.support)
    twice = learner.predict(state, task.query.x)
    given["the module's"] = learner.state_dict()
    for (path, new), (_, old) in zip(tree.items(given), tree.items(before), strict=True):
        assert torch.equal(new, old), (
            f"adapt or predict changed {path.replace('.', ' ', 1)}; return new tensors instead"
        )
    assert learner.random or torch.equal(once, twice), "two calls of predict from one state gave two answers"


def check_storage(learner: Learner, task: Task, way: int) -> None:
    """Weights and state that went through a file answer as before."""
    learner, task = double(learner), cast(task)
    state = learner.adapt(learner.init(way), task.support)
    blank = copy.deepcopy(learner)
    for tensor in (*blank.parameters(), *blank.buffers()):
        tensor.data = torch.ones_like(tensor)
    blank.load_state_dict(_through_a_file(learner.state_dict()))
    kept = tree.restore(state, _through_a_file(dict(tree.items(state))))
    what = "the answers before and after a file (is something kept outside parameters, buffers and the state?)"
    same(blank.predict(kept, task.query.x), learner.predict(state, task.query.x), what, relative=LAYOUT)


def check_mapping(learner: Learner, items: Task, way: int) -> None:
    """Mapped over tasks by ``vmap``, adapt and predict say what they say in a loop, in train() and in eval()."""
    learner, items = double(learner), cast(items)
    for mode in (True, False):
        learner.train(mode)
        where = f"mapped over tasks (vmap) and in a loop, in {'train' if mode else 'eval'}(),"
        states, looped = _both_ways(lambda task: learner.adapt(learner.init(way), task.support), items)
        for (path, a), (_, b) in zip(tree.items(states), tree.items(looped), strict=True):
            same(a, b, f"the state's {path} {where}")
        asked = (looped, items.query.x)
        same(*_both_ways(lambda pair: learner.predict(*pair), asked), f"the answers {where}")


def check_many(learner: Learner, items: Task, way: int) -> None:
    """A learner's own ways to many tasks at once, ``adapt_all``, ``predict_all`` and ``trace_all``, say what mapping
    ``adapt``, ``predict`` and ``trace`` over them says."""
    learner, items = double(learner), cast(items)
    states = Learner.adapt_all(learner, items.support, way)
    own = learner.adapt_all(items.support, way)
    for (path, a), (_, b) in zip(tree.items(own), tree.items(states), strict=True):
        same(a, b, f"the state's {path} by adapt_all and by adapt, mapped over tasks,")
    said = Learner.predict_all(learner, states, items.query.x)
    same(learner.predict_all(states, items.query.x), said, "the answers by predict_all and by predict, mapped,")
    traced = Learner.trace_all(learner, items.support, way)
    same(learner.trace_all(items.support, way), traced, "what is said along streams by trace_all and by trace, mapped,")


def check_order(learner: Learner, task: Task, way: int) -> None:
    """The order of the support matters if and only if the learner says ``ordered``."""
    learner, task = double(learner), cast(task)
    backwards = tree.map(lambda leaf: leaf.flip(0), task.support)
    there, back = (learner(support, task.query.x, way) for support in (task.support, backwards))
    if learner.ordered:
        assert error(back, there) > EXACT, "ordered is declared, but a support read backwards gives the same answers"
    else:
        same(back, there, "the answers from a support and from it backwards (declare ordered if that is meant)")


def check_independence(learner: Learner, task: Task, way: int) -> None:
    """A query's answer does not depend on the other queries, unless the learner says ``transductive``."""
    if learner.transductive:
        return
    learner, task = double(learner), cast(task)
    state = learner.adapt(learner.init(way), task.support)
    alone = torch.cat([learner.predict(state, x[None]) for x in task.query.x])
    what = "the answers to queries one by one and together (declare transductive if that is meant)"
    same(alone, learner.predict(state, task.query.x), what)


def check_padding(learner: Learner, task: Task, way: int) -> None:
    """Support examples with y = -1 change nothing, where the learner says ``padded``."""
    if learner.transductive or not learner.padded:
        return
    learner, task = double(learner), cast(task)
    said, empty = learner(task.support, task.query.x, way), padding(task.query)
    for parts in ([empty, task.support], [task.support, empty]):
        padded = learner(tree.cat(parts), task.query.x, way)
        same(padded, said, "the answers with and without padding (y = -1) in the support")


def check_nothing(learner: Learner, task: Task, way: int) -> None:
    """A support of no examples leaves the answers as they are, and no questions get no answers."""
    learner, task = double(learner), cast(task)
    nothing = tree.index(task.support, slice(0))
    state = learner.adapt(learner.init(way), task.support)
    said, after = (learner.predict(s, task.query.x) for s in (state, learner.adapt(state, nothing)))
    same(after, said, "the answers before and after a support of no examples")
    found = learner.predict(state, nothing.x)
    assert found.shape == (0, way), f"the answers to no questions are of {tuple(found.shape)}, not (0, {way})"


def check_trace(learner: Learner, task: Task, way: int) -> None:
    """``trace`` equals predicting each example and then adapting to it."""
    learner, task = double(learner), cast(task)
    folded = Learner.trace(learner, task.support, way)
    same(learner.trace(task.support, way), folded, "trace and the fold of predict and adapt")


def check_widening(learner: Learner, task: Task, way: int) -> None:
    """A state widened by two classes equals one that had room for them from the start. A learner with a fixed number
    of classes refuses another by ValueError, and is let off."""
    learner, task = double(learner), cast(task)
    try:
        roomy = learner.init(way + 2)
    except ValueError:
        return
    widened = core.widen(learner, learner.adapt(learner.init(way), task.support), way, way + 2)
    said, expected = (learner.predict(s, task.query.x) for s in (widened, learner.adapt(roomy, task.support)))
    same(said, expected, f"the answers of a state widened from {way} to {way + 2} classes and of one made for them")


def _way(tasks: Any) -> int:
    return tasks.way


def _is_tensor(leaf: Any) -> bool:
    return isinstance(leaf, Tensor)


def _both_ways(f: Callable[[Any], Any], items: Any) -> tuple[Any, Any]:
    """Mapped, and in a loop."""
    return batching.over_tasks(f, items, chunk=tree.size(items)), batching.over_tasks(f, items, chunk=1)


def _through_a_file(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tensors.safetensors"
        storage.save_tensors(path, tensors, {})
        return storage.load_tensors(path)[0]
