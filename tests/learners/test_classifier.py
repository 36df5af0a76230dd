from __future__ import annotations

import torch
import torch.nn.functional as F

from quickstudy import tasks
from quickstudy.core import cross_entropy
from quickstudy.learners import classifier
from quickstudy.learners.neighbours import Neighbours


def test_the_loss_is_plain_supervised_cross_entropy(pool):
    learner = classifier(pool.shape, classes=12, width=4).double()
    batch = tasks.batches(pool, 9)[3]
    x = batch.query.x.double()
    logits = F.linear(learner.reader.embed(x), learner.head.weight, learner.head.bias)
    expected = -torch.stack([row.log_softmax(0)[y] for row, y in zip(logits, batch.query.y, strict=True)]).mean()
    loss = learner.objective(12)(learner, batch._replace(query=batch.query._replace(x=x)))
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(loss, F.cross_entropy(logits, batch.query.y))


def test_its_answers_are_those_of_its_reader(pool):
    learner = classifier(pool.shape, classes=12, width=4, normalization="group").eval()
    task = tasks.episodes(pool, 4, 2, 3)[0]
    net = learner.reader.embed
    alone = Neighbours(net, net.features, k=1, metric="cosine")
    assert torch.equal(learner(task.support, task.query.x, 4), alone(task.support, task.query.x, 4))


def test_it_says_that_it_reads_batches():
    assert classifier((1, 16, 16), classes=3, width=4).reads == "batches"


def test_a_batch_of_padding_only_is_not_counted():
    logits = torch.randn(4, 3)
    y = torch.tensor([1, -1, 2, -1])
    torch.testing.assert_close(cross_entropy(logits, y), cross_entropy(logits[::2], y[::2]))
