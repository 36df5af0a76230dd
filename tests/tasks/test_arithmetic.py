"""Operators on digits: different ones, some of them held out, and examples that follow them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from quickstudy.checks.tasks import check_disjoint, check_numbering
from quickstudy.tasks import arithmetic
from quickstudy.tasks.arithmetic import operators, split


@pytest.mark.parametrize("held_out", [False, True])
def test_tasks_are_functions_of_their_number(held_out):
    tasks, again = (arithmetic(6, 4, held_out=held_out) for _ in range(2))

    check_numbering(tasks, again, range(5))
    check_disjoint(tasks.batch(range(5)))


def test_operators_are_all_different_and_mean_what_they_say():
    tables = operators()
    assert len({table.tobytes() for table in tables.values()}) == len(tables) > 100
    assert tables["x - y, 2 z"][3, 8] == (2 * (3 - 8)) % 10
    assert tables["max, z²"][3, 8] == 64 % 10
    assert all(((table >= 0) & (table < 10)).all() for table in tables.values())


def test_held_out_operators_are_made_of_parts_that_training_meets():
    met, held = split()
    assert set(met) | set(held) == set(operators())
    assert not set(met) & set(held)
    assert 0.15 < len(held) / len(operators()) < 0.25
    for i in range(2):
        parts = [{name.split(", ")[i] for name in names} for names in (met, held)]
        assert parts[1] <= parts[0]


@pytest.mark.parametrize("held_out", [False, True])
def test_answers_are_those_of_the_operator(held_out):
    tasks = arithmetic(6, 4, held_out=held_out, seed=3)
    tables, (which, pairs) = operators(), tasks.drawn(range(40))
    items = tasks.batch(range(40))
    x, y = torch.cat([items.support.x, items.query.x], 1), torch.cat([items.support.y, items.query.y], 1)
    assert set(tasks.names) <= set(split()[held_out])
    for t in range(40):
        table = tables[tasks.names[which[t]]]
        digits = x[t].view(-1, 2, 10).argmax(-1).numpy()
        assert np.array_equal(digits[:, 0] * 10 + digits[:, 1], pairs[t])
        assert np.array_equal(table[digits[:, 0], digits[:, 1]], y[t].numpy())
    assert bool((x.sum(-1) == 2).all())


def test_all_operators_are_drawn():
    tasks = arithmetic(1, 1, held_out=True)
    counts = np.bincount(tasks.drawn(range(2000))[0], minlength=len(tasks.names))
    assert counts.min() > 0.5 * 2000 / len(tasks.names)


def test_a_digest_says_which_tasks():
    every = [arithmetic(3, 4), arithmetic(3, 5), arithmetic(3, 4, held_out=True), arithmetic(3, 4, seed=1)]
    assert len({tasks.sha256 for tasks in every}) == 4


@pytest.mark.parametrize("counts", [(0, 1), (1, 0), (60, 41)])
def test_what_cannot_be_drawn_is_refused(counts):
    with pytest.raises(ValueError, match="100 pairs"):
        arithmetic(*counts)
