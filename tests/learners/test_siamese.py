from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from quickstudy.core import Examples, Task
from quickstudy.learners.siamese import Siamese, pairs


def made(features=6) -> Siamese:
    learner = Siamese(nn.Identity(), features).double()
    nn.init.normal_(learner.compare.weight)
    return learner


def odds(learner, a, b) -> torch.Tensor:
    """The logit of one pair."""
    difference = torch.stack([(x.sigmoid() - y.sigmoid()).abs() for x, y in zip(a, b, strict=True)])
    return learner.compare(difference)[0]


def test_the_loss_is_a_double_loop_over_pairs(make_task):
    task, learner = make_task(way=3, shot=2, query=2, shape=(6,)), made()
    alike, different = [], []
    for query, label in zip(*task.query, strict=True):
        for shown, other in zip(*task.support, strict=True):
            probability = odds(learner, query, shown).sigmoid()
            same = label == other
            (alike if same else different).append(F.binary_cross_entropy(probability, same.to(probability)))
    expected = (sum(alike) / len(alike) + sum(different) / len(different)) / 2
    torch.testing.assert_close(pairs(learner, task), expected)


def test_a_class_scores_the_mean_odds_of_its_members():
    x, y = torch.randn(5, 6).double(), torch.tensor([0, 0, 0, 1, 1])
    learner, queries = made(), torch.randn(3, 6).double()
    said = learner(Examples(x, y), queries, 2)
    for q, query in enumerate(queries):
        for c in range(2):
            members = [odds(learner, query, row).exp() for row in x[y == c]]
            torch.testing.assert_close(said[q, c], (sum(members) / len(members)).log())


def test_with_one_example_each_the_answer_is_the_likeliest_pair(make_task):
    task, learner = make_task(way=4, shot=1, shape=(6,)), made()
    said = learner(task.support, task.query.x, 4)
    best = learner.same(task.query.x, task.support.x).argmax(1)
    assert torch.equal(said.argmax(1), task.support.y[best])


def test_the_loss_knows_tasks_without_one_kind_of_pair():
    x = torch.randn(2, 6).double()
    for labels in ([0, 0], [0, 1]):
        task = Task(Examples(x[:1], torch.tensor(labels[:1])), Examples(x[1:], torch.tensor(labels[1:])))
        assert math.isfinite(pairs(made(), task).item())
