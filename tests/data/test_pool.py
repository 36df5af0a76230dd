"""The pool itself: what it refuses, and what turning and choosing do to it."""

import pytest
import torch

from quickstudy.data.pool import Pool, build, hash_order, split_sha256


def some(classes: int = 3) -> Pool:
    pictures = torch.arange(classes * 4 * 9, dtype=torch.uint8).reshape(-1, 1, 3, 3)
    return build({f"c{number}": group for number, group in enumerate(pictures.split(4))})


def test_classes_own_their_rows():
    pool = some()
    assert pool.sizes.tolist() == [4, 4, 4]
    assert pool.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert pool.select([2, 0]).names == ("c2", "c0")
    assert torch.equal(pool.select([2, 0]).images, torch.cat([pool.images[8:], pool.images[:4]]))


def test_rotated_is_a_quarter_turn_each():
    pool = some()
    turned = pool.rotated()
    assert len(turned) == 12
    assert turned.names[3] == "c0@90"
    for quarter in range(4):
        rows = turned.images[12 * quarter : 12 * (quarter + 1)]
        assert torch.equal(rows, torch.rot90(pool.images, quarter, (2, 3)))


def test_refuses_pictures_that_are_not_bytes():
    with pytest.raises(ValueError, match="uint8"):
        Pool(torch.zeros(4, 1, 3, 3), torch.tensor([0, 4]), ("c",))
    with pytest.raises(ValueError, match="starts"):
        Pool(torch.zeros(4, 1, 3, 3, dtype=torch.uint8), torch.tensor([0, 3]), ("c",))


def test_the_order_depends_on_seed_and_names_alone():
    names = [str(number) for number in range(50)]
    assert hash_order(names, 1) == hash_order(names[::-1], 1) != hash_order(names, 2)
    assert split_sha256(["a"], ["b"]) != split_sha256(["a", "b"], [])
