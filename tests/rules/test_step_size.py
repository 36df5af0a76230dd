"""The step-size controller: its rate is what the policy makes of what it saw."""

import math

import pytest
import torch

from quickstudy import rules
from quickstudy.rules.step_size import INPUTS, OBSERVED


def slope(weights):
    return {name: (w - 1) * (i + 1) for i, (name, w) in enumerate(weights.items())}


def descent(rule, weights, steps=6):
    memory, path = rule.init(weights), [weights]
    for _ in range(steps):
        weights, memory = rule.update(slope(weights), memory, weights, torch.zeros(()))
        path.append(weights)
    return path, memory


@pytest.mark.parametrize(
    ("direction", "plain"), [("sgd", rules.sgd(0.03)), ("rmsprop", rules.rmsprop(0.03))], ids=["sgd", "rmsprop"]
)
def test_before_it_has_learned_it_is_the_rule_it_controls(weights, direction, plain):
    ours, _ = descent(rules.step_size(direction, rate=0.03).double(), weights)
    theirs, _ = descent(plain, weights)
    for a, b in zip(ours, theirs, strict=True):
        assert all(torch.allclose(a[name], b[name], rtol=1e-6, atol=1e-7) for name in a)  # the rate is float32


def test_the_rate_is_what_the_policy_makes_of_the_features(weights):
    rule = rules.step_size(rate=0.01).double()
    with torch.no_grad():
        rule.policy.copy_(torch.tensor([0.3, -0.2, 0.5, 0.4, 0.1, -0.3, math.log(0.02)]))
    path, _ = descent(rule, weights)
    flat = [torch.cat([w.detach().flatten() for w in point.values()]) for point in path]
    grads = [torch.cat([g.detach().flatten() for g in slope(point).values()]) for point in path[:-1]]
    mean = square = torch.zeros_like(grads[0])
    features, spread = None, torch.zeros(OBSERVED, dtype=torch.float64)
    for k, g in enumerate(grads):
        mean, square = 0.9 * mean + 0.1 * g, 0.99 * square + 0.01 * g * g
        middle = mean / (1 - 0.9 ** (k + 1))
        variance = float(square.sum() / (1 - 0.99 ** (k + 1)) - middle @ middle)
        last = flat[k] - flat[k - 1] if k else torch.zeros_like(g)
        agreed = float(g @ last / (g.norm() * last.norm())) if k else 0.0
        seen = torch.tensor(
            [math.log(float(g @ g)) / 10, math.log(max(variance, math.exp(-20))) / 10, agreed], dtype=torch.float64
        )
        features = seen if features is None else 0.9 * features + 0.1 * seen
        spread = 0.9 * spread + 0.1 * (seen - features).square()
        log_rate = float(rule.policy.detach() @ torch.cat([features, spread, torch.ones(1, dtype=torch.float64)]))
        torch.testing.assert_close(flat[k + 1], flat[k] - math.exp(log_rate) * g, rtol=1e-6, atol=1e-9)


def test_going_too_far_is_seen(weights):
    _, far = descent(rules.step_size(rate=0.6).double(), {"w": weights["head.weight"]})  # oscillates: 1.6 > 1
    _, near = descent(rules.step_size(rate=0.1).double(), {"w": weights["head.weight"]})
    assert near.features[2] < -0.4
    far_rate = rules.step_size(rate=1.6).double()
    _, far = descent(far_rate, {"w": weights["head.weight"]})
    assert far.features[2] > 0.4


def test_rates_have_bounds(weights):
    rule = rules.step_size().double()
    with torch.no_grad():
        rule.policy[-1] = 1e6
    path, _ = descent(rule, weights, steps=1)
    moved = (path[0]["scale"] - path[1]["scale"]) / slope(path[0])["scale"]
    assert float(moved.detach()) == pytest.approx(math.exp(3.5), rel=1e-5)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="sgd or rmsprop"):
        rules.step_size("adam")
    with pytest.raises(ValueError, match="above 0"):
        rules.step_size(rate=0.0)
    assert rules.step_size().policy.shape == (INPUTS,)
