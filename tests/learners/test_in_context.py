"""A prompt is x1, y1, x2, y2, ..., and the answer stands where x does."""

from __future__ import annotations

import pytest
import torch

from quickstudy import checks, tasks
from quickstudy.core import Examples, cross_entropy, squared_error
from quickstudy.learners import in_context
from quickstudy.learners.in_context import InContext
from quickstudy.train import train

SMALL = {"length": 12, "width": 8, "layers": 2}


def test_battery_for_values():
    lessons = tasks.prompts(tasks.linear(3, 6, 1))
    checks.check_learner(in_context(3, **SMALL), tasks.linear(3, 5, 4), training=lessons)


def test_battery_for_classes():
    learner = in_context(20, way=10, values=False, **SMALL)
    checks.check_learner(learner, tasks.arithmetic(5, 4), training=tasks.prompts(tasks.arithmetic(6, 1)))


def test_the_answer_is_that_of_the_whole_prompt():
    learner, task = in_context(3, **SMALL), tasks.linear(3, 5, 4)[0]
    for x, said in zip(task.query.x, learner(task.support, task.query.x, 1), strict=True):
        steps = [
            part
            for pair in zip(learner.of_x(task.support.x), learner.of_y(task.support.y), strict=True)
            for part in pair
        ]
        prompt = torch.stack([*steps, learner.of_x(x)])
        torch.testing.assert_close(said, learner.head(learner.net(prompt)[-1]))


def test_streams_at_once_are_the_folds():
    learner, streams = in_context(3, **SMALL).double(), tasks.linear(3, 5, 1).batch(range(4)).support
    streams = Examples(*(leaf.double() for leaf in streams))
    folds = [super(InContext, learner).trace(Examples(x, y), 1) for x, y in zip(*streams, strict=True)]
    torch.testing.assert_close(learner.trace_all(streams, 1), torch.stack(folds))


@pytest.mark.parametrize("values", [True, False])
def test_the_objective_is_the_loss_on_every_answer(values):
    learner = in_context(4, way=3, values=values, **SMALL)
    y = torch.randn(5, 3) if values else torch.tensor([0, 2, 1, 1, 0])
    stream = Examples(torch.randn(5, 4), y)
    loss = (squared_error if values else cross_entropy)(learner.trace(stream, 3), y)
    torch.testing.assert_close(learner.objective(3)(learner, stream), loss)


def test_it_learns_lines():
    """y = w x: two examples say it all. The error after one is far below that before any."""
    learner, lines = in_context(1, length=4, width=16, layers=2), tasks.linear(1, 4, 1)
    train(learner, tasks.prompts(lines), steps=200, batch=32, rate=3e-3)
    streams = tasks.linear(1, 4, 1, seed=1).batch(range(300)).support
    with torch.no_grad():
        errors = (learner.trace_all(streams, 1) - streams.y).square().mean((0, 2))
    assert errors[0] > 0.7
    assert errors[3] < 0.35


def test_what_it_cannot_read_is_refused():
    learner = in_context(3, length=4, width=8, layers=1)
    with pytest.raises(ValueError, match="1 columns of y, not 2"):
        learner.init(2)
    with pytest.raises(ValueError, match="longer than the 8 that this net has places for"):
        learner.adapt(learner.init(1), tasks.linear(3, 5, 1)[0].support)


def test_a_target_that_is_not_there_is_read_as_a_number():
    learner = in_context(3, length=12, width=8, layers=1)
    x, y = torch.randn(4, 3), torch.randn(4, 1)
    y[1] = torch.nan
    assert learner(Examples(x, y), x, 1).isfinite().all()
