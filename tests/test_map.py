"""``quickstudy map`` as a user meets it."""

import json
import re
import sys

import numpy as np
import pytest
from PIL import Image

from quickstudy import __main__
from quickstudy.maps import figure, page
from quickstudy.maps.picture import load

N = 45


@pytest.fixture
def call(monkeypatch, capsys):
    """Runs the command in this process; gives what it printed."""

    def do(*arguments, command="map"):
        monkeypatch.setattr(sys, "argv", ["quickstudy", command, *map(str, arguments)])
        __main__.main()
        return capsys.readouterr().out

    return do


@pytest.fixture
def refused(call):
    """The one line of a refusal."""

    def do(*arguments):
        with pytest.raises(SystemExit) as ended:
            call(*arguments)
        assert str(ended.value).startswith("quickstudy: ")
        assert "\n" not in str(ended.value)
        return str(ended.value)

    return do


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    """A file of three clusters with everything that a file may hold."""
    generator = np.random.default_rng(0)
    y = np.arange(N) % 3
    path = tmp_path_factory.mktemp("features") / "features.npz"
    np.savez(
        path,
        x=generator.normal(size=(N, 5)) + 5 * np.eye(5)[y],
        y=y,
        thumbnails=generator.integers(0, 255, (N, 6, 6), dtype=np.uint8),
        ids=np.array([f"thing {i}" for i in range(N)]),
        price=np.linspace(0, 1, N),
    )
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Folders of drawings, and of photographs."""
    root, generator = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for kind in ("drawings", "photographs"):
        for name in ("a", "b"):
            (root / kind / name).mkdir(parents=True)
            for i in range(6):
                pixels = generator.integers(0, 255, (20, 20) if kind == "drawings" else (20, 30, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / kind / name / f"{i}.png")
    return root


def test_a_file_of_features_becomes_a_page(call, features, tmp_path):
    said = call(features, "--layout", "pca", "--out", tmp_path / "map.html")
    assert re.search(r"trustworthiness 0\.\d+.*neighbour accuracy 1\.000.*displacement", said)
    text = (tmp_path / "map.html").read_text()
    given = json.loads(re.search(r'id="given">(.*?)</script>', text, re.DOTALL)[1])
    assert given["count"] == N
    assert [column["name"] for column in given["columns"]] == ["class", "price"]
    assert given["columns"][0]["names"] == ["0", "1", "2"]
    assert "neighbour accuracy 1.000" in given["quality"][0]


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_pictures_for_papers(call, features, tmp_path, ending):
    path = tmp_path / f"map.{ending}"
    call(features, "--layout", "pca", "--out", path, "--grid")
    head = path.read_bytes()[:300]
    assert {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending] in head


def test_a_map_is_kept_coloured_and_cut_anew(call, features, tmp_path):
    first, again = tmp_path / "map.npz", tmp_path / "again.npz"
    call(features, "--layout", "pca", "--out", first, "--limit", 30)
    call(first, "--color", "price", "--out", again)
    one, two = load(first), load(again)
    assert len(one) == 30
    np.testing.assert_array_equal(one.points, two.points)
    np.testing.assert_array_equal(one.cells, two.cells)
    assert list(two.columns) == ["price", "class"]
    rows = [int(name.split()[1]) for name in one.ids]
    np.testing.assert_allclose(one.columns["price"], np.linspace(0, 1, N)[rows])
    assert len(set(rows)) == 30


@pytest.mark.parametrize(("kind", "how", "dims"), [("drawings", "omniglot", 3), ("photographs", "pixels", 4)])
def test_folders_of_pictures(call, pictures, tmp_path, kind, how, dims):
    call(pictures / kind, "--layout", "pca", "--out", tmp_path / "map.npz")
    made = load(tmp_path / "map.npz")
    assert how in made.title
    assert made.columns["class"].tolist() == ["a"] * 6 + ["b"] * 6
    assert made.ids[7] == "b/1.png"
    assert made.thumbnails.ndim == dims


def test_pictures_without_classes(call, pictures, tmp_path):
    call(pictures / "drawings" / "a", "--embedding", "pixels", "--layout", "pca", "--out", tmp_path / "map.npz")
    made = load(tmp_path / "map.npz")
    assert not made.columns
    assert made.ids[0] == "0.png"


def test_a_run_is_shown_by_its_embedding(call, refused, tmp_path):
    run = tmp_path / "run"
    call("prototypes", "--way", 5, "--steps", 2, "--options", "width=8", "--out", run, command="train")
    call(run, "--layout", "pca", "--limit", 60, "--out", tmp_path / "map.npz")
    made = load(tmp_path / "map.npz")
    assert len(made) == 60
    assert made.thumbnails.shape == (60, 28, 28)
    assert {name.rsplit(" ", 1)[0] for name in made.ids} == set(made.columns["class"])
    assert "no layer" in refused(run, "--layer", "nothing", "--layout", "pca", "--out", tmp_path / "other.html")
    assert "their own embedding" in refused(run, "--embedding", "pixels")


def test_shipped_weights_are_shown_their_data_or_others(call, refused, features, tmp_path):
    call("glyphs", "--layout", "pca", "--limit", 50, "--out", tmp_path / "map.npz")
    assert load(tmp_path / "map.npz").title == "glyphs by the shipped weights glyphs, pca"
    call("omniglot", "--data", "glyphs", "--layout", "pca", "--limit", 50, "--out", tmp_path / "map.npz")
    assert load(tmp_path / "map.npz").title == "glyphs by the shipped weights omniglot, pca"
    assert "what is drawn" in refused(features, "--data", "mnist")


def test_a_map_that_is_there_takes_no_options_that_would_change_nothing(call, refused, features, tmp_path):
    made = tmp_path / "map.npz"
    call(features, "--layout", "pca", "--out", made)
    for option in ("--layout=umap", "--options=neighbours=3", "--data=mnist", "--layer=x", "--limit=5", "--seed=1"):
        assert "is a map already" in refused(made, *option.split("=", 1)), option


def test_paths_may_be_texts(call, features, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call(features, "--layout", "pca", "--out", "map.npz")
    made = load("map.npz")
    page.save("map.html", made)
    figure.save("map.svg", made)
    made.save("again.npz")
    assert {"map.html", "map.svg", "again.npz"} <= {path.name for path in tmp_path.iterdir()}


def test_what_cannot_be_drawn_is_refused_in_a_line(refused, features, pictures, tmp_path):
    np.savez(tmp_path / "dated.npz", x=np.eye(5), date=np.arange("2020-01-01", "2020-01-06", dtype="datetime64[D]"))
    np.savez(tmp_path / "short.npz", x=np.zeros((5, 2)), y=np.zeros(4))
    np.savez(tmp_path / "without.npz", z=np.zeros(5))
    (tmp_path / "text.txt").write_text("x")
    asked = {
        "does not exist": ("nothing",),
        "is neither": (tmp_path / "text.txt",),
        "needs an array x": (tmp_path / "without.npz",),
        "y is": (tmp_path / "short.npz",),
        "no column": (features, "--layout", "pca", "--color", "colour"),
        "there is no layout": (features, "--layout", "circle"),
        "other options": (features, "--layout", "pca", "--options", "perplexity=3"),
        "a map is": (features, "--out", tmp_path / "map.bmp"),
        "at least 1": (features, "--limit", 0),
        "has been through": (features, "--embedding", "pixels"),
        "cannot do with perplexity=many": (features, "--options", "perplexity=many"),
        "through no network": (pictures / "photographs", "--layer", "layer3"),
        "date": (tmp_path / "dated.npz",),
    }
    for words, arguments in asked.items():
        assert words in refused(*arguments), words
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".html"]
