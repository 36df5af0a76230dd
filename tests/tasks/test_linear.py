"""Linear functions are what they say they are, by their number."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from quickstudy.checks import check_tasks
from quickstudy.tasks import linear, prompts
from quickstudy.tasks.linear import PROMPTS


@pytest.mark.parametrize("prompt", PROMPTS)
def test_battery(prompt):
    check_tasks(linear(3, 5, 4, prompt=prompt), again=linear(3, 5, 4, prompt=prompt))


def solved(task):
    """The w of a task, from its query, which has no noise."""
    return np.linalg.lstsq(task.query.x.numpy(), task.query.y.numpy(), rcond=None)


def test_values_are_those_of_one_function():
    for prompt in ("normal", "skewed", "orthants", "scaled"):
        for i in range(5):
            task = linear(4, 6, 9, prompt=prompt)[i]
            w = torch.from_numpy(solved(task)[0])
            for part in task:
                torch.testing.assert_close(part.x @ w, part.y, rtol=1e-3, atol=1e-3)


def test_what_is_drawn_is_normal():
    items = linear(3, 2, 4).batch(range(1000))
    assert stats.kstest(items.query.x.flatten().numpy(), "norm").pvalue > 0.01
    w = np.stack([solved(linear(3, 2, 4)[i])[0][:, 0] for i in range(500)])
    assert stats.kstest(w.ravel(), "norm").pvalue > 0.01
    assert float(items.query.y.var()) == pytest.approx(3, rel=0.1)


def test_prompts_do_what_they_say():
    x = linear(4, 6, 5, prompt="skewed").batch(range(2000)).query.x
    variances = x.var((0, 1))
    assert variances.sum() == pytest.approx(4, rel=0.1)
    assert (variances[0] / variances).tolist() == pytest.approx([1, 4, 9, 16], rel=0.15)
    for part in linear(4, 6, 5, prompt="orthants")[3]:
        assert bool((part.x.sign() == part.x[0].sign()).all())
    normal, scaled, noisy = (linear(4, 6, 5, prompt=p)[3] for p in ("normal", "scaled", "noisy"))
    torch.testing.assert_close(scaled.support.x, 3 * normal.support.x)
    assert torch.equal(noisy.query.y, normal.query.y)
    noise = [linear(4, 6, 5, prompt="noisy")[i].support.y - linear(4, 6, 5)[i].support.y for i in range(300)]
    assert stats.kstest(torch.cat(noise).flatten().numpy(), "norm").pvalue > 0.01


def test_the_numbers_are_those_of_always():
    """Tasks that change would make every published figure another."""
    assert linear(2, 1, 1, seed=5)[9].query.y.item() == pytest.approx(0.2742149233818054, rel=1e-5)


def test_a_digest_says_which_tasks():
    every = [
        linear(2, 3, 4),
        linear(3, 3, 4),
        linear(2, 2, 4),
        linear(2, 3, 4, seed=1),
        linear(2, 3, 4, prompt="noisy"),
    ]
    assert len({tasks.sha256 for tasks in every}) == 5
    assert linear(2, 3, 4).sha256 == every[0].sha256


def test_the_supports_are_streams():
    tasks = linear(2, 3, 4)
    made = prompts(tasks)
    assert torch.equal(made.batch([4, 5]).x, tasks.batch([4, 5]).support.x)
    assert torch.equal(made[4].y, tasks[4].support.y)
    assert made.way == 1


@pytest.mark.parametrize("asked", [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_nothing_to_learn_from_or_to_ask_is_refused(asked):
    with pytest.raises(ValueError, match="at least 1"):
        linear(*asked)


def test_an_unknown_prompt_is_refused():
    with pytest.raises(ValueError, match="no prompt is called 'curved'"):
        linear(2, 3, 4, prompt="curved")
