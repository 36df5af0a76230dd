from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from quickstudy.nets import memory
from quickstudy.nets.memory import LeastRecentlyUsed

T = torch.float64


def looped(access, steps):
    """The equations of Santoro et al. (2016), number by number, on lists."""
    rows, width, heads = access.rows, access.width, access.heads
    held = [[0.0] * width for _ in range(rows)]
    last = [[0.0] * rows for _ in range(heads)]
    usage, reads = [0.0] * rows, []
    for keys, strength, gate in steps:
        order = sorted(range(rows), key=lambda row: (usage[row], row))
        to = [[gate[h] * last[h][row] + (1 - gate[h]) * (row == order[h]) for row in range(rows)] for h in range(heads)]
        for row in order[:heads]:
            held[row] = [0.0] * width
        held = [
            [held[row][j] + sum(to[h][row] * keys[h][j] for h in range(heads)) for j in range(width)]
            for row in range(rows)
        ]
        seen = [[[0.0] * width if row == order[h] else held[row] for row in range(rows)] for h in range(heads)]
        last = [weights(seen[h], keys[h], strength[h]) for h in range(heads)]
        used = [sum(last[h][row] + to[h][row] for h in range(heads)) for row in range(rows)]
        usage = [access.gamma * before + now for before, now in zip(usage, used, strict=True)]
        reads.append(
            [[sum(last[h][row] * held[row][j] for row in range(rows)) for j in range(width)] for h in range(heads)]
        )
    return torch.tensor(reads, dtype=T), torch.tensor(held, dtype=T), torch.tensor(usage, dtype=T)


def weights(held, key, strength):
    cosines = [
        torch.nn.functional.cosine_similarity(torch.tensor(key, dtype=T), torch.tensor(row, dtype=T), dim=0)
        for row in held
    ]
    return torch.softmax(strength * torch.stack(cosines), 0).tolist()


def inputs(steps, heads, width, *axes):
    keys = torch.randn(steps, *axes, heads, width, dtype=T)
    return keys, torch.rand(steps, *axes, heads, dtype=T) * 5, torch.rand(steps, *axes, heads, dtype=T)


def run(access, keys, strength, gate):
    state, reads, done = access.start(keys.new_zeros(*keys.shape[1:-2], 1)), [], []
    for step in zip(keys, strength, gate, strict=True):
        read, state, one = access(state, *step)
        reads.append(read)
        done.append(one)
    return torch.stack(reads), state, done


def test_an_access_equals_the_equations_number_by_number():
    access = LeastRecentlyUsed(6, 3, 2, gamma=0.9)
    steps = inputs(9, 2, 3)
    reads, state, _ = run(access, *steps)
    expected = looped(access, zip(*(part.tolist() for part in steps), strict=True))
    for got, wanted in zip((reads, state.memory, state.usage), expected, strict=True):
        torch.testing.assert_close(got, wanted)


def test_tasks_as_an_axis_of_its_own_or_mapped_or_one_by_one():
    access = LeastRecentlyUsed(6, 3, 2, gamma=0.9)
    steps = inputs(7, 2, 3, 4)
    whole = run(access, *steps)[0]
    single = torch.stack([run(access, *(part[:, i] for part in steps))[0] for i in range(4)], 1)
    mapped = torch.vmap(lambda *parts: run(access, *parts)[0], in_dims=1, out_dims=1)(*steps)
    torch.testing.assert_close(whole, single)
    torch.testing.assert_close(mapped, single)


@given(rows=st.integers(2, 9), heads=st.integers(1, 2), seed=st.integers(0, 1000))
def test_weights_are_shares(rows, heads, seed):
    torch.manual_seed(seed)
    access = LeastRecentlyUsed(rows, 3, heads, gamma=0.95)
    _, state, done = run(access, *inputs(12, heads, 3))
    for i, one in enumerate(done):
        torch.testing.assert_close(one.read.sum(-1), torch.ones(heads, dtype=T))
        assert bool((one.read >= 0).all() and (one.write >= 0).all() and (one.usage >= 0).all())
        if i:
            torch.testing.assert_close(one.write.sum(-1), torch.ones(heads, dtype=T))
    assert bool(state.memory.isfinite().all())


