from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from quickstudy import checks
from quickstudy.tasks import sequences
from quickstudy.tasks.episodes import bits


def test_numbered(pool):
    first, second = (sequences(pool, 3, 20, seed=7) for _ in range(2))
    checks.check_numbering(first, second, range(5))


@given(data=st.data())
def test_any_stream_of_any_pool_is_sound(data, make_pool):
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=5))
    way, length = data.draw(st.integers(1, len(sizes))), data.draw(st.integers(1, 20))
    pool = make_pool(sizes, shape=(1, 1, 1))
    labels = data.draw(st.none() | st.integers(way, 4 * way))
    rows, y = sequences(pool, way, length, labels=labels)._draw(data.draw(st.integers(0, 2**62)))
    assert y.min() >= 0
    assert y.max() < (labels or way)
    behind = {label: set(pool.labels[rows[y == label]].tolist()) for label in set(y.tolist())}
    assert all(len(classes) == 1 for classes in behind.values())
    assert len(set.union(*behind.values())) == len(behind) <= way
    for label in behind:
        met = rows[y == label]
        size = sizes[behind[label].copy().pop()]
        assert len(set(met[:size].tolist())) == min(size, len(met))  # none comes again before all have come


def test_what_came_before_says_nothing_of_the_next_class(pool):
    y = sequences(pool, 3, 12).batch(range(2000)).y.numpy()
    for step in range(1, 12):
        again = np.bincount((y[:, step] - y[:, 0]) % 3, minlength=3)
        assert chisquare(again).pvalue > 1e-6


def test_labels_are_given_anew(pool):
    y = sequences(pool, 3, 8, labels=9).batch(range(3000)).y
    assert chisquare(np.bincount(y[:, 0], minlength=9)).pvalue > 1e-6
    assert all(len(stream.unique()) <= 3 for stream in y)


def test_pictures_are_those_of_the_classes(pool):
    tasks = sequences(pool, 3, 20, seed=1)
    rows, y = tasks._draw(4)
    stream = tasks[4]
    assert torch.equal(stream.x, pool.images[rows].float() / 255)
    assert stream.y.tolist() == y.tolist()


def test_streams_are_the_same_on_every_machine(pool):
    rows, y = sequences(pool, 3, 6, seed=5)._draw(0)
    assert rows.tolist() == [16, 115, 15, 116, 10, 86]
    assert y.tolist() == [0, 2, 0, 2, 0, 1]


@pytest.mark.parametrize(
    ("way", "length", "labels", "says"),
    [
        (13, 5, None, "streams of 13 classes need as many, this part of the data has 12; lower way"),
        (3, 5, 2, "3 classes need as many labels, got 2; raise labels"),
        (0, 5, None, "at least 1, got way 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(way, length, labels, says, pool):
    with pytest.raises(ValueError, match=says):
        sequences(pool, way, length, labels=labels)


@pytest.mark.parametrize(("labels", "letters"), [(24, 5), (3, 5), (3, 1), (1, 0), (3, -3)])
def test_letters_that_make_no_such_labels_are_refused(labels, letters, pool):
    with pytest.raises(
        ValueError, match=f"{letters} letters make no {labels} strings .*; 5 letters make 3125, of five"
    ):
        sequences(pool, 1, 5, labels=labels, letters=letters)


@given(data=st.data())
def test_letters_stand_at_each_place_in_as_many_classes(data, pool):
    letters, places = data.draw(st.integers(2, 5)), data.draw(st.integers(1, 3))
    way = data.draw(st.integers(1, min(letters**places, 12)))
    tasks = sequences(pool, way, 5, labels=letters**places, letters=letters)
    names = tasks._names(bits(0, data.draw(st.integers(0, 2**62))))
    for place in range(places):
        found = np.bincount(names // letters**place % letters, minlength=letters)
        assert found.sum() == way
        assert found.max() - found.min() <= 1


def test_a_class_gets_any_label_of_letters(pool):
    tasks = sequences(pool, 4, 5, labels=9, letters=3)
    names = np.stack([tasks._names(bits(0, number)) for number in range(3000)])
    assert all(chisquare(np.bincount(names[:, class_], minlength=9)).pvalue > 1e-6 for class_ in range(4))
    assert np.bincount(names[:, 0] // 3 * 3 + names[:, 1] // 3, minlength=9).min() > 0  # a letter may come twice
