"""Least squares of the smallest norm is off by 1 - k / d after k < d examples, and by nothing after d."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from quickstudy import checks, tasks
from quickstudy.core import Examples
from quickstudy.learners import least_squares
from quickstudy.regression import by_examples


def test_battery():
    checks.check_learner(least_squares(3), tasks.linear(3, 5, 4))


@pytest.mark.parametrize("d", [1, 5, 8])
def test_the_error_over_d_is_one_minus_k_over_d(d):
    found = by_examples(least_squares(d), tasks.linear(d, d + 2, 10, seed=3), 3000)
    for k, (mean, half) in enumerate(found.estimates):
        assert mean / d == pytest.approx(max(0, 1 - k / d), abs=1.6 * half / d + 1e-4)


@pytest.mark.parametrize("n", [2, 4, 9])
def test_equals_that_of_numpy(n):
    x, y, asked = torch.randn(n, 4).double(), torch.randn(n, 2).double(), torch.randn(3, 4).double()
    learner = least_squares(4, way=2)
    said = learner.predict(learner.adapt(learner.init(2), Examples(x, y)), asked)
    expected = asked.numpy() @ np.linalg.lstsq(x.numpy(), y.numpy(), rcond=None)[0]
    assert said.numpy() == pytest.approx(expected)


def test_other_columns_are_refused():
    with pytest.raises(ValueError, match="1 columns of y, not 2"):
        least_squares(4).init(2)
