from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from quickstudy import rules


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    momentum=st.sampled_from([0.0, 0.5, 0.9]),
    dampening=st.sampled_from([0.0, 0.3, 1.0]),
    nesterov=st.booleans(),
    weight_decay=st.sampled_from([0.0, 0.1]),
)
def test_it_is_that_of_torch(momentum, dampening, nesterov, weight_decay, weights, follow):
    nesterov = nesterov and momentum > 0 and dampening == 0
    options = {"momentum": momentum, "dampening": dampening, "nesterov": nesterov, "weight_decay": weight_decay}
    follow(rules.sgd(0.07, **options), lambda theirs: torch.optim.SGD(theirs.values(), lr=0.07, **options), weights)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_rates_by_layer_are_those_of_parameter_groups(momentum, weights, follow):
    def optimizer(theirs):
        groups = [{"params": [w], "lr": 0.1 if name.startswith("embed") else 0.02} for name, w in theirs.items()]
        return torch.optim.SGD(groups, momentum=momentum)

    follow(rules.sgd({"": 0.02, "embed": 0.1}, momentum=momentum), optimizer, weights)


def test_without_momentum_a_step_is_one_operation_a_weight_and_no_memory(weights):
    class Counted(TorchDispatchMode):
        calls = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.calls += 1
            return func(*args, **(kwargs or {}))

    rule, loss = rules.sgd(0.1), torch.zeros(())
    assert rule.init(weights) == ()
    with Counted() as counted:
        rule.update(weights, (), weights, loss)
    assert counted.calls == len(weights)


def test_a_weight_without_a_rate_is_named(weights):
    rule = rules.sgd({"embed": 0.1})
    with pytest.raises(ValueError, match=r"no rate for the weight 'head\.weight'"):
        rule.update(weights, (), weights, torch.zeros(()))


@pytest.mark.parametrize(
    "options",
    [{"momentum": -1.0}, {"weight_decay": -1.0}, {"nesterov": True}, {"nesterov": True, "momentum": 1, "dampening": 1}],
)
def test_wrong_options_are_refused(options):
    with pytest.raises(ValueError, match="got"):
        rules.sgd(**options)