def test_what_was_written_is_found_by_its_key():
    held = memory.write(torch.zeros(5, 8, dtype=T), torch.eye(5, dtype=T)[:3], torch.randn(3, 8, dtype=T))
    found = memory.address(held, held[:3], torch.full((3,), 200.0, dtype=T))
    torch.testing.assert_close(found, torch.eye(5, dtype=T)[:3], atol=1e-8, rtol=0)
    torch.testing.assert_close(memory.read(held, found), held[:3])


def test_a_head_does_not_find_what_it_has_just_written_but_another_does():
    access = LeastRecentlyUsed(6, 3, 2, gamma=0.9)
    keys, strength, gate = torch.randn(1, 3, dtype=T).expand(2, 3), torch.full((2,), 200.0), torch.zeros(2)
    done = access(access.start(keys[:, 0]), keys, strength.to(T), gate.to(T))[2]
    assert done.write.argmax(-1).tolist() == [0, 1]
    assert done.read.argmax(-1).tolist() == [1, 0]


def test_addressing_is_a_softmax_of_cosines():
    held, keys, strength = torch.randn(2, 5, 4, dtype=T), torch.randn(2, 3, 4, dtype=T), torch.rand(2, 3, dtype=T) * 9
    cosines = torch.nn.functional.cosine_similarity(keys[:, :, None], held[:, None], dim=-1)
    torch.testing.assert_close(memory.address(held, keys, strength), torch.softmax(strength[..., None] * cosines, -1))


def test_an_empty_memory_is_looked_through_evenly_with_finite_gradients():
    held, keys = torch.zeros(4, 3, dtype=T, requires_grad=True), torch.zeros(1, 3, dtype=T, requires_grad=True)
    found = memory.address(held, keys, torch.ones(1, dtype=T))
    torch.testing.assert_close(found, torch.full((1, 4), 0.25, dtype=T))
    grads = torch.autograd.grad((found * torch.arange(4)).sum(), (held, keys))
    assert all(bool(grad.isfinite().all()) for grad in grads)


def test_erasing_takes_each_head_s_share():
    held = torch.ones(4, 2, dtype=T)
    left = memory.erase(held, torch.tensor([[1.0, 0.5, 0.0, 0.0], [0.0, 0.5, 0.25, 0.0]], dtype=T))
    assert left[:, 0].tolist() == [0.0, 0.25, 0.75, 1.0]
    assert bool((held == 1).all())


def test_the_least_used_rows_one_for_each_head_and_of_equal_ones_the_first():
    usage = torch.tensor([[3.0, 1.0, 2.0, 1.0], [0.0, 0.0, 0.0, 0.0]], dtype=T)
    assert memory.least_used(usage, 2).argmax(-1).tolist() == [[1, 3], [0, 1]]
    assert memory.least_used(usage, 3).sum((-2, -1)).tolist() == [3, 3]


@pytest.mark.parametrize("gate", [0.0, 1.0])
def test_the_gate_chooses_between_a_free_row_and_the_last_one_read(gate):
    access = LeastRecentlyUsed(5, 4, 1, gamma=0.9)
    keys, strength, _ = inputs(3, 1, 4)
    _, _, done = run(access, keys, strength, torch.full((3, 1), gate, dtype=T))
    for before, after in itertools.pairwise(done):
        free = memory.least_used(before.usage, 1)
        torch.testing.assert_close(after.write, before.read if gate else free)


def test_a_free_row_is_emptied_before_it_is_written():
    access = LeastRecentlyUsed(2, 3, 1, gamma=0.5)
    keys, strength, gate = inputs(6, 1, 3)
    state = access.start(keys.new_zeros(1))
    for key, strong, shut in zip(keys, strength, torch.zeros_like(gate), strict=True):
        row = int(state.usage.argmin())
        _, state, _ = access(state, key, strong, shut)
        torch.testing.assert_close(state.memory[row], key[0])


@pytest.mark.parametrize(
    ("asked", "says"),
    [((1, 3, 2, 0.9), "at least one row a head, got 1 rows and 2"), ((4, 3, 2, 1.5), "from 0 to 1; got 1.5")],
)
def test_what_cannot_be_a_memory_is_refused(asked, says):
    *sizes, gamma = asked
    with pytest.raises(ValueError, match=says):
        LeastRecentlyUsed(*sizes, gamma=gamma)
