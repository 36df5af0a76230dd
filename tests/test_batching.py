from __future__ import annotations

import threading

import pytest
import torch
from torch import nn

from quickstudy import batching, tasks, tree
from quickstudy.core import Task, TraceLoss
from quickstudy.learners import lstm, prototypes


@pytest.fixture
def learner():
    return prototypes((1, 16, 16), width=4, normalization="batch").double()


@pytest.fixture
def items(pool) -> Task:
    drawn = tasks.episodes(pool, 3, 2, 3).batch(range(6))
    return tree.map(lambda leaf: leaf.double() if leaf.is_floating_point() else leaf, drawn)


def by_hand(learner, items):
    losses = [learner.objective(3)(learner, tree.index(items, i)) for i in range(6)]
    mean = sum(losses) / 6
    return mean, torch.autograd.grad(mean, list(learner.parameters()))


@pytest.mark.parametrize("chunk", [1, 2, 4, 5, 6, 99, None])
def test_any_chunk_gives_the_same_gradients(chunk, learner, items):
    loss, grads = batching.gradients(learner, learner.objective(3), items, chunk=chunk)
    expected, theirs = by_hand(learner, items)
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-12, atol=0)
    scale = max(float(grad.abs().max()) for grad in theirs)
    for a, b in zip(grads, theirs, strict=True):
        assert float((a - b).abs().max()) < 1e-10 * scale


def test_nothing_is_left_on_the_module(learner, items):
    loss, _ = batching.gradients(learner, learner.objective(3), items)
    assert all(weight.grad is None for weight in learner.parameters())
    assert not loss.requires_grad


def test_frozen_weights_have_no_gradient_and_unused_ones_zeros(items):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle, self.frozen = (nn.Parameter(torch.ones(2)) for _ in range(3))
            self.frozen.requires_grad_(False)

    module = Two()
    assert batching.trainable(module) == [module.used, module.idle]
    numbers = torch.tensor([1.0, 2.0, 6.0])
    loss, grads = batching.gradients(module, lambda m, item: (item * m.used * m.frozen).sum(), numbers)
    assert float(loss) == 6
    assert [grad.tolist() for grad in grads] == [[3, 3], [0, 0]]


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 9, None])
def test_over_tasks_stacks_what_each_task_gives(chunk):
    items = {"a": torch.arange(10.0).view(5, 2), "b": (torch.arange(5),)}
    got = batching.over_tasks(lambda item: (item["a"].sum(), {"both": item["a"] * item["b"][0]}), items, chunk=chunk)
    assert torch.equal(got[0], items["a"].sum(1))
    assert torch.equal(got[1]["both"], items["a"] * torch.arange(5)[:, None])


def test_chunks_cover_the_batch_in_order():
    items = (torch.arange(7), torch.arange(7) * 2)
    parts = list(batching.chunks(items, 3))
    assert [tree.size(part) for part in parts] == [3, 3, 1]
    assert torch.equal(tree.cat(parts)[1], items[1])


def test_large_tasks_go_alone_and_small_ones_together():
    each = batching.FOOTPRINT["cpu"]
    assert [len(part) for part in batching.chunks(torch.zeros(4, each))] == [1] * 4
    assert [len(part) for part in batching.chunks(torch.zeros(4, 10 * each))] == [1] * 4
    assert [len(part) for part in batching.chunks(torch.zeros(4, each // 2))] == [2, 2]
    assert [len(part) for part in batching.chunks(torch.zeros(4, 3))] == [4]


class Kept:
    """Counts the bytes that graphs hold: now and at most."""

    def __init__(self):
        self.now = self.most = 0

    def pack(self, tensor):
        return _Held(tensor, self)


class _Held:
    def __init__(self, tensor, kept):
        self.tensor, self.kept, self.bytes = tensor, kept, tensor.numel() * tensor.element_size()
        kept.now += self.bytes
        kept.most = max(kept.most, kept.now)

    def __del__(self):
        self.kept.now -= self.bytes


def most_kept(learner, items, chunk) -> int:
    kept = Kept()
    with torch.autograd.graph.saved_tensors_hooks(kept.pack, lambda held: held.tensor):
        batching.gradients(learner, learner.objective(3), items, chunk=chunk)
    assert kept.now == 0
    return kept.most


@pytest.mark.parametrize("chunk", [1, 2])
def test_memory_is_that_of_one_chunk(chunk, learner, items):
    one = most_kept(learner, tree.index(items, slice(0, chunk)), chunk)
    assert one > 100_000
    assert most_kept(learner, items, chunk) == one


def test_threads_that_share_a_module_get_the_gradients_of_one(learner, items):
    halves = [tree.index(items, slice(0, 3)), tree.index(items, slice(3, 6))]
    for chunk in (1, 3):
        serial = [batching.gradients(learner, learner.objective(3), half, chunk=chunk) for half in halves]
        got, errors, start = {}, [], threading.Barrier(2)

        def work(which, chunk=chunk, got=got, errors=errors, start=start):
            try:
                start.wait()
                for turn in range(5):
                    got[which, turn] = batching.gradients(learner, learner.objective(3), halves[which], chunk=chunk)
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(which,)) for which in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors
        for (which, _), (loss, grads) in got.items():
            assert torch.equal(loss, serial[which][0])
            assert all(map(torch.equal, grads, serial[which][1]))


def test_each_task_of_a_mapped_group_draws_its_own_random_numbers():
    drawn = batching.over_tasks(lambda item: item + torch.rand(()), torch.zeros(4), chunk=4)
    assert len(drawn.unique()) == 4


def test_streams_share_a_call_where_a_step_costs_little(pool, monkeypatch):
    """However large their pictures are; and the gradients are those of one at a time."""
    learner, streams = lstm(pool.shape, way=3, hidden=4).double(), tasks.sequences(pool, 3, 4).batch(range(5))
    streams = tree.map(lambda leaf: leaf.double() if leaf.is_floating_point() else leaf, streams)
    single = batching.gradients(learner, TraceLoss(3), streams, chunk=1)
    sizes, trace_all = [], type(learner).trace_all
    monkeypatch.setattr(batching, "FOOTPRINT", {"cpu": 1})
    monkeypatch.setattr(
        type(learner), "trace_all", lambda self, some, way: (sizes.append(len(some.x)), trace_all(self, some, way))[1]
    )
    together = batching.gradients(learner, TraceLoss(3), streams)
    assert sizes == [5]
    for a, b in zip(single[1], together[1], strict=True):
        torch.testing.assert_close(a, b)


def test_batches_without_a_support_are_chunked_by_what_they_hold(monkeypatch, pool):
    monkeypatch.setitem(batching.FOOTPRINT, "cpu", 2 * 9 * 16 * 16)
    several = tasks.batches(pool, 8).batch(range(5))
    assert [tree.size(part) for part in batching.chunks(several)] == [2, 2, 1]
