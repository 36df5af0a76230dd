from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quickstudy import rules


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    alpha=st.sampled_from([0.0, 0.9, 0.99]),
    momentum=st.sampled_from([0.0, 0.9]),
    eps=st.sampled_from([1e-8, 1e-2]),
    weight_decay=st.sampled_from([0.0, 0.1]),
)
def test_it_is_that_of_torch(alpha, momentum, eps, weight_decay, weights, follow):
    options = {"alpha": alpha, "momentum": momentum, "eps": eps, "weight_decay": weight_decay}
    follow(
        rules.rmsprop(0.02, **options), lambda theirs: torch.optim.RMSprop(theirs.values(), lr=0.02, **options), weights
    )


@pytest.mark.parametrize("options", [{"alpha": 1.5}, {"alpha": -0.1}, {"eps": -1.0}, {"momentum": -1.0}])
def test_wrong_options_are_refused(options):
    with pytest.raises(ValueError, match="got"):
        rules.rmsprop(**options)
