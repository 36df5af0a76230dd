"""The face of learners of values."""

import numpy as np
import pytest
import torch

from quickstudy import learners
from quickstudy.core import Examples
from quickstudy.estimator import FewShotClassifier, FewShotRegressor
from quickstudy.files import FileProblem
from quickstudy.learners import maml_regressor


def points(n, seed=0):
    x = np.random.default_rng(seed).uniform(-3, 3, (n, 1))
    return x, np.sin(x[:, 0]) * 50 + 1000  # far from zero, in units of its own


def test_it_learns_a_curve_in_units_of_its_own():
    x, y = points(30)
    assert FewShotRegressor().fit(x, y).score(*points(50, 1)) > 0.9


def test_columns_are_learned_side_by_side():
    x, y = points(20)
    both = FewShotRegressor(steps=50).fit(x, np.stack([y, -y], 1))
    assert both.predict(x).shape == (20, 2)
    assert FewShotRegressor(steps=50).fit(x, y).predict(x).shape == (20,)


def test_a_trained_learner_reads_and_answers_as_it_is():
    net = learners.maml_regressor(test_steps=3).eval()
    x, y = points(5)
    made = FewShotRegressor(net).fit(x, y)
    assert next(net.parameters()).dtype == torch.float32  # it is the user's, and stays as it was
    state = net.double().adapt(net.init(1), Examples(torch.from_numpy(x), torch.from_numpy(y[:, None])))
    with torch.no_grad():
        np.testing.assert_allclose(made.predict(x), net.predict(state, torch.from_numpy(x))[:, 0].numpy())


def test_more_examples_are_further_steps():
    x, y = points(10)
    made = FewShotRegressor(lambda shape, columns: learners.maml_regressor(shape, way=columns, test_steps=2, rate=1e-4))
    once = made.fit(x, y).predict(x)
    assert not np.allclose(made.partial_fit(x, y).predict(x), once)
    np.testing.assert_array_equal(made.fit(x, y).predict(x).shape, once.shape)


def test_another_number_of_features_is_refused():
    made = FewShotRegressor(steps=5).fit(*points(5))
    with pytest.raises(ValueError, match="features"):
        made.partial_fit(np.ones((3, 2)), np.ones(3))


def test_another_number_of_targets_is_refused():
    x, y = points(5)
    both = np.column_stack([y, -10 * y])
    for first, then in ((y, both), (both, y)):
        with pytest.raises(ValueError, match=r"has \d targets?, got \d"):
            FewShotRegressor(steps=5).fit(x, first).partial_fit(x, then)


@pytest.mark.parametrize("own", [False, True])
def test_a_file_holds_all_that_was_learned(own, tmp_path):
    learner = maml_regressor((2,), widths=(4,), way=3, rate=0.01) if own else None
    x, y = np.random.default_rng(0).normal(size=(8, 2)), np.random.default_rng(1).normal(size=(8, 3))
    model = FewShotRegressor(learner, steps=5).fit(x, y)
    model.save(tmp_path / "model.qs")
    loaded = FewShotRegressor.load(tmp_path / "model.qs", given=learner)
    assert np.array_equal(loaded.predict(x), model.predict(x))
    assert np.array_equal(loaded.partial_fit(x, 2 * y).predict(x), model.partial_fit(x, 2 * y).predict(x))


def test_a_file_of_ones_own_learner_asks_for_it(tmp_path):
    FewShotRegressor(maml_regressor((2,), widths=(4,))).fit(np.zeros((3, 2)), np.zeros(3)).save(tmp_path / "model.qs")
    with pytest.raises(ValueError, match="given=learner"):
        FewShotRegressor.load(tmp_path / "model.qs")


def test_files_that_are_not_of_a_regressor_are_named(tmp_path):
    with pytest.raises(FileProblem, match=r"model.qs is not there; FewShotRegressor.save"):
        FewShotRegressor.load(tmp_path / "model.qs")
    taught = FewShotClassifier("prototypes").fit(np.eye(4), [0, 0, 1, 1])
    taught.save(tmp_path / "model.qs")
    with pytest.raises(FileProblem, match="is no file of a quickstudy regressor"):
        FewShotRegressor.load(tmp_path / "model.qs")
