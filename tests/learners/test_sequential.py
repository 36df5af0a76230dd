"""What every learner that reads examples one after the other promises: labels come one step late."""

from __future__ import annotations

import pytest
import torch

from quickstudy import batching, tree
from quickstudy.core import Examples, TraceLoss
from quickstudy.learners import feedforward, lstm, mann
from quickstudy.tasks import sequences

MADE = {
    "lstm": lambda: lstm((1, 16, 16), way=3, hidden=6),
    "mann": lambda: mann((1, 16, 16), way=3, hidden=6, rows=8, width=4, heads=2),
    "feedforward": lambda: feedforward((1, 16, 16), way=3, hidden=6),
}
every = pytest.mark.parametrize("name", list(MADE))


@pytest.fixture
def streams(pool):
    return tree.map(
        lambda leaf: leaf.double() if leaf.is_floating_point() else leaf, sequences(pool, 3, 7).batch(range(4))
    )


def changed(stream, step):
    """The same stream with another label at this step."""
    y = stream.y.clone()
    y[step] = (y[step] + 1) % 3
    return Examples(stream.x, y)


@every
def test_a_label_is_read_with_the_next_example_and_never_before(name, streams):
    learner, stream = MADE[name]().double(), tree.index(streams, 0)
    with torch.no_grad():
        said, other = (learner.trace(one, 3) for one in (stream, changed(stream, 3)))
    assert torch.equal(said[:4], other[:4])
    assert not torch.equal(said[4], other[4])


@every
def test_asking_keeps_nothing(name, streams):
    learner, stream = MADE[name]().double(), tree.index(streams, 0)
    with torch.no_grad():
        state = learner.adapt(learner.init(3), stream)
        alone = learner.predict(state, stream.x[:1])
        beside = learner.predict(state, stream.x)
    torch.testing.assert_close(beside[:1], alone)


@every
def test_the_loss_is_that_of_every_step(name, streams):
    learner = MADE[name]().double()
    assert isinstance(learner.objective(3), TraceLoss)
    loss, _ = batching.gradients(learner, learner.objective(3), streams)
    with torch.no_grad():
        said = learner.trace_all(streams, 3).log_softmax(-1)
        alone = learner.objective(3)(learner, tree.index(streams, 0))
    losses = -said.gather(-1, streams.y[..., None])
    torch.testing.assert_close(loss, losses.mean())
    torch.testing.assert_close(alone, losses[0].mean())


@every
def test_streams_in_chunks_have_the_gradients_of_all(name, streams):
    learner = MADE[name]().double()
    whole, parts = (batching.gradients(learner, TraceLoss(3), streams, chunk=n) for n in (4, 3))
    for a, b in zip(whole[1], parts[1], strict=True):
        torch.testing.assert_close(a, b)


@every
def test_another_number_of_labels_is_refused(name):
    with pytest.raises(ValueError, match="give 3 labels and cannot start with 5; train it with as many"):
        MADE[name]().init(5)


def test_only_the_last_label_is_left_of_a_task_without_memory(streams):
    learner, stream = MADE["feedforward"]().double(), tree.index(streams, 0)
    with torch.no_grad():
        whole, last = (learner.adapt(learner.init(3), tree.index(stream, part)) for part in (slice(7), slice(6, 7)))
    assert torch.equal(whole.label, last.label)
    assert tree.leaves(whole.net) == []
