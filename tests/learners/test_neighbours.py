from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from quickstudy.core import Examples
from quickstudy.learners.neighbours import Neighbours, neighbours

SCIKIT = {
    "cosine": ("cosine", 2),
    "euclidean": ("euclidean", 2),
    "squared_euclidean": ("euclidean", 2),
    "manhattan": ("manhattan", 1),
}


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("way", [2, 4])
@pytest.mark.parametrize("metric", sorted(SCIKIT))
def test_equals_scikit_learn(metric, way, k, make_task):
    task = make_task(way=way, shot=6, query=40, shape=(5,), seed=k)
    said = Neighbours(nn.Identity(), 5, k=k, metric=metric)(task.support, task.query.x, way)
    other = KNeighborsClassifier(k, metric=SCIKIT[metric][0], algorithm="brute")
    other.fit(task.support.x.numpy(), task.support.y.numpy())
    share = other.predict_proba(task.query.x.numpy())
    np.testing.assert_allclose(said.exp().numpy(), share, atol=2e-4)
    clear = (share == share.max(1, keepdims=True)).sum(1) == 1
    assert clear.all() if way == 2 else clear.any()
    assert (said.argmax(1).numpy() == other.predict(task.query.x.numpy()))[clear].all()


def test_ties_go_to_the_nearest():
    support = Examples(torch.tensor([[3.0], [1.0], [2.0]]), torch.tensor([0, 1, 2]))
    said = Neighbours(nn.Identity(), 1, k=3, metric="euclidean")(support, torch.tensor([[0.0], [2.1], [9.0]]), 3)
    assert said.argmax(1).tolist() == [1, 2, 0]


def test_more_neighbours_than_examples_asks_all(make_task):
    task = make_task(way=3, shot=2)
    few, many = (neighbours((1, 16, 16), k=k)(task.support, task.query.x, 3) for k in (6, 100))
    assert torch.equal(few, many)


@pytest.mark.parametrize("k", [1, 3])
def test_padding_never_votes(k):
    support = Examples(torch.tensor([[5.0], [0.0], [0.1], [6.0]]), torch.tensor([1, -1, -1, 0]))
    said = Neighbours(nn.Identity(), 1, k=k, metric="euclidean")(support, torch.zeros(1, 1), 2)
    assert said.argmax(1).tolist() == [1]


def test_dark_compares_the_negatives(make_task):
    task = make_task(way=3, shot=2)
    bright = neighbours((1, 16, 16))(Examples(1 - task.support.x, task.support.y), 1 - task.query.x, 3)
    assert torch.equal(neighbours((1, 16, 16), dark=True)(task.support, task.query.x, 3), bright)


def test_wrong_options_are_refused():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        neighbours((1, 16, 16), k=0)
    with pytest.raises(ValueError, match=r"no metric is called 'dot'; choose one of .*cosine"):
        neighbours((1, 16, 16), metric="dot")
