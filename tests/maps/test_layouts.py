"""Layouts are transformers of scikit-learn that keep what they learned."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from quickstudy import maps
from quickstudy.files import FileProblem
from quickstudy.maps import PCA, TSNE, UMAP, ParametricTSNE, ParametricUMAP, Tailored, quality
from quickstudy.storage import save_tensors

SMALL = {"steps": 20, "widths": (16,)}
NET = {"steps": 600, "batch": 256, "widths": (64, 64), "rate": 5e-3}


class Logarithm(nn.Module):
    """Whose places are no numbers, though its weights are."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 2)

    def forward(self, x):
        return (-self.layer(x).square() - 1).log()


MOVES = "a new point is placed beside old ones; what is old has its place, and the order of the old ones is their own"


def failing(estimator):
    checks = ("check_methods_sample_order_invariance", "check_methods_subset_invariance")
    return dict.fromkeys(checks, MOVES) if isinstance(estimator, TSNE) else {}


@parametrize_with_checks(
    [PCA(), TSNE(), ParametricTSNE(**SMALL), Tailored(**SMALL), Tailored(**SMALL, classification=1.0)],
    expected_failed_checks=failing,
)
def test_scikit_learn_agrees(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    some = np.random.default_rng(0).permutation(len(x))[:600]  # in their own order, one writer follows another
    return x[some].astype(np.float32), y[some]


@pytest.fixture(scope="module", params=[PCA(), TSNE(), UMAP(), ParametricTSNE(**NET), ParametricUMAP(**NET)])
def fitted(request, digits):
    """Each layout, once."""
    layout = clone(request.param)
    layout.fit(digits[0][:500])
    return layout


def test_neighbours_stay_together_and_new_points_find_their_kind(fitted, digits):
    x, y = digits
    old, new = fitted.embedding_, fitted.transform(x[500:])
    assert old.shape == (500, 2)
    assert new.shape == (100, 2)
    least = 0.5 if isinstance(fitted, PCA) else 0.8
    assert quality.summary(x[:500], old, y[:500])["neighbour_accuracy"] > least
    near = ((new[:, None] - old[None]) ** 2).sum(2).argmin(1)
    assert (y[:500][near] == y[500:]).mean() > least - 0.2


def test_what_it_was_fitted_on_has_its_places(fitted, digits):
    np.testing.assert_allclose(fitted.transform(digits[0][:500]), fitted.embedding_, rtol=1e-5)


def test_a_file_holds_it(fitted, digits, tmp_path):
    path = tmp_path / "layout"
    fitted.save(path)
    again = maps.load(path)
    assert type(again) is type(fitted)
    assert again.get_params() == fitted.get_params()
    np.testing.assert_array_equal(again.embedding_, fitted.embedding_)
    np.testing.assert_array_equal(again.transform(digits[0][500:]), fitted.transform(digits[0][500:]))
    with pytest.raises(FileProblem, match=f"holds a layout of {type(fitted).__name__}, expected Tailored"):
        Tailored.load(path)


def test_a_seed_is_a_layout(digits):
    x, _ = digits
    for layout in (TSNE(), ParametricTSNE(**SMALL)):
        first, second = (clone(layout).fit_transform(x[:200]) for _ in range(2))
        np.testing.assert_array_equal(first, second)
    other = ParametricTSNE(**SMALL, seed=1).fit_transform(x[:200])
    assert not np.allclose(other, first)


def test_distances_are_taken_in_few_components(digits):
    x, _ = digits
    wide = np.concatenate([x[:200], 1e-6 * np.random.default_rng(0).normal(size=(200, 100))], axis=1)
    layout = TSNE(reduce=30).fit(wide)
    assert layout._x.shape == (200, 30)
    assert TSNE(reduce=None).fit(x[:50])._x.shape == (50, 64)


def test_a_net_of_one_s_own_is_copied_and_given_back(digits, tmp_path):
    x, _ = digits
    own = nn.Sequential(nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    before = own[1].weight.detach().clone()
    layout = ParametricTSNE(net=own, steps=5).fit(x[:100])
    assert (own[1].weight == before).all()
    layout.save(tmp_path / "layout")
    again = maps.load(tmp_path / "layout", net=own)
    np.testing.assert_array_equal(again.transform(x[100:120]), layout.transform(x[100:120]))


def test_it_stands_in_a_pipeline(digits):
    x, _ = digits
    places = make_pipeline(StandardScaler(), PCA()).fit(x[:100]).transform(x[100:130])
    assert places.shape == (30, 2)


@pytest.mark.parametrize("layout", [PCA(), TSNE(), Tailored(**SMALL)])
def test_what_cannot_be_laid_out_is_refused(layout):
    for x, said in (
        (np.full((9, 4), np.nan), "NaN"),
        (np.ones((9, 4)), "all 9 rows are the same"),
        (np.ones((1, 4)), "sample"),
        (np.ones((9, 1)), "feature"),
    ):
        with pytest.raises(ValueError, match=said):
            clone(layout).fit(x)


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        (TSNE(perplexity=0), "perplexity"),
        (UMAP(neighbours=1), "at least 2 neighbours"),
        (ParametricTSNE(steps=0), "at least one step"),
        (Tailored(reconstruction=0), "one is above"),
        (Tailored(reconstruction=-1), "at least 0"),
        (Tailored(classification=1), "pass y"),
        (Tailored(regression=1), "pass targets"),
    ],
)
def test_options_that_mean_nothing_are_refused(layout, said, digits):
    with pytest.raises(ValueError, match=said):
        layout.fit(digits[0][:20])


