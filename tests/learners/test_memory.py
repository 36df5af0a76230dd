"""Memories: who stays, and what is drawn."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from quickstudy.core import Examples
from quickstudy.learners.memory import Exact, Noise, Present, compact, joined


def data(labels, *, first=0):
    y = torch.tensor(labels)
    return Examples((torch.arange(len(y)) + first).float()[:, None] / 255, y)


def filled(memory, parts, seed=0):
    rng, state = torch.Generator().manual_seed(seed), memory.init(5)
    for number, part in enumerate(parts, 1):
        state = memory.add(state, part, number, rng)
    return state


@given(
    sizes=st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=30), min_size=1, max_size=4),
    capacity=st.integers(1, 40),
)
def test_a_balanced_memory_is_as_even_as_the_data_let_it(sizes, capacity):
    state = filled(Exact(capacity=capacity), [data(labels) for labels in sizes])
    there = torch.bincount(torch.tensor([label for labels in sizes for label in labels]), minlength=5)
    kept = torch.bincount(state.y, minlength=5)
    assert int(kept.sum()) == min(capacity, int(there.sum()))
    level = int(kept.max())
    assert all(k == t or k >= level - 1 for k, t in zip(kept.tolist(), there.tolist(), strict=True))


def test_a_reservoir_keeps_everything_equally_likely():
    parts = [data([0] * 20), data([1] * 20, first=20), data([2] * 10, first=40)]
    count = torch.zeros(50)
    for seed in range(600):
        state = filled(Exact(capacity=10, policy="reservoir"), parts, seed)
        count[state.x[:, 0].long()] += 1
    assert count.sum() == 6000
    expected, spread = 120, (600 * 0.2 * 0.8) ** 0.5
    assert (count - expected).abs().max() < 4.5 * spread


def test_what_stays_was_there_with_its_label():
    state = filled(Exact(capacity=7), [data([0, 1, 0, 1, 0, 1]), data([2, 3, 2, 3], first=6)])
    labels = torch.tensor([0, 1, 0, 1, 0, 1, 2, 3, 2, 3])
    assert torch.equal(labels[state.x[:, 0].long()], state.y)
    assert len(set(state.x[:, 0].tolist())) == 7


def test_a_budget_is_in_bytes():
    part = Examples(torch.rand(50, 3, 4).mul(255).round() / 255, torch.arange(50) % 5)
    with pytest.raises(ValueError, match="a budget of 10 bytes holds no example of"):
        filled(Exact(budget=10), [part])
    state = filled(Exact(budget=500), [part])
    assert state.x.dtype == torch.uint8
    used = sum(leaf.numel() * leaf.element_size() for leaf in state)
    assert 500 - 28 < used <= 500


def test_bytes_come_back_as_the_numbers_they_were():
    x = torch.arange(256).float()[:, None] / 255
    memory = Exact(capacity=300)
    state = filled(memory, [Examples(x, torch.zeros(256, dtype=torch.int64))])
    drawn = memory.draw(state, 2000, Examples(x), torch.Generator().manual_seed(0))
    assert set(drawn.x[:, 0].tolist()) <= set(x[:, 0].tolist())
    assert len(set(drawn.x[:, 0].tolist())) > 250


def test_numbers_that_are_no_bytes_stay_as_they_are():
    part = Examples(torch.randn(4, 2), torch.tensor([0, 1, -1, 1]))
    kept = compact(part)
    assert torch.equal(kept.x, part.x[[0, 1, 3]])
    both = joined(compact(data([0, 1])), compact(Examples(torch.randn(2, 1), torch.tensor([2, 3]))))
    torch.testing.assert_close(both.x[:2, 0], torch.tensor([0.0, 1 / 255]))
    assert both.y.tolist() == [0, 1, 2, 3]


def test_noise_is_uniform_and_the_present_is_the_batch():
    batch, rng = Examples(torch.rand(4, 1, 3, 3), torch.arange(4)), torch.Generator().manual_seed(0)
    drawn = Noise().draw(Noise().init(5), 2000, batch, rng)
    assert drawn.x.shape == (2000, 1, 3, 3)
    assert abs(float(drawn.x.mean()) - 0.5) < 0.01
    assert abs(float(drawn.x.var()) - 1 / 12) < 0.01
    assert drawn.y == ()
    assert torch.equal(Present().draw(Present().init(5), 4, batch, rng).x, batch.x)


@pytest.mark.parametrize("options", [{}, {"capacity": 3, "budget": 3}, {"capacity": 0}])
def test_one_capacity_is_needed(options):
    with pytest.raises(ValueError, match="capacity in examples or a budget"):
        Exact(**options)
