"""A grid gives every point a cell of its own, at the least cost, or nearly."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from quickstudy.maps import assign, grid


def cloud(count, seed=0):
    """Clusters of different sizes."""
    generator = np.random.default_rng(seed)
    middles = generator.random((7, 2))
    return middles[generator.integers(0, 7, count) ** 2 // 7] + generator.normal(0, 0.04, (count, 2))


def test_the_exact_cost_is_the_least_of_all_assignments():
    points = np.random.default_rng(1).random((6, 2))
    cells = list(itertools.product(range(2), range(3)))
    every = [grid.cost(points, order, (2, 3)) for order in itertools.permutations(cells)]
    assert grid.cost(points, assign(points, (2, 3), method="exact"), (2, 3)) == pytest.approx(min(every))


def test_points_on_a_grid_stay_where_they_are():
    cells = np.array(list(itertools.product(range(5), range(9))))
    points = grid.middles(cells) * [3.0, 0.1] + [7, -2]
    for method in ("exact", "tiled"):
        np.testing.assert_array_equal(assign(points, (5, 9), method=method), cells)


def test_rows_count_upwards_and_columns_to_the_right():
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1.0]])
    np.testing.assert_array_equal(assign(corners), [[0, 0], [0, 1], [1, 0], [1, 1]])


@given(
    points=arrays(np.float64, st.tuples(st.integers(2, 60), st.just(2)), elements=st.floats(-1e6, 1e6, width=32)),
    method=st.sampled_from(["exact", "tiled", "auto"]),
    spare=st.integers(0, 40),
)
@settings(deadline=None, max_examples=60)
def test_every_point_has_a_cell_of_its_own(points, method, spare):
    if (points.max(0) == points.min(0)).any():
        with pytest.raises(ValueError, match="the same"):
            assign(points, method=method)
        return
    shape = grid.square(len(points) + spare)
    cells = assign(points, shape, method=method)
    assert len({tuple(cell) for cell in cells}) == len(points)
    assert (cells >= 0).all()
    assert (cells < shape).all()


@pytest.mark.parametrize("spare", [1.0, 1.7])
@pytest.mark.parametrize("points", [cloud(900), np.random.default_rng(2).random((900, 2))], ids=["clusters", "even"])
def test_tiles_come_near_the_exact_cost(points, spare):
    shape = grid.square(round(spare * len(points)))
    exact, tiled = (grid.cost(points, assign(points, shape, method=m), shape) for m in ("exact", "tiled"))
    assert exact <= tiled < 1.06 * exact


def test_rounds_over_wide_strides_gain_much(monkeypatch):
    points = cloud(3000)
    shape = grid.square(3000)
    tiled = grid.cost(points, assign(points, method="tiled"), shape)
    monkeypatch.setattr(grid, "ROUNDS", 0)
    assert grid.cost(points, assign(points, method="tiled"), shape) > 1.1 * tiled


def test_a_shape_of_any_form_is_filled():
    row, column = np.mgrid[:41, :41] - 20
    disc = row**2 + column**2 <= 400
    points = cloud(int(disc.sum()))
    for method in ("exact", "tiled"):
        cells = assign(points, mask=disc, method=method)
        filled = np.zeros_like(disc)
        filled[tuple(cells.T)] = True
        np.testing.assert_array_equal(filled, disc)


def test_the_same_points_give_the_same_cells_in_any_order():
    points = cloud(2000)
    cells = assign(points)
    np.testing.assert_array_equal(cells, assign(points))
    order = np.random.default_rng(0).permutation(2000)
    shape = grid.square(2000)
    assert grid.cost(points[order], assign(points[order]), shape) == pytest.approx(
        grid.cost(points, cells, shape), rel=0.02
    )


def test_auto_is_exact_where_it_can_be():
    points = cloud(200)
    np.testing.assert_array_equal(assign(points), assign(points, method="exact"))


def test_auto_is_not_exact_where_cells_are_far_more_than_points(monkeypatch):
    monkeypatch.setattr(grid, "_exact", None)  # would be called
    assert len(assign(cloud(1500), (1500, 1000))) == 1500


def test_one_point_and_few_points_of_many_cells():
    assert assign([[3.0, 4.0]]).tolist() == [[0, 0]]
    cells = assign([[0, 0], [1, 1.0]], (50, 50), method="tiled")
    assert cells.tolist() == [[0, 0], [49, 49]]


@pytest.mark.parametrize("count", [1, 2, 5, 30, 99, 100, 101, 12345])
def test_a_square_holds_all_and_is_square(count):
    rows, columns = grid.square(count)
    assert rows * columns >= count > rows * (columns - 1)
    assert abs(rows - columns) <= 2


@pytest.mark.parametrize(
    ("points", "options", "said"),
    [
        (np.zeros((4, 3)), {}, r"points \(n, 2\) of a plane, got \(4, 3\)"),
        (np.zeros((0, 2)), {}, "points"),
        ([[0, 1], [np.nan, 2], [1, np.inf]], {}, "2 of 3 points are no numbers"),
        ([[0, 1], [0, 2]], {}, "the same x"),
        ([[1, 1], [1, 1]], {}, "the same x and y"),
        ([[0, 1], [1, 2], [2, 3]], {"shape": (1, 2)}, r"3 points need as many cells, got 2; square\(3\)"),
        ([[0, 1], [1, 2]], {"shape": (1, 2), "mask": [[True, True]]}, "pass one of the two"),
        ([[0, 1], [1, 2]], {"mask": [True, True]}, "a mask is"),
        ([[0, 1], [1, 2]], {"method": "greedy"}, "got 'greedy'"),
    ],
)
def test_what_is_wrong_is_said(points, options, said):
    with pytest.raises(ValueError, match=said):
        assign(points, **options)


def test_too_many_costs_are_refused_before_they_are_held(monkeypatch):
    monkeypatch.setattr(grid, "MOST", 100)
    with pytest.raises(ValueError, match='GB of costs; use method="tiled"'):
        assign(cloud(40), method="exact")
