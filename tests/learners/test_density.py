from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.neighbors import KernelDensity
from torch import nn

from quickstudy.core import Examples
from quickstudy.learners.density import Density, density


@pytest.mark.parametrize("bandwidth", [0.3, 2.0])
def test_equals_scikit_learn_class_by_class(bandwidth):
    x, y = torch.randn(9, 4, dtype=torch.float64), torch.tensor([0, 0, 0, 0, 1, 1, 1, 2, 2])
    queries = torch.randn(7, 4, dtype=torch.float64)
    said = Density(nn.Identity(), 4, bandwidth=bandwidth)(Examples(x, y), queries, 3).numpy()
    for c in range(3):
        kernel = KernelDensity(bandwidth=bandwidth).fit(x[y == c].numpy())
        peak = 4 / 2 * math.log(2 * math.pi * bandwidth**2)  # scikit-learn normalizes the density
        np.testing.assert_allclose(said[:, c], kernel.score_samples(queries.numpy()) + peak, rtol=1e-9)


def test_a_bandwidth_is_positive():
    with pytest.raises(ValueError, match=r"positive length .* got 0"):
        density((1, 16, 16), bandwidth=0)
