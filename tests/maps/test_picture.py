import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstudy.files import FileProblem
from quickstudy.maps.picture import Picture, is_map, load

N = 6


def made(**more):
    points = np.arange(2 * N, dtype=np.float64).reshape(N, 2)
    return Picture(**({"points": points} | more))


def full():
    return made(
        columns={"class": np.array(list("abcabc")), "price": np.array([1, 2, 3, 4, 5, np.nan])},
        thumbnails=np.arange(N * 12, dtype=np.uint8).reshape(N, 3, 4),
        cells=np.array([[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]),
        shape=(2, 4),
        ids=[f"{i}.png" for i in range(N)],
        title="A title",
        quality=("trustworthiness 0.9",),
    )


def test_what_was_saved_is_loaded(tmp_path):
    full().save(tmp_path / "map.npz")
    first, back = full(), load(tmp_path / "map.npz")
    for name in ("points", "thumbnails", "cells", "ids"):
        np.testing.assert_array_equal(getattr(back, name), getattr(first, name))
    assert list(back.columns) == ["class", "price"]
    np.testing.assert_array_equal(back.columns["price"], first.columns["price"])
    assert (back.shape, back.title, back.quality) == ((2, 4), "A title", ("trustworthiness 0.9",))
    assert is_map(tmp_path / "map.npz")


@given(st.lists(st.text(max_size=8), min_size=1, max_size=5))
def test_any_texts_survive_a_file(tmp_path_factory, texts):
    texts = [text.replace("\0", "") for text in texts]  # NumPy's texts end at their last zero
    path = tmp_path_factory.mktemp("texts") / "map.npz"
    first = Picture(np.zeros((len(texts), 2)), {"a name: \n": np.array(texts)}, title=texts[0])
    try:
        first.save(path)
    except UnicodeEncodeError:  # half a surrogate pair is no text
        return
    assert load(path).columns["a name: \n"].tolist() == texts
    assert load(path).title == texts[0]


def test_a_map_with_points_alone(tmp_path):
    made().save(tmp_path / "map.npz")
    back = load(tmp_path / "map.npz")
    assert back.thumbnails is None
    assert back.cells is None
    assert back.names()[:2] == ["row 0", "row 1"]


def test_another_column_comes_first():
    assert list(full().by("price").columns) == ["price", "class"]


WRONG = {
    "no points": ({"points": np.zeros((0, 2))}, "at least one"),
    "points in space": ({"points": np.zeros((N, 3))}, "(n, 2)"),
    "points nowhere": ({"points": np.full((N, 2), np.nan)}, "the first in row 0"),
    "a short column": ({"columns": {"class": np.array(["a"])}}, "'class'"),
    "a complex column": ({"columns": {"class": np.zeros(N, complex)}}, "texts or numbers"),
    "float thumbnails": ({"thumbnails": np.zeros((N, 3, 3))}, "uint8"),
    "too few thumbnails": ({"thumbnails": np.zeros((N - 1, 3, 3), np.uint8)}, "for 6 points"),
    "four channels": ({"thumbnails": np.zeros((N, 3, 3, 4), np.uint8)}, "uint8"),
    "a grid without shape": ({"cells": np.zeros((N, 2), int)}, "come together"),
    "a shared cell": ({"cells": np.zeros((N, 2), int), "shape": (3, 3)}, "share a cell"),
    "a cell outside": ({"cells": np.arange(2 * N).reshape(N, 2), "shape": (3, 3)}, "has no cell"),
    "too few ids": ({"ids": ["a"]}, "ids"),
}


@pytest.mark.parametrize("name", WRONG)
def test_parts_that_do_not_fit_are_refused(name):
    parts, word = WRONG[name]
    with pytest.raises(ValueError, match=word.replace("(", r"\(").replace(")", r"\)")):
        made(**parts)


def test_files_that_are_no_maps_are_named(tmp_path):
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    np.savez(tmp_path / "objects.npz", points=np.array([{}], dtype=object), notes="x")
    np.savez(tmp_path / "notes.npz", points=np.zeros((2, 2)), notes="{}")
    for name in ("absent", "text", "other", "objects", "notes"):
        with pytest.raises(FileProblem, match=f"{name}.npz"):
            load(tmp_path / f"{name}.npz")
    assert not is_map(tmp_path / "other.npz")
