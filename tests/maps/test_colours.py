import numpy as np
import pytest

from quickstudy import charts
from quickstudy.maps import colours

TO_CONE = np.array([[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]])
TO_LAB = np.array([[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]])
SEEN = {  # Machado et al. 2009, severity 1, for linear light
    "full": np.eye(3),
    "protanopia": np.array([[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]]),
    "deuteranopia": np.array([[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]]),
    "tritanopia": np.array([[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]]),
}


def light(hexes):
    share = np.array([[int(h[i : i + 2], 16) / 255 for i in (1, 3, 5)] for h in hexes])
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("eyes", SEEN)
def test_what_follows_the_colours_of_the_charts_is_told_from_all_before_by_all_eyes(eyes):
    lab = np.cbrt(np.clip(light(colours.CATEGORIES) @ SEEN[eyes].T, 0, 1) @ TO_CONE.T) @ TO_LAB.T
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=2)
    assert all(apart[i, :i].min() > 0.07 for i in range(len(charts.COLOURS), len(lab)))


def test_categories_stand_out_from_both_grounds():
    bright = light(colours.CATEGORIES) @ [0.2126, 0.7152, 0.0722]
    dark = light(["#14171a"])[0] @ [0.2126, 0.7152, 0.0722]
    assert (1.05 / (bright + 0.05)).min() > 1.7
    assert ((bright + 0.05) / (dark + 0.05)).min() > 2.1


def test_the_first_colours_are_those_of_the_charts():
    assert colours.CATEGORIES[: len(charts.COLOURS)] == charts.COLOURS


def test_more_categories_than_colours_differ_in_shape():
    looks = {(colours.category(i), colours.shape(i)) for i in range(60)}
    assert len(looks) == 60


def test_two_comes_before_ten():
    assert colours.ordered(np.array(["10", "2", "a10", "a9", "1"])) == ["1", "2", "10", "a9", "a10"]
