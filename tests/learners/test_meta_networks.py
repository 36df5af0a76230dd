"""Meta Networks, by the equations of the paper."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from quickstudy.learners import meta_networks
from quickstudy.learners.meta_networks import MetaNetworks
from quickstudy.rules.coordinatewise import log_and_sign


@pytest.fixture
def learner():
    return MetaNetworks(nn.Identity(), nn.Identity(), 6, way=3, hidden=5, size=4).double()


def slopes(layers, x, y, count):
    """Of one example, by autograd."""
    weights = [weight.detach().requires_grad_() for weight in layers.slow]
    h = F.relu(F.linear(x, weights[0][:, :-1], weights[0][:, -1]))
    loss = F.cross_entropy(F.linear(h, weights[1][:, :-1], weights[1][:, -1])[None], y[None])
    return torch.autograd.grad(loss, weights)[:count]


def centred(part, like):
    return (part - part.mean()).view_as(like)


def augmented(slow, fast, x):
    return F.linear(x, slow[:, :-1], slow[:, -1]), F.linear(x, fast[:, :-1], fast[:, -1])


def preprocessed(slopes):
    return torch.cat(log_and_sign(slopes.reshape(-1, 1), 7.0), dim=1)


def by_hand(learner, task):
    """One example, one query, one coordinate after the other."""
    d, carry, memory = learner.d, None, []
    for x, y in zip(*task.support, strict=True):
        seen = preprocessed(slopes(learner.u, x, y, 1)[0])
        carry = d(seen, carry or d.start(seen))
        made = (learner.m(preprocessed(part)) for part in slopes(learner.b, x, y, 2))
        memory.append([centred(part, like) for part, like in zip(made, learner.b.slow, strict=True)])
    task_weights = centred(learner.d_out(carry[0]), learner.u.slow[0])

    def represented(x):
        return sum(part.relu() for part in augmented(learner.u.slow[0], task_weights, x))

    said = []
    for x in task.query.x:
        cosines = torch.stack([F.cosine_similarity(represented(x), represented(k), dim=0) for k in task.support.x])
        attention = (learner.log_scale.exp() * cosines).softmax(0)
        hidden, last = (sum(a * parts[i] for a, parts in zip(attention, memory, strict=True)) for i in range(2))
        h = sum(part.relu() for part in augmented(learner.b.slow[0], hidden, x))
        said.append(sum(augmented(learner.b.slow[1], last, h)))
    return torch.stack(said)


def test_equals_the_equations_of_the_paper(learner, make_task):
    task = make_task(way=3, shot=2, query=2, shape=(6,))
    torch.testing.assert_close(learner(task.support, task.query.x, 3), by_hand(learner, task))


def test_what_the_gradients_make_differs_from_task_to_task(learner, make_task):
    query = make_task(way=3, shot=2, query=2, shape=(6,)).query.x
    first, second = (learner(make_task(way=3, shot=2, shape=(6,), seed=seed).support, query, 3) for seed in (1, 2))
    assert (first - second).abs().max() > 1e-3


def test_attention_is_over_the_support(learner, make_task):
    task = make_task(way=3, shot=2, query=2, shape=(6,))
    weights = learner.attention(learner.adapt(learner.init(3), task.support), task.query.x)
    assert weights.shape == (6, 6)
    torch.testing.assert_close(weights.sum(1), torch.ones(6).double())


def test_another_way_is_refused():
    with pytest.raises(ValueError, match="each of 4 classes and cannot start with 3"):
        meta_networks((1, 16, 16), way=4, width=4).init(3)


def test_sizes_are_those_of_the_paper():
    learner = meta_networks((1, 28, 28), way=5)
    assert (learner.d.hidden, learner.m[0].out_features, learner.m[2].out_features) == (20, 20, 20)
    assert [tuple(weight.shape) for weight in learner.b.slow] == [(64, 65), (5, 65)]
