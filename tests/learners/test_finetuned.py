from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from quickstudy import batching, learners, tasks, tree
from quickstudy.checks.tools import cast
from quickstudy.learners.finetuned import FineTuned, fine_tuned
from quickstudy.learners.matching import FullContext, Matching
from quickstudy.learners.neighbours import Neighbours
from quickstudy.nets.mlp import mlp
from quickstudy.rules import sgd


def tuned(net, features, support, steps, rate):
    """A copy of the net after training it under a new linear layer, which starts at zero."""
    model = nn.Sequential(copy.deepcopy(net), nn.Linear(features, 3).double())
    for weight in model[1].parameters():
        nn.init.zeros_(weight)
    descent = torch.optim.SGD(model.parameters(), lr=rate)
    for _ in range(steps):
        descent.zero_grad()
        F.cross_entropy(model(support.x), support.y).backward()
        descent.step()
    return model[0]


@pytest.mark.parametrize(
    "make",
    [
        lambda net: Neighbours(net, 5, k=2),
        lambda net: Matching(net, 5),
        lambda net: Matching(net, 5, context=FullContext(5, steps=2)),
    ],
)
def test_it_is_the_reader_on_a_net_that_was_trained_on_the_support(make, make_task):
    net, task = mlp((4,), widths=(6, 5)).double(), make_task(shape=(4,))
    reader = make(net).double()
    learner = FineTuned(reader, sgd(0.5), steps=4)
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    said = learner(task.support, task.query.x, 3)
    several = tree.map(lambda leaf: torch.stack([leaf, leaf]), task)
    both = learner.predict_all(learner.adapt_all(several.support, 3), several.query.x)
    assert all(torch.equal(value, before[name]) for name, value in learner.state_dict().items())
    untuned = reader(task.support, task.query.x, 3)
    reader.embed = tuned(net, 5, task.support, 4, 0.5)
    expected = reader(task.support, task.query.x, 3)
    torch.testing.assert_close(said, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(both[1], expected, rtol=1e-9, atol=1e-9)
    if isinstance(reader, Matching):
        assert not torch.allclose(expected, untuned)


def test_meta_training_is_that_of_the_reader(pool):
    options = {"width": 4, "normalization": "batch"}
    plain, learner = (learners.matching(pool.shape, **options, **more) for more in ({}, {"finetune_steps": 3}))
    learner.reader.load_state_dict(plain.state_dict())
    items = cast(tasks.episodes(pool, 3, 2, 3).batch(range(3)))
    for one in (plain, learner):
        one.double()
    (a, grads), (b, others) = (batching.gradients(one, one.objective(3), items) for one in (plain, learner))
    torch.testing.assert_close(a, b)
    assert all(torch.allclose(g, other) for g, other in zip(grads, others, strict=True))


def test_the_embedding_is_held_once(pool):
    learner = learners.matching(pool.shape, width=4, finetune_steps=2)
    assert {name.split(".")[0] for name in learner.state_dict()} == {"reader"}


def test_no_steps_leave_the_reader_as_it_is():
    reader = Neighbours(nn.Flatten(), 4)
    assert fine_tuned(reader, 0, 0.1) is reader


def test_a_net_without_weights_cannot_be_fine_tuned_and_says_so(make_task):
    """The softmax layer alone would learn, and nothing would come of it."""
    with pytest.raises(ValueError, match="no weights to fine-tune"):
        fine_tuned(Neighbours(nn.Flatten(), 4), 3, 0.1)
    with pytest.raises(ValueError, match="at least 1"):
        FineTuned(Neighbours(mlp((4,)), 40), sgd(0.1), steps=0)


@pytest.mark.parametrize("name", ["matching", "prototypes", "siamese"])
def test_statistics_of_the_support_need_a_state_that_holds_them(name):
    with pytest.raises(ValueError, match='"support" is for learners whose state holds'):
        getattr(learners, name)((1, 16, 16), width=4, normalization="support")
