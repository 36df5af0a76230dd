"""Tailored embeddings show what their losses ask for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from quickstudy import maps
from quickstudy.maps import Tailored, quality
from quickstudy.maps.tailored import Bottleneck, Told

STEPS = 600


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    x = x.astype(np.float32)
    return x, y, np.stack([x.mean(1), x[:, :32].mean(1)], 1)


@pytest.fixture(scope="module")
def mixes(digits):
    """{weights: fitted on the first 1,200}"""
    x, y, values = digits
    every = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)]
    return {
        (a, b, c): Tailored(reconstruction=a, classification=b, regression=c, steps=STEPS, batch=128, widths=(64,)).fit(
            x[:1200], y[:1200], values[:1200]
        )
        for a, b, c in every
    }


def test_each_loss_is_best_where_it_is_asked_for_alone(mixes, digits):
    x, y, values = (part[1200:] for part in digits)
    names = ("reconstruction", "classification", "regression")
    for i, name in enumerate(names):
        alone = mixes[tuple(int(j == i) for j in range(3))].losses(x, y, values)
        mixed = mixes[1, 1, 1].losses(x, y, values)
        assert set(alone) == {name}
        assert set(mixed) == set(names)
        assert alone[name].mean() < 0.85
        assert alone[name].mean() < mixed[name].mean() + 0.02


def test_classes_part_where_classification_is_asked_for(mixes, digits):
    x, y, _ = (part[1200:] for part in digits)
    found = {weights: quality.summary(x, layout.transform(x), y) for weights, layout in mixes.items()}
    assert found[0, 1, 0]["silhouette"] > found[1, 0, 0]["silhouette"] + 0.05
    assert found[1, 0, 0]["trustworthiness"] > found[0, 0, 1]["trustworthiness"]
    right = mixes[0, 1, 0].predict(x) == y
    assert right.mean() > 0.75


def test_places_are_made_into_pictures_and_values(mixes, digits):
    x, _, values = (part[1200:] for part in digits)
    layout = mixes[1, 0, 0]
    made = layout.inverse_transform(layout.transform(x))
    loss = ((made - x) ** 2).mean() / digits[0][:1200].var(0).mean()
    assert loss == pytest.approx(layout.losses(x)["reconstruction"].mean(), rel=1e-3)
    said = mixes[0, 0, 1].predict_targets(x)
    assert np.corrcoef(said[:, 0], values[:, 0])[0, 1] > 0.9


def test_a_guess_that_knows_nothing_loses_one(digits):
    x, y, values = (torch.from_numpy(np.asarray(part)) for part in digits)
    told = Told(y, values.float())

    class Nothing(nn.Module):
        def __init__(self, said):
            super().__init__()
            self.said = said

        def forward(self, z):
            return self.said.expand(len(z), -1)

    logits = y.bincount().double().log().float()
    heads = {"reconstruction": torch.zeros(64), "classification": logits, "regression": torch.zeros(2)}
    net = Bottleneck(nn.Linear(64, 2), 64, {name: Nothing(said) for name, said in heads.items()}, 2)
    net.learn(x, told)
    for name, loss in net.losses(x, told).items():
        assert float(loss.detach().mean()) == pytest.approx(1, abs=1e-4), name


def test_what_is_not_told_takes_no_part(digits):
    x, y, values = (part[:300] for part in digits)
    y, values = y.copy(), values.copy()
    y[100:], values[::2, 1], values[3] = -1, np.nan, np.nan
    layout = Tailored(classification=1, regression=1, steps=50).fit(x, y, values)
    losses = layout.losses(x, y, values)
    assert np.isnan(losses["classification"][100:]).all()
    assert np.isfinite(losses["classification"][:100]).all()
    assert np.flatnonzero(np.isnan(losses["regression"])).tolist() == [3]
    assert np.isfinite(layout.embedding_).all()
    assert layout.classes_.tolist() == list(range(10))


def test_text_labels_and_one_column_of_values_are_kept_in_a_file(digits, tmp_path):
    x, y, values = (part[:200] for part in digits)
    names = np.array([f"digit {number}" for number in y])
    layout = Tailored(classification=1, regression=1, steps=20).fit(x, names, values[:, 0])
    layout.save(tmp_path / "layout")
    again = maps.load(tmp_path / "layout")
    np.testing.assert_array_equal(again.predict(x), layout.predict(x))
    np.testing.assert_array_equal(again.predict_targets(x), layout.predict_targets(x))
    np.testing.assert_array_equal(again.inverse_transform([[0, 0], [1, 2]]), layout.inverse_transform([[0, 0], [1, 2]]))
    assert set(layout.predict(x)) <= set(names)


def test_a_method_is_there_where_its_loss_is():
    assert not hasattr(Tailored(), "predict")
    assert hasattr(Tailored(classification=1), "predict")
    assert not hasattr(Tailored(reconstruction=0), "inverse_transform")
    with pytest.raises(AttributeError, match="predict_targets") as raised:
        Tailored().predict_targets(np.zeros((1, 2)))
    assert "make it with regression=1.0" in str(raised.value.__cause__)


def test_labels_of_other_examples_are_refused(digits):
    x, y, values = digits
    with pytest.raises(ValueError, match="labels are of the same examples, got 5 for 10"):
        Tailored(classification=1).fit(x[:10], y[:5])
    with pytest.raises(ValueError, match="targets are of the same examples, got 5 for 10"):
        Tailored(regression=1).fit(x[:10], None, values[:5])


def test_an_encoder_of_one_s_own(digits):
    own = nn.Sequential(nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 2))
    layout = Tailored(net=own, steps=5).fit(digits[0][:50])
    assert layout.embedding_.shape == (50, 2)
    assert not torch.equal(layout._net.encoder[0].weight, own[0].weight)
