from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import NearestCentroid
from torch import nn

from quickstudy import checks, tasks
from quickstudy.core import Examples
from quickstudy.learners.prototypes import Prototypes, prototypes


def test_equals_the_loop_over_classes(make_task):
    task = make_task(way=4, shot=3)
    learner = prototypes((1, 16, 16), width=4, normalization="group").double()
    with torch.no_grad():
        said = learner(task.support, task.query.x, 4)
        z, queries = learner.embed(task.support.x), learner.embed(task.query.x)
    for c in range(4):
        prototype = torch.stack([row for row, label in zip(z, task.support.y, strict=True) if label == c]).mean(0)
        for q, query in enumerate(queries):
            assert said[q, c].item() == pytest.approx(-float(((query - prototype) ** 2).sum()), rel=1e-12)


@pytest.mark.parametrize(
    ("metric", "scale", "factor"),
    [("squared_euclidean", None, 1 / 4), ("squared_euclidean", 1.0, 1), ("cosine", None, 1)],
)
def test_squared_distances_are_means_over_places_unless_told(metric, scale, factor, make_task):
    task = make_task(way=3, shot=2, shape=(1, 32, 32))
    learner = prototypes((1, 32, 32), width=4, normalization="group", metric=metric, scale=scale).double()
    plain = Prototypes(learner.embed, learner.features, metric=metric)
    torch.testing.assert_close(learner(task.support, task.query.x, 3), factor * plain(task.support, task.query.x, 3))


def test_equals_the_nearest_centroid_of_scikit_learn(make_task):
    task = make_task(way=4, shot=5, query=20, shape=(6,))
    said = Prototypes(nn.Identity(), 6)(task.support, task.query.x, 4)
    other = NearestCentroid().fit(task.support.x.numpy(), task.support.y.numpy())
    np.testing.assert_allclose(said.numpy(), -(pairwise_distances(task.query.x.numpy(), other.centroids_) ** 2))
    assert (said.argmax(1).numpy() == other.predict(task.query.x.numpy())).all()


def test_the_loss_is_that_of_the_paper(make_task):
    """Equation 2 and algorithm 1: -log softmax(-d) of the right class, averaged."""
    task = make_task(way=3, shot=2, query=2, shape=(6,))
    learner = Prototypes(nn.Linear(6, 2).double(), 2)
    loss = learner.objective(3)(learner, task)
    means = torch.stack([learner.embed(task.support.x)[task.support.y == c].mean(0) for c in range(3)])
    total = 0.0
    for x, y in zip(learner.embed(task.query.x), task.query.y, strict=True):
        d = ((x - means) ** 2).sum(1)
        total = total + d[y] + (-d).exp().sum().log()
    torch.testing.assert_close(loss, total / len(task.query.y))


def test_sums_in_parts_are_the_sums(make_task):
    task = make_task(way=3, shot=4, shape=(6,))
    learner = Prototypes(nn.Identity(), 6)
    parts = [Examples(task.support.x[i::3], task.support.y[i::3]) for i in range(3)]
    state = learner.init(3)
    for part in parts:
        state = learner.adapt(state, part)
    once = learner.adapt(learner.init(3), task.support)
    assert torch.equal(state.number, once.number)
    torch.testing.assert_close(state.total, once.total, rtol=1e-14, atol=1e-14)


def test_classes_of_different_sizes():
    support = Examples(torch.tensor([[0.0], [2.0], [4.0], [10.0]]), torch.tensor([0, 0, 0, 1]))
    said = Prototypes(nn.Identity(), 1)(support, torch.tensor([[5.0]]), 2)
    assert said.tolist() == [[-9.0, -25.0]]


def test_on_pixels_alone_it_needs_no_weights(pool):
    for metric in ("squared_euclidean", "cosine"):
        learner = Prototypes(nn.Flatten(), 256, metric=metric)
        checks.check_learner(learner, tasks.episodes(pool, 3, 2, 3))
