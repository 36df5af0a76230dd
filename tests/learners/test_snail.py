"""SNAIL answers the last step of a sequence, N · K + 1 steps long."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from quickstudy.core import Examples, one_hot
from quickstudy.learners import snail
from quickstudy.learners.snail import SNAIL, begin_as_matching
from quickstudy.nets.temporal import Snail


@pytest.fixture
def learner():
    return SNAIL(nn.Identity(), Snail(6 + 3, 7, filters=2), way=3).double()


def test_every_query_is_the_last_step_of_its_own_sequence(learner, make_task):
    task = make_task(way=3, shot=2, query=2, shape=(6,))
    labels = torch.cat([one_hot(task.support.y, 3).double(), torch.zeros(1, 3).double()])
    for x, said in zip(task.query.x, learner(task.support, task.query.x, 3), strict=True):
        steps = torch.cat([torch.cat([task.support.x, x[None]]), labels], 1)
        torch.testing.assert_close(said, learner.head(learner.net(steps)[-1]))


def test_the_trace_of_many_streams_is_the_fold_of_each(learner, make_task):
    tasks = [make_task(way=3, shot=2, shape=(6,), seed=seed).support for seed in range(3)]
    streams = Examples(*(torch.stack(leaves) for leaves in zip(*tasks, strict=True)))
    folds = [super(SNAIL, learner).trace(stream, 3) for stream in tasks]
    torch.testing.assert_close(learner.trace_all(streams, 3), torch.stack(folds))


def test_attention_is_what_the_answer_was_made_of(learner, make_task):
    task = make_task(way=3, shot=2, query=1, shape=(6,))
    state = learner.adapt(learner.init(3), task.support)
    found = learner.attention(state, task.query.x)
    assert [part.shape for part in found] == [(3, 7)] * 3
    for part in found:
        torch.testing.assert_close(part.sum(1), torch.ones(3).double())
    first = learner.net.layers[0]
    steps = torch.cat([task.query.x, torch.zeros(3, 3).double()], 1)
    q, k, _ = first.project(steps).split(first.sizes, -1)
    keys = torch.cat([state.past[0][0], k[:1]])
    torch.testing.assert_close(found[0][0], (q[0] @ keys.T / 2).softmax(0))


def test_another_way_is_refused():
    learner = snail((1, 16, 16), way=4, width=4, filters=2)
    with pytest.raises(ValueError, match=r"labels of 4 classes .* not 3; train it with way 3"):
        learner.init(3)


def test_the_convolutions_reach_over_the_support():
    assert len(snail((1, 16, 16), way=5, width=4, filters=2).net.layers) == 3 + 2 * 3
    assert len(snail((1, 16, 16), way=5, width=4, filters=2, length=26).net.layers) == 3 + 2 * 5


@pytest.mark.parametrize(("filters", "way"), [(8, 5), (4, 7)])  # as many values as classes, and fewer
def test_it_begins_as_a_matching_network(filters, way):
    learner = begin_as_matching(SNAIL(nn.Identity(), Snail(9 + way, way + 1, filters=filters), way=way))
    features = torch.linalg.qr(torch.randn(9, 9)).Q[:way] * 8
    for seed in range(5):
        order = torch.randperm(way, generator=torch.Generator().manual_seed(seed))
        state = learner.adapt(learner.init(way), Examples(features[order], torch.arange(way)))
        asked = features[order] + 0.1 * torch.randn(way, 9)
        right = learner.attention(state, asked)[0][:, :way].diagonal()
        assert bool((right > 0.9).all())  # and not on itself, which is most alike
        assert learner.predict(state, asked).argmax(1).tolist() == list(range(way))


def test_its_start_is_by_choice():
    options = {"way": 4, "width": 4, "filters": 2}
    starts = {start: snail((1, 16, 16), start=start, **options).net.layers[0] for start in ("matching", "random")}
    assert torch.equal(*(part[:3, :4] for part in starts["matching"].project.weight.split(4)[:2]))
    assert not torch.equal(*(part[:3, :4] for part in starts["random"].project.weight.split(4)[:2]))
    with pytest.raises(ValueError, match="got start 'prototypes'"):
        snail((1, 16, 16), start="prototypes", **options)
