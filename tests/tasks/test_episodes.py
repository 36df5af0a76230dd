from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from quickstudy import checks
from quickstudy.tasks import Episodes, episodes


@pytest.mark.parametrize(("way", "shot", "query"), [(3, 2, 3), (12, 1, 1), (2, 5, 5)])
def test_battery(way, shot, query, pool):
    first, second = (episodes(pool, way, shot, query, seed=7) for _ in range(2))
    checks.check_tasks(first, again=second)


def test_battery_with_classes_of_different_sizes(uneven):
    checks.check_tasks(episodes(uneven, 4, 1, 3))


def test_shapes_and_range(pool):
    task = episodes(pool, 3, 2, 4)[0]
    assert (task.support.x.shape, task.support.y.shape) == ((6, 1, 16, 16), (6,))
    assert (task.query.x.shape, task.query.y.shape) == ((12, 1, 16, 16), (12,))
    assert task.support.x.dtype == torch.float32
    assert task.support.y.dtype == torch.int64
    assert 0 <= float(task.query.x.min()) < 0.1
    assert 0.9 < float(task.query.x.max()) <= 1


def test_pictures_are_those_of_the_pool(uneven):
    tasks = episodes(uneven, 3, 1, 2)
    rows, labels = tasks.rows(range(4))
    items = tasks.batch(range(4))
    for t in range(4):
        x, y = torch.cat([items.support.x[t], items.query.x[t]]), torch.cat([items.support.y[t], items.query.y[t]])
        assert torch.equal(x, uneven.images[rows[t]].float() / 255)
        assert y.tolist() == labels[t].tolist()
        assert uneven.labels[rows[t]].tolist() == tasks.classes(t)[labels[t]].tolist()


@given(data=st.data())
def test_any_task_of_any_pool_is_sound(data, make_pool):
    sizes = data.draw(st.lists(st.integers(2, 9), min_size=1, max_size=6))
    shot = data.draw(st.integers(1, min(sizes) - 1))
    query = data.draw(st.integers(1, min(sizes) - shot))
    way = data.draw(st.integers(1, len(sizes)))
    pool = make_pool(sizes, shape=(1, 1, 1))
    tasks = episodes(pool, way, shot, query, seed=data.draw(st.integers(0, 2**60)))
    index = data.draw(st.integers(0, 2**62))
    rows, labels = (part[0] for part in tasks.rows([index]))
    assert len(set(rows.tolist())) == way * (shot + query)
    for part, each in ((labels[: way * shot], shot), (labels[way * shot :], query)):
        assert Counter(part.tolist()) == dict.fromkeys(range(way), each)
    classes = tasks.classes(index)
    assert len(set(classes.tolist())) == way
    assert pool.labels[rows].tolist() == classes[labels].tolist()


def shares(counts) -> float:
    """The p-value of "all alike"; under 1e-6 by chance once in a million seeds."""
    return chisquare(list(counts)).pvalue


def test_every_class_and_every_picture_is_drawn_as_often(uneven):
    tasks, count = episodes(uneven, 3, 1, 2, seed=3), 3000
    rows, labels = tasks.rows(range(count))
    classes = uneven.labels.numpy()[rows]
    assert shares(np.bincount(classes[labels == 0], minlength=6)) > 1e-6
    for c in range(6):
        start, end = uneven.starts[c : c + 2].tolist()
        drawn = rows[classes == c]
        assert shares(np.bincount(drawn - start, minlength=end - start)) > 1e-6
        asked = rows[:, 3:][classes[:, 3:] == c]
        assert shares(np.bincount(asked - start, minlength=end - start)) > 1e-6


def test_every_place_gets_every_label_as_often(pool):
    _, labels = episodes(pool, 3, 1, 2).rows(range(3000))
    for place in labels.T:
        assert shares(np.bincount(place, minlength=3)) > 1e-6


def test_seeds_give_other_tasks(pool):
    rows = [episodes(pool, 3, 1, 2, seed=seed).rows(range(5))[0].tolist() for seed in range(3)]
    assert rows[0] != rows[1] != rows[2] != rows[0]


def test_the_global_generators_play_no_part(pool):
    tasks = episodes(pool, 3, 1, 2)
    torch.manual_seed(1)
    np.random.seed(1)
    rows, state = tasks.rows([4])[0], torch.get_rng_state()
    torch.manual_seed(2)
    np.random.seed(2)
    assert (tasks.rows([4])[0] == rows).all()
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


def test_tasks_are_the_same_on_every_machine(pool):
    """Should these rows change, so have all numbered tasks, and the figures under results/ are of others."""
    tasks = episodes(pool, 3, 1, 1, seed=5)
    rows, labels = tasks.rows([0])
    assert tasks.classes(0).tolist() == [1, 8, 11]
    assert rows.tolist() == [[16, 85, 115, 84, 111, 13]]
    assert labels.tolist() == [[0, 1, 2, 1, 2, 0]]


@pytest.mark.parametrize(
    ("way", "shot", "query", "says"),
    [
        (13, 1, 1, "13-way tasks need 13 classes, this part of the data has 12; lower way"),
        (3, 5, 6, r"shot 5 \+ query 6 need 11 pictures of every class, 'class00' has 10; lower shot or query"),
        (0, 1, 1, "at least 1, got way 0"),
        (3, 0, 1, "shot 0"),
        (3, 1, 0, "query 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_the_cure(way, shot, query, says, pool):
    with pytest.raises(ValueError, match=says):
        Episodes(pool, way, shot, query)


def test_the_smallest_class_is_the_one_named(make_pool):
    with pytest.raises(ValueError, match="'class01' has 3"):
        episodes(make_pool([5, 3, 4]), 2, 2, 2)
