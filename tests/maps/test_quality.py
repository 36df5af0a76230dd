"""The numbers of a map, held against scikit-learn's and against loops over points."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.manifold import trustworthiness
from sklearn.metrics import silhouette_score
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from quickstudy.maps import PCA, assign, grid, quality, summary, worded


@pytest.fixture(scope="module")
def case():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 4, 300)
    features = 2.0 * generator.normal(size=(4, 12))[labels] + generator.normal(size=(300, 12))
    return features, PCA().fit_transform(features), labels


def test_trustworthiness_and_continuity_are_those_of_scikit_learn(case):
    x, y, _ = case
    for k in (1, 10, 30):
        found = summary(x, y, neighbours=k)
        assert found["trustworthiness"] == pytest.approx(trustworthiness(x, y, n_neighbors=k), abs=1e-9)
        assert found["continuity"] == pytest.approx(trustworthiness(y, x, n_neighbors=k), abs=1e-9)


def test_recall_accuracy_and_silhouette(case):
    x, y, labels = case
    found = summary(x, y, labels, neighbours=5)
    near, shown = (NearestNeighbors(n_neighbors=5).fit(p).kneighbors(return_distance=False) for p in (x, y))
    recall = np.mean([len(set(a) & set(b)) / 5 for a, b in zip(near, shown, strict=True)])
    assert found["neighbour_recall"] == pytest.approx(recall)
    right = cross_val_score(KNeighborsClassifier(5), y, labels, cv=LeaveOneOut()).mean()
    assert found["neighbour_accuracy"] == pytest.approx(right, abs=0.01)  # ties are broken otherwise
    assert found["silhouette"] == pytest.approx(silhouette_score(y, labels))


def test_text_is_as_good_as_numbers_and_a_class_of_one_has_no_silhouette(case):
    x, y, labels = case
    named = np.array(["abcd"[label] for label in labels])
    assert summary(x, y, named) == summary(x, y, labels)
    labels = labels.copy()
    labels[7] = 9
    assert quality.of_points(x, y, labels)["silhouette"][7] == 0
    assert summary(x, y, labels)["silhouette"] == pytest.approx(silhouette_score(y, labels))


def test_a_perfect_map_and_a_map_of_noise(case):
    x, y, labels = case
    same = summary(y, 3 * y + 1, labels)
    assert same["trustworthiness"] == same["continuity"] == same["neighbour_recall"] == 1
    noise = summary(x, np.random.default_rng(5).normal(size=y.shape), labels)
    assert noise["neighbour_recall"] < 0.08
    assert noise["trustworthiness"] == pytest.approx(0.5, abs=0.05)
    assert noise["neighbour_accuracy"] == pytest.approx(0.25, abs=0.1)
    assert abs(noise["silhouette"]) < 0.1


def test_a_sample_asks_some_points_about_all(case):
    x, y, labels = case
    every, some = quality.of_points(x, y, labels), quality.of_points(x, y, labels, sample=40, seed=3)
    rows = quality.sampled(300, 40, 3)
    assert len(set(rows)) == 40
    assert rows.tolist() != quality.sampled(300, 40, 4).tolist()
    for name, values in some.items():
        np.testing.assert_allclose(values, every[name][rows], atol=1e-12)


def test_chunks_change_nothing(case, monkeypatch):
    x, y, labels = case
    whole = summary(x, y, labels, cells=assign(y))
    monkeypatch.setattr(quality, "CHUNK", 7 * 300)
    assert summary(x, y, labels, cells=assign(y)) == pytest.approx(whole)


def test_wide_features_are_compared_by_products():
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(120, 50)).astype(np.float32), generator.normal(size=(120, 2))
    assert summary(x, y)["trustworthiness"] == pytest.approx(trustworthiness(x, y, n_neighbors=10), abs=1e-6)


def test_a_grid_that_moves_nothing_loses_nothing():
    row, column = np.mgrid[:12, :12]
    cells = np.stack([row.ravel(), column.ravel()], 1)
    places = grid.middles(cells)
    jittered = places + np.random.default_rng(0).uniform(-1e-3, 1e-3, places.shape)
    still = summary(places, jittered, cells=cells)
    assert still["displacement"] < 0.8  # to the middles, from the stretched corners
    assert still["neighbourhood_loss"] < 0.05
    order = np.random.default_rng(1).permutation(len(cells))
    mixed = summary(places, jittered, cells=cells[order])
    assert mixed["displacement"] > 4
    assert mixed["neighbourhood_loss"] > 0.85


def test_the_line_has_every_number(case):
    x, y, labels = case
    line = worded(summary(x, y, labels, cells=assign(y)))
    assert line.count(" · ") == 6
    assert line.startswith("trustworthiness 0.")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"plane": np.zeros((299, 2))}, "of the same points, got 300, 299 rows"),
        ({"labels": np.zeros(10)}, "of the same points, got 300, 300, 10 rows"),
        ({"neighbours": 150}, "150 neighbours need more than 300 points, got 300"),
        ({"features": np.full((300, 2), np.nan)}, "features has values that are no numbers"),
        ({"features": np.zeros(300)}, "features are"),
    ],
)
def test_what_is_wrong_is_said(case, change, said):
    x, y, _ = case
    with pytest.raises(ValueError, match=said):
        summary(**({"features": x, "plane": y} | change))
