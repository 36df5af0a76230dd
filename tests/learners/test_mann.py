from __future__ import annotations

import pytest
import torch

from quickstudy import tree
from quickstudy.core import Examples
from quickstudy.learners import mann
from quickstudy.tasks import sequences

SMALL = {"hidden": 6, "rows": 30, "width": 4, "heads": 2}


@pytest.fixture
def stream(pool):
    return sequences(pool, 3, 9)[0]


@pytest.mark.parametrize("controller", ["lstm", "feedforward"])
def test_what_is_looked_at_is_what_was_done(controller, stream):
    """The weights of a stream's accesses, applied again, give the memory that the stream leaves."""
    learner = mann((1, 16, 16), way=3, controller=controller, **SMALL)
    with torch.no_grad():
        done, state = learner.accesses(stream, 3), learner.adapt(learner.init(3), stream)
    assert done.read.shape == done.write.shape == (9, 2, 30)
    torch.testing.assert_close(done.usage[-1], state.net.access.usage)
    torch.testing.assert_close(done.read[-1], state.net.access.weights)
    usage = torch.zeros(30)
    for read, write, after in zip(*done, strict=True):
        usage = 0.95 * usage + (read + write).sum(0)
        torch.testing.assert_close(usage, after)


def test_what_was_found_is_in_the_output(stream):
    learner = mann((1, 16, 16), way=3, **SMALL)
    state = learner.adapt(learner.init(3), stream)
    access = state.net.access
    torch.testing.assert_close(state.net.found.view(2, 4), access.weights @ access.memory)


def test_keys_are_looked_for_sharply_before_any_training(stream):
    """From flat readings a memory is learned late or never."""
    learner = mann((1, 16, 16), way=3, **SMALL)
    with torch.no_grad():
        done = learner.accesses(stream, 3)
    assert float(done.read[2:].amax(-1).mean()) > 5 / 30


def test_a_picture_is_found_with_its_label_before_any_training():
    """Half of the heads write the step before, with its label; the others look among what those wrote, be it a step
    or more ago."""
    pictures, order = (torch.rand(5, 1, 20, 20) < 0.15).float(), [0, 1, 2, 3, 4, 1, 1]
    learner = mann((1, 20, 20), way=5)
    with torch.no_grad():
        done = learner.accesses(Examples(pictures[order], torch.tensor(order)), 5)
    written = done.write[1:, 2:].argmax(-1).T  # (2, 6) rows of the examples 0 to 5
    for step in (5, 6):
        found = done.read[step, :2].gather(1, written[:, :step])
        again = torch.tensor(order[:step]) == 1
        assert bool((found[:, again] > 10 * found[:, ~again].amax(1, keepdim=True)).all())
    assert float(done.write.amax(-1).mean()) > 0.8  # in rows of their own
    assert not bool(learner.cell.found.weight.any())  # and nothing that is found blurs the keys


@pytest.mark.parametrize(("heads", "hidden", "each"), [(1, 6, 1), (3, 7, 2), (2, 1, 1)])
def test_heads_and_units_need_not_be_even(heads, hidden, each, stream):
    learner = mann((1, 16, 16), way=3, hidden=hidden, rows=30, width=4, heads=heads)
    keys = learner.cell.head.weight[: heads * 4].view(heads, 4, hidden)
    half = hidden // 2
    assert bool((keys[:each, :, :half] == keys[-each:, :, half : 2 * half]).all())
    assert learner.trace(stream, 3).shape == (9, 3)


def test_no_other_controller():
    with pytest.raises(ValueError, match="no controller is called 'gru'; choose lstm or feedforward"):
        mann((1, 16, 16), way=3, controller="gru")


def test_a_controller_without_memory_of_its_own_has_no_state_but_the_memory():
    learner = mann((1, 16, 16), way=3, controller="feedforward", **SMALL)
    names = [name for name, _ in tree.items(learner.init(3))]
    assert names == ["net.access.memory", "net.access.weights", "net.access.usage", "net.found", "label"]
