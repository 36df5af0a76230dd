from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from quickstudy import checks
from quickstudy.tasks import batches


def test_battery(uneven):
    checks.check_tasks(batches(uneven, 9), again=batches(uneven, 9))


def test_pictures_come_with_the_class_of_the_pool(uneven):
    task = batches(uneven, 50)[3]
    known = {picture.numpy().tobytes(): int(c) for picture, c in zip(uneven.images, uneven.labels, strict=True)}
    for x, y in zip(task.query.x, task.query.y, strict=True):
        assert known[(x * 255).round().to(torch.uint8).numpy().tobytes()] == y


def test_the_support_is_empty_and_way_is_that_of_the_pool(uneven):
    tasks = batches(uneven, 4)
    items = tasks.batch(range(3))
    assert (items.support.x.shape, items.support.y.shape) == ((3, 0, 1, 16, 16), (3, 0))
    assert items.query.x.shape == (3, 4, 1, 16, 16)
    assert tasks.way == 6


def test_every_picture_is_drawn_as_often(uneven):
    labels = batches(uneven, 100).batch(range(40)).query.y.flatten().numpy()
    expected = uneven.sizes.numpy() / len(uneven.images) * len(labels)
    assert chisquare(np.bincount(labels, minlength=6), expected).pvalue > 1e-6


def test_a_batch_holds_something(uneven):
    with pytest.raises(ValueError, match="at least 1 picture, got 0"):
        batches(uneven, 0)
