import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from quickstudy.maps.sheets import SIDE, sheets


def back(made, i):
    """The i-th thumbnail, read from its sheet."""
    sheet = np.asarray(Image.open(io.BytesIO(made.files[i // made.each])))
    k = i % made.each
    top, left = k // made.across * made.cell[0], k % made.across * made.cell[1]
    cut = sheet[top : top + made.size[0], left : left + made.size[1]]
    return cut if made.colour else cut[..., 0]


@given(st.integers(1, 40), st.integers(1, 20), st.integers(1, 20))
def test_every_drawing_is_where_the_layout_says_to_the_bit(count, height, width):
    drawings = np.random.default_rng(0).integers(0, 256, (count, height, width), dtype=np.uint8)
    made = sheets(drawings)
    assert made.size == (height, width)
    assert all(side % 4 == 0 for side in made.cell)
    for i in range(count):
        np.testing.assert_array_equal(back(made, i), drawings[i])


def test_many_drawings_take_several_sheets():
    drawings = np.random.default_rng(0).integers(0, 256, (300, 90, 96), dtype=np.uint8)
    made = sheets(drawings, most=10**8)
    assert len(made.files) == 1 + 300 // made.each
    assert made.across * made.cell[1] <= SIDE
    np.testing.assert_array_equal(back(made, 299), drawings[299])


def test_photographs_keep_their_colours_nearly():
    plain = np.random.default_rng(0).integers(0, 256, (9, 1, 1, 3), dtype=np.uint8)
    made = sheets(np.broadcast_to(plain, (9, 32, 32, 3)))
    for i in range(9):
        assert np.abs(back(made, i)[8:24, 8:24].mean((0, 1)) - plain[i, 0, 0]).max() < 6


@pytest.mark.parametrize("most", [1000, 5000, 20_000])
def test_more_than_there_is_room_for_are_made_smaller(most):
    made = sheets(np.zeros((20, 40, 80), np.uint8), most=most)
    height, width = made.size
    assert 20 * height * width <= 1.2 * most or max(made.size) == 12
    assert width == pytest.approx(2 * height, abs=1)