@pytest.mark.parametrize(
    "layout", [Tailored(rate=1e30, **SMALL), ParametricTSNE(rate=1e30, **SMALL), Tailored(net=Logarithm(), **SMALL)]
)
def test_places_that_are_no_numbers_are_refused(layout, digits):
    with pytest.raises(ArithmeticError, match="rate"):
        layout.fit(digits[0][:40])


def test_labels_that_are_none_are_refused(digits):
    with pytest.raises(ValueError, match="all of these are -1"):
        Tailored(classification=1).fit(digits[0][:20], np.full(20, -1))


def test_options_of_numpy_are_kept_in_the_file(digits, tmp_path):
    x, y = digits[0][:40], digits[1][:40]
    TSNE(perplexity=np.int64(5)).fit(x).save(tmp_path / "tsne")
    assert TSNE.load(tmp_path / "tsne").perplexity == 5
    fitted = Tailored(classification=np.float32(1), **SMALL).fit(x, y)
    fitted.save(tmp_path / "tailored")
    np.testing.assert_array_equal(Tailored.load(tmp_path / "tailored").predict(x), fitted.predict(x))


def test_a_net_of_one_s_own_that_was_not_given_is_asked_for(digits, tmp_path):
    ParametricTSNE(net=nn.Linear(64, 2), steps=2).fit(digits[0][:40]).save(tmp_path / "layout")
    with pytest.raises(FileProblem, match="net="):
        ParametricTSNE.load(tmp_path / "layout")


def test_a_constant_column_is_harmless(digits):
    x = digits[0][:60].copy()
    x[:, 5] = 3.0
    assert np.isfinite(TSNE().fit_transform(x)).all()


def test_files_that_are_no_layouts_are_named(tmp_path):
    save_tensors(tmp_path / "other", {}, {"kind": "something else"})
    (tmp_path / "text").write_text("no")
    for name, said in (("missing", "is not there"), ("other", "holds no layout"), ("text", "damaged")):
        with pytest.raises(FileProblem, match=said):
            maps.load(tmp_path / name)
    about = {"kind": "quickstudy layout", "format": 99, "quickstudy": "9", "layout": "PCA"}
    save_tensors(tmp_path / "newer", {}, about)
    with pytest.raises(FileProblem, match="pip install --upgrade"):
        maps.load(tmp_path / "newer")
    save_tensors(tmp_path / "unknown", {}, about | {"format": 1, "layout": "Isomap"})
    with pytest.raises(FileProblem, match="'Isomap', which this version does not know"):
        maps.load(tmp_path / "unknown")


@pytest.mark.parametrize(
    ("layout", "library"),
    [(TSNE(), "openTSNE"), (ParametricTSNE(), "openTSNE"), (UMAP(), "umap"), (ParametricUMAP(), "umap")],
)
def test_a_library_that_is_not_there_is_named_with_the_cure(layout, library, digits, monkeypatch):
    for name in (library, f"{library}.affinity"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match=rf"made by {library}.*pip install 'quickstudy\[maps\]'"):
        layout.fit(digits[0][:30])


def test_the_libraries_of_layouts_are_loaded_when_they_are_used():
    code = "import quickstudy.maps, sys; print({'umap', 'openTSNE', 'numba'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
