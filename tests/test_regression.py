"""Errors by step are those of so many steps."""

import math

import numpy as np
import pytest
import torch

from quickstudy import metrics, rules, tree
from quickstudy.core import squared_error
from quickstudy.learners import in_context, least_squares, lstm, maml_regressor, prototypes
from quickstudy.learners.gradient import Gradient
from quickstudy.nets.heads import Learned
from quickstudy.nets.mlp import mlp
from quickstudy.regression import adaptation, by_examples, constant, errors, stepwise
from quickstudy.tasks import arithmetic, episodes, linear, sines

EXAM = sines(5, 20, seed=3)


def learner(rule, **options):
    net = mlp((1,), widths=(8, 8))
    return Gradient(net, Learned(8, 1), rule, steps=1, values=True, **options)


@pytest.mark.parametrize("rule", [rules.sgd(0.05), rules.sgd(0.02, momentum=0.9), rules.adam(0.01)])
def test_step_k_is_k_steps(rule):
    several = learner(rule, test_steps=4).eval()
    found = errors(several, EXAM, 7, steps=4)
    assert found.of_tasks.shape == (7, 5)
    for i in range(7):
        task = EXAM[i]
        expected = [
            squared_error(several.predict(several.init(1), task.query.x), task.query.y),
            squared_error(several(task.support, task.query.x, 1), task.query.y),
        ]
        assert found.of_tasks[i, [0, 4]] == pytest.approx([float(e.detach()) for e in expected], rel=1e-4)
    assert several.test_steps == 4


def test_estimates_have_the_interval_over_tasks():
    found = errors(learner(rules.sgd(0.05)), EXAM, 12, steps=2, name="mine")
    assert found.estimates == [metrics.estimate(found.of_tasks[:, step]) for step in range(3)]
    assert found.name == "mine"


def test_blocks_of_tasks_change_nothing(monkeypatch):
    mine = learner(rules.sgd(0.05))
    whole = errors(mine, EXAM, 10, steps=1).of_tasks
    monkeypatch.setattr("quickstudy.regression.BLOCK", 4)
    assert errors(mine, EXAM, 10, steps=1).of_tasks == pytest.approx(whole, rel=1e-5)


def test_a_task_that_diverges_has_an_infinite_error():
    found = errors(learner(rules.sgd(1e30)), EXAM, 2)
    assert np.isfinite(found.of_tasks[:, 0]).all()
    assert np.isposinf(found.of_tasks[:, -1]).all()


def test_steps_on_parts_cannot_be_told_apart():
    with pytest.raises(ValueError, match="batch=None"):
        stepwise(learner(rules.sgd(0.1), batch=2))


def test_zero_has_the_error_of_half_the_mean_squared_amplitude():
    mean, interval = metrics.estimate(constant(torch.zeros_like, sines(1, 100), 4000))
    exact = (5**3 - 0.1**3) / 3 / 4.9 / 2  # E[amplitude^2] E[sin^2(x - phase)], the latter over half a turn of phases
    assert abs(mean - exact) < 1.5 * interval
    assert math.isclose(exact, 4.25, abs_tol=0.01)


def test_an_adaptation_is_what_the_learner_says():
    mine, task = maml_regressor(), EXAM[0]
    shown = adaptation(mine, task, steps=(0, 2), name="a")
    order = task.query.x[:, 0].argsort()
    assert np.array_equal(shown.x, task.query.x[order, 0].numpy())
    assert np.array_equal(shown.true, task.query.y[order, 0].numpy())
    assert np.array_equal(shown.support, torch.cat([task.support.x, task.support.y], 1).numpy())
    mine.test_steps = 2
    with torch.no_grad():
        said = mine(task.support, task.query.x[order], 1)[:, 0]
    assert shown.said[2] == pytest.approx(said.numpy(), abs=1e-5)
    assert list(shown.said) == [0, 2]


def test_errors_by_examples_are_those_of_shorter_supports():
    mine, exam = least_squares(3), linear(3, 4, 6)
    found = by_examples(mine, exam, 5, name="mine")
    assert found.of_tasks.shape == (5, 5)
    for i in range(5):
        task = exam[i]
        said = [mine(tree.index(task.support, slice(k)), task.query.x, 1) for k in range(5)]
        expected = [float(squared_error(values, task.query.y)) for values in said]
        assert found.of_tasks[i] == pytest.approx(expected, abs=1e-4)


def test_another_score_can_stand_for_the_error():
    mine, exam = in_context(20, way=10, values=False, length=5, width=8, layers=1), arithmetic(3, 7)
    found = by_examples(mine, exam, 4, score=lambda said, y: (said.argmax(-1) == y).double().mean())
    right = mine(exam[2].support, exam[2].query.x, 10).argmax(1) == exam[2].query.y
    assert found.of_tasks[2, 3] == pytest.approx(float(right.double().mean()))


@pytest.mark.parametrize(
    "make",
    [
        lambda: prototypes((1, 16, 16), width=4, normalization="group"),
        lambda: lstm((1, 16, 16), way=3, hidden=4),
    ],
)
def test_learners_of_pictures_are_read_example_by_example(make, pool):
    drawn = episodes(pool, 3, 1, 2)
    found = by_examples(make(), drawn, 2, score=lambda said, y: (said.argmax(-1) == y).double().mean())
    assert found.of_tasks.shape == (2, 4)
