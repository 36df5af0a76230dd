from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from quickstudy import learners
from quickstudy.instances import accuracies, instances, meetings
from quickstudy.tasks import sequences


@given(y=st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), min_size=1, max_size=4))
def test_meetings_are_counted_from_one(y):
    expected = [[labels[: i + 1].count(label) for i, label in enumerate(labels)] for labels in y]
    assert meetings(np.array(y)).tolist() == expected


def test_the_figures_are_those_of_a_loop(pool):
    tasks, learner = sequences(pool, 3, 12), learners.neighbours(pool.shape)
    result = instances(learner, tasks, 60)
    by_instance = {k: [] for k in (1, 2, 5)}
    for i in range(60):
        stream, state, met, right = tasks[i], learner.init(3), {}, {}
        for x, y in zip(stream.x, stream.y.tolist(), strict=True):
            met[y] = met.get(y, 0) + 1
            right.setdefault(met[y], []).append(int(learner.predict(state, x[None]).argmax()) == y)
            state = learner.adapt(state, type(stream)(x[None], torch.tensor([y])))
        for k, shares in by_instance.items():
            shares += [np.mean(right[k])] if k in right else []
    for k, shares in by_instance.items():
        found = result.estimates(5)[k - 1]
        assert found.mean == pytest.approx(np.mean(shares))
        assert found.interval95 == pytest.approx(stats.t.ppf(0.975, len(shares) - 1) * stats.sem(shares))
    np.testing.assert_allclose(accuracies(learner, tasks, 60), result.right.mean(1))


def test_what_is_learned_shows_and_what_was_never_met_is_a_guess(pool):
    result = instances(learners.neighbours(pool.shape), sequences(pool, 3, 30), 200)
    first, *later = (one.mean for one in result.estimates(8))
    assert first < 0.2  # an unseen class is never named, but for the very first guess
    assert min(later) > 0.9


def test_an_instance_that_no_class_reaches_has_no_figure(pool):
    found = instances(learners.neighbours(pool.shape), sequences(pool, 3, 2), 5).estimates(3)[2]
    assert np.isnan(found.mean)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("prototypes", {"width": 4, "normalization": "group"}),
        ("maml", {"width": 4, "normalization": "group", "way": 3}),
        ("lstm", {"way": 3, "hidden": 4}),
        ("mann", {"way": 3, "hidden": 4, "rows": 9, "width": 3}),
        ("neural_process", {"way": 3, "width": 4, "normalization": "group"}),
    ],
)
def test_every_kind_of_learner_is_measured(name, options, pool):
    result = instances(getattr(learners, name)(pool.shape, **options), sequences(pool, 3, 6), 4, name=name)
    assert result.right.shape == result.instance.shape == (4, 6)
    assert (result.name, result.way, result.labels) == (name, 3, 3)


def test_nan_is_refused(pool):
    learner = learners.lstm(pool.shape, way=3, hidden=4)
    with torch.no_grad():
        learner.last.bias.fill_(torch.nan)
    with pytest.raises(ValueError, match="answered nan; its weights are damaged"):
        instances(learner, sequences(pool, 3, 5), 2)
