"""Streams: which data come when, and what their labels mean."""

import functools

import numpy as np
import pytest
import torch
from scipy.ndimage import rotate

from quickstudy import learners
from quickstudy.tasks import streams


@pytest.fixture(scope="module")
def pools(make_pool):
    return make_pool([5, 4, 6, 5, 7, 4]), make_pool([3, 2, 4, 2, 3, 2], seed=1)


@pytest.mark.parametrize(
    ("scenario", "way", "labels"),
    [("task", 6, [[0, 1], [2, 3], [4, 5]]), ("class", 6, [[0, 1], [2, 3], [4, 5]]), ("domain", 2, [[0, 1]] * 3)],
)
def test_a_split_has_every_picture_once_with_the_scenario_s_label(pools, scenario, way, labels):
    stream = streams.split(*pools, 2, scenario=scenario)
    assert (len(stream), stream.way, stream.shape) == (3, way, (1, 16, 16))
    for part, pool in ((stream.__getitem__, pools[0]), (stream.exam, pools[1])):
        given = [part(i) for i in range(3)]
        assert torch.equal(torch.cat([one.x for one in given]), pool.images.float() / 255)
        assert [sorted(set(one.y.tolist())) for one in given] == labels
        counts = [n for i, one in enumerate(given) for n in torch.bincount(one.y)[labels[i]].tolist()]
        assert counts == pool.sizes.tolist()


@pytest.mark.parametrize("scenario", streams.SCENARIOS)
def test_an_order_deals_the_classes_to_contexts(pools, scenario):
    train, test = pools
    order = [4, 1, 5, 0, 2, 3]
    stream = streams.split(train, test, 2, scenario=scenario, order=order)
    for part, pool in ((stream.__getitem__, train), (stream.exam, test)):
        for i, pair in enumerate(zip(order[::2], order[1::2], strict=True)):
            given = part(i)
            for label, class_ in zip(stream.labels(i), pair, strict=True):
                expected = pool.images[pool.starts[class_] : pool.starts[class_ + 1]].float() / 255
                assert torch.equal(given.x[given.y == label], expected)
    assert stream.sha256 != streams.split(train, test, 2, scenario=scenario).sha256


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 4], [1, 2, 3, 4, 5, 6]])
def test_an_order_has_every_class_once(pools, order):
    with pytest.raises(ValueError, match="each of the 6 classes once"):
        streams.split(*pools, 2, order=order)


def test_a_seed_is_an_order():
    assert sorted(streams.shuffled(10, seed=3)) == list(range(10))
    assert streams.shuffled(10, seed=3) == streams.shuffled(10, seed=3) != streams.shuffled(10, seed=4)


@pytest.mark.parametrize("scenario", streams.SCENARIOS)
def test_only_the_scenario_task_tells_the_context(pools, scenario):
    stream = streams.split(*pools, 2, scenario=scenario)
    told = [stream.choices(i).nonzero()[:, 0].tolist() for i in range(3)]
    every = list(range(stream.way))
    assert told == ([[0, 1], [2, 3], [4, 5]] if scenario == "task" else [every] * 3)


def test_a_permutation_moves_every_pixel_alike_and_by_the_seed(pools):
    one, same, other = (streams.permuted(*pools, 3, seed=seed) for seed in (1, 1, 2))
    assert one.shape == (1, 20, 20)
    assert one.way == 6
    plain = torch.nn.functional.pad(pools[0].images.float() / 255, (2,) * 4)
    assert torch.equal(one[0].x, plain)
    moved = one[1].x
    assert torch.equal(moved.flatten(1).sort(1)[0], plain.flatten(1).sort(1)[0])
    pixel = [(plain.flatten(1) == column[:, None]).all(0).any() for column in moved.flatten(1).T]
    assert all(pixel)
    assert torch.equal(moved, same[1].x)
    assert not torch.equal(moved, other[1].x)
    assert not torch.equal(moved, one[2].x)
    assert one.sha256 == same.sha256 != other.sha256


def test_rotations_are_turns(pools):
    stream = streams.rotated(*pools, 4, most=180)
    plain = stream[0].x
    torch.testing.assert_close(stream[2].x, plain.rot90(1, (2, 3)), rtol=0, atol=1e-5)
    expected = np.stack([rotate(x, 45, reshape=False, order=1) for x in plain[:, 0].numpy()])
    inner = (slice(None), slice(4, -4), slice(4, -4))
    np.testing.assert_allclose(stream[1].x[:, 0].numpy()[inner], expected[inner], atol=0.06)


def test_alphabets_are_contexts(make_pool):
    from dataclasses import replace

    names = ("Greek/a", "Greek/b", "Greek/c", "Latin/a", "Latin/b", "Tifinagh/a")
    train, test = streams.halves(replace(make_pool([6] * 6), names=names), 2)
    stream = streams.alphabets(train, test)
    assert [stream.title(i) for i in range(3)] == ["Greek", "Latin", "Tifinagh"]
    assert [streams.split(train, test, 3).title(i) for i in range(2)] == [", ".join(names[:3]), ", ".join(names[3:])]
    assert [list(stream.labels(i)) for i in range(3)] == [[0, 1, 2], [3, 4], [5]]
    assert (len(stream[1].y), len(stream.exam(1).y)) == (8, 4)
    with pytest.raises(ValueError, match="have 1 to 3"):
        streams.alphabets(train, test, scenario="domain")


def test_halves_have_nothing_in_common_and_everything_together(uneven):
    kept, held = streams.halves(uneven, 3)
    assert held.sizes.tolist() == [3] * 6
    both = [torch.cat([kept.select([c]).images, held.select([c]).images]) for c in range(6)]
    assert torch.equal(torch.cat(both), uneven.images)
    with pytest.raises(ValueError, match="smallest class has 4"):
        streams.halves(uneven, 4)


def test_a_stream_is_a_sequence_to_be_folded(pools):
    stream = streams.split(*pools, 2)
    learner = learners.neighbours(stream.shape)
    state = functools.reduce(learner.adapt, stream, learner.init(stream.way))
    every = torch.cat([part.y for part in stream])
    assert torch.equal(state.labels.argmax(1), every)
    with pytest.raises(IndexError):
        stream[3]


def test_other_words_are_refused(pools):
    with pytest.raises(ValueError, match="task, domain, class"):
        streams.split(*pools, 2, scenario="instance")
    with pytest.raises(ValueError, match="1 to 6 classes"):
        streams.split(*pools, 7)
    with pytest.raises(ValueError, match="could be examined"):
        streams.split(pools[0], pools[1].select([0, 1]), 2)
