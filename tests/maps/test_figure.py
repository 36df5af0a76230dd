import numpy as np
import pytest
from PIL import ImageColor

from quickstudy.maps import colours, figure
from quickstudy.maps.picture import Picture

N = 12
CELLS = np.stack(np.divmod(np.arange(N), 4), 1)


def picture(**more):
    points = np.random.default_rng(0).normal(size=(N, 2))
    columns = {"class": np.array(["a", "b", "$c_"])[np.arange(N) % 3], "price": np.arange(N) / (N - 1)}
    return Picture(points, **({"columns": columns, "cells": CELLS, "shape": (3, 4), "quality": ("good",)} | more))


def image(made):
    """What a figure's only picture is made of."""
    (drawn,) = made.axes[0].get_images()
    return np.asarray(drawn.get_array())


def test_the_grid_has_every_colour_in_its_cell_with_row_0_at_the_bottom():
    drawn = image(figure.cells(picture()))
    tall, wide = drawn.shape[0] // 3, drawn.shape[1] // 4
    for i, (row, column) in enumerate(CELLS):
        seen = drawn[(2 - row) * tall + tall // 2, column * wide + wide // 2]
        wanted = colours.category(["$c_", "a", "b"].index(picture().columns["class"][i]))
        assert tuple(seen) == ImageColor.getrgb(wanted)


def test_ink_has_the_colour_of_its_category_and_paper_stays_white():
    drawings = np.zeros((N, 8, 8), np.uint8)
    drawings[:, :, 4:] = 255  # the right half is ink
    drawn = image(figure.cells(picture(thumbnails=drawings)))
    tall, wide = drawn.shape[0] // 3, drawn.shape[1] // 4
    assert tuple(drawn[tall // 2, wide // 8]) == (255, 255, 255)
    assert tuple(drawn[tall // 2, 7 * wide // 8]) == ImageColor.getrgb(colours.category(0))  # "$c_"


def test_every_thumbnail_is_drawn_around_its_place(monkeypatch):
    monkeypatch.setattr(figure, "ROOM", 0.3)  # none on another
    points = np.array([[0, 0], [4, 0], [4, 2]])
    tones = np.array([10, 90, 170], np.uint8)
    photographs = np.broadcast_to(tones[:, None, None, None], (3, 4, 4, 3)).copy()
    drawn = image(figure.thumbnails(Picture(points, thumbnails=photographs)))
    middles = np.array([np.argwhere(drawn[..., 0] == tone).mean(0) for tone in tones])
    unit = (middles[1, 1] - middles[0, 1]) / 4
    np.testing.assert_allclose((middles - middles[0]) / unit, [[0, 0], [0, 4], [-2, 4]], atol=0.02)  # rows go down


def test_names_stand_where_a_category_is_densest():
    generator = np.random.default_rng(0)
    few, many = generator.normal(0, 0.1, (30, 2)), generator.normal(5, 0.1, (70, 2))
    assert np.linalg.norm(figure.densest(np.concatenate([few, many])) - 5) < 0.3
    assert figure.densest(np.array([[2.0, 3.0]])).tolist() == [2, 3]


def test_numbers_are_coloured_along_the_ramp_and_unknown_ones_apart():
    values = np.array([0.0, 1.0, np.nan])
    tones = figure.tones(Picture(np.eye(3)[:, :2], {"price": values}))
    wanted = [colours.RAMP[0], colours.RAMP[-1], colours.UNKNOWN]
    assert np.abs(tones - np.array([ImageColor.getrgb(tone) for tone in wanted], dtype=int)).max() <= 1


@pytest.mark.parametrize("ending", ["svg", "pdf"])
def test_the_same_map_gives_the_same_file_and_names_are_no_formulas(tmp_path, ending):
    for name in ("one", "two"):
        figure.save(tmp_path / f"{name}.{ending}", picture())
    assert (tmp_path / f"one.{ending}").read_bytes() == (tmp_path / f"two.{ending}").read_bytes()


def test_what_is_not_there_is_not_drawn():
    with pytest.raises(ValueError, match="no thumbnails"):
        figure.thumbnails(picture())
    with pytest.raises(ValueError, match="no grid"):
        figure.cells(Picture(np.eye(2)))
