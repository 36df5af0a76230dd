from __future__ import annotations

import pytest
import torch

from quickstudy import rules


def test_it_starts_as_gradient_descent(weights):
    grads = {name: torch.randn_like(w) for name, w in weights.items()}
    rates = {"": 0.01, "head": 0.5}
    ours, theirs = rules.meta_sgd(weights, rates), rules.sgd(rates)
    (new, memory), (expected, _) = (rule.update(grads, (), weights, torch.zeros(())) for rule in (ours, theirs))
    assert memory == ours.init(weights) == ()
    for name in weights:
        torch.testing.assert_close(new[name], expected[name])


def test_every_element_has_a_rate_of_its_own(weights):
    rule = rules.meta_sgd(weights)
    with torch.no_grad():
        rule.get_parameter("rate/head/weight")[1, 2] = -3.0
    ones = {name: torch.ones_like(w) for name, w in weights.items()}
    new, _ = rule.update(ones, (), weights, torch.zeros(()))
    expected = torch.full((2, 3), -0.01, dtype=torch.float64)
    expected[1, 2] = 3.0
    torch.testing.assert_close(new["head.weight"] - weights["head.weight"], expected)


def test_rates_are_kept_by_name(weights):
    """In a list they would be given to other weights of the same shape after a file from another order."""
    rates = {name: 0.1 * i for i, name in enumerate(weights)}
    rule, backwards = rules.meta_sgd(weights, rates), rules.meta_sgd(dict(reversed(weights.items())), 0.5)
    backwards.load_state_dict(rule.state_dict())
    (new, _), (expected, _) = (r.update(weights, (), weights, torch.zeros(())) for r in (backwards, rule))
    assert all(torch.equal(new[name], expected[name]) for name in weights)


def test_names_that_containers_of_torch_keep_for_themselves_are_free():
    weights = {name: torch.zeros(2) for name in ("keys", "values", "update", "init")}
    new, _ = rules.meta_sgd(weights, 1.0).update(weights, (), weights, torch.zeros(()))
    assert new.keys() == weights.keys()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"more.weight": torch.zeros(2)}, r"1 learned rates.*rate/more/weight of shape None for a weight of \(2,\)"),
        ({"scale": torch.zeros(2)}, r"rate/scale of shape \(\) for a weight of \(2,\)"),
        (None, r"rate/scale of shape \(\) for a weight of None"),
    ],
)
def test_weights_that_do_not_fit_are_named(change, says, weights):
    rule = rules.meta_sgd(weights)
    given = {**weights, **change} if change else {name: w for name, w in weights.items() if name != "scale"}
    with pytest.raises(ValueError, match=says):
        rule.init(given)
