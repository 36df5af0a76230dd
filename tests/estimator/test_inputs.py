"""Pictures of users look like those that a learner was trained on."""

import numpy as np
import pytest
import torch
from PIL import Image

from quickstudy.data import folder_pool
from quickstudy.estimator.inputs import Looks, files_of, finished, tensors

INK = Looks((1, 28, 28), contrast=True)


def test_files_are_read_as_the_pools_read_them(folder):
    pool = folder_pool(folder, 28)
    seen = tensors(sorted(folder.rglob("*.png")), Looks((1, 28, 28)))
    assert torch.equal(seen, pool.images.float() / 255)


def test_grey_paper_and_pale_ink_are_no_matter():
    page = np.full((28, 28), 255, np.uint8)
    page[8:20, 12:15] = 0
    pale = np.full((28, 28), 190, np.uint8)
    pale[8:20, 12:15] = 120
    np.testing.assert_array_equal(tensors(pale[None], INK), tensors(page[None], INK))
    np.testing.assert_array_equal(tensors(255 - pale[None], INK), tensors(page[None], INK))
    assert float(tensors(page[None], INK).max()) == 1


@pytest.mark.parametrize("value", [0, 120, 255])
def test_a_blank_page_is_blank(value):
    assert not tensors(np.full((2, 9, 9), value, np.uint8), INK).any()


def test_finishing_twice_is_finishing_once(drawings):
    once = tensors(drawings[0], INK)
    torch.testing.assert_close(finished(once, INK), once)


def test_colour_stays_where_a_learner_sees_it():
    red = np.zeros((3, 16, 16, 3), np.uint8)
    red[..., 0] = 255
    looks = Looks((3, 16, 16), mean=(0.5, 0.5, 0.5), spread=(0.5, 0.25, 0.5))
    seen = tensors(red, looks)
    assert seen[0, :, 0, 0].tolist() == [1, -2, -1]
    first = np.ascontiguousarray(red.transpose(0, 3, 1, 2))
    assert torch.equal(tensors(first, looks), seen)


def test_flattened_pictures_of_the_right_size_are_pictures(drawings):
    looks = Looks((1, 32, 32))
    flat = drawings[0].reshape(len(drawings[0]), -1)
    assert torch.equal(tensors(flat, looks), tensors(drawings[0], looks))
    with pytest.raises(ValueError, match="a table of numbers"):
        tensors(flat[:, :100], looks)


def test_what_a_path_stands_for(folder, tmp_path):
    assert files_of(folder / "alpha") == sorted((folder / "alpha").iterdir())
    assert files_of(folder) == sorted(folder.rglob("*.png"))
    assert files_of(str(tmp_path / "x.png")) == [tmp_path / "x.png"]


def test_a_list_of_unequal_pictures():
    some = [np.zeros((9, 5), np.uint8), Image.new("RGB", (40, 7), "white"), torch.ones(3, 8, 8)]
    assert tensors(some, INK).shape == (3, 1, 28, 28)
