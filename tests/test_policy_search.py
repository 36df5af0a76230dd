"""Relative entropy policy search, and the step-size policies that it learns."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from quickstudy import policy_search, rules
from quickstudy.policy_search import Each, Search, importances, learn, moved, rewards
from quickstudy.storage import Run
from quickstudy.tasks.losses import curves
from quickstudy.tasks.quadratics import quadratics


def entropy(share):
    """Relative to equal shares."""
    some = share[share > 0]
    return float((some * np.log(some * len(share))).sum())


def test_importances_are_the_best_within_the_bound():
    found = np.random.default_rng(0).normal(size=8)
    for epsilon in (0.1, 0.5, 1.0):
        share = importances(found, epsilon)
        assert share.sum() == pytest.approx(1)
        assert entropy(share) == pytest.approx(epsilon, abs=1e-3)
        best = minimize(
            lambda x: -x @ found,
            np.full(8, 1 / 8),
            bounds=[(1e-9, 1)] * 8,
            constraints=[
                {"type": "eq", "fun": lambda x: x.sum() - 1},
                {"type": "ineq", "fun": lambda x, bound=epsilon: bound - entropy(x)},
            ],
        )
        assert share @ found == pytest.approx(-best.fun, abs=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=2, max_size=9), st.floats(0.05, 3))
def test_importances_follow_the_order_of_rewards_alone(values, epsilon):
    found = np.array(values, dtype=float)
    share = importances(found, epsilon)
    assert share.sum() == pytest.approx(1)
    assert all(b >= a - 1e-12 for a, b in zip(share[found.argsort()], share[found.argsort()][1:], strict=False))
    np.testing.assert_allclose(importances(7 * found - 3, epsilon), share, atol=1e-4)
    if len(set(values)) == 1:
        np.testing.assert_allclose(share, 1 / len(values))


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="bound above 0"):
        importances(np.ones(3), 0.0)
    with pytest.raises(ValueError, match="finite"):
        importances(np.array([1.0, np.nan]), 1.0)


def test_the_search_finds_the_best_policy():
    goal = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    search, chance = Search(torch.zeros(3, dtype=torch.float64), torch.eye(3, dtype=torch.float64)), torch.Generator()
    for _ in range(25):
        policies = search.draw(60, chance)
        search = moved(search, policies, -(policies - goal).square().sum(1), 0.5)
    torch.testing.assert_close(search.mean, goal, atol=0.05, rtol=0)


def drawn(count):
    policies = torch.zeros(count, 7)
    policies[:, -1] = torch.linspace(-5, -1, count)
    policies[:, 2] = torch.linspace(-0.5, 0.5, count)
    return policies


def test_every_problem_has_a_rate_of_its_own():
    losses, rule, policies = quadratics(seed=3), rules.step_size("rmsprop"), drawn(4)
    together = curves(Each(rule, policies), losses, range(4), 12)
    for index, policy in enumerate(policies):
        with torch.no_grad():
            rule.policy.copy_(policy)
        torch.testing.assert_close(together[index : index + 1], curves(rule, losses, [index], 12))


def test_rewards_are_falls_of_the_log_of_the_mean_loss():
    losses, rule, policies = quadratics(seed=3), rules.step_size(), drawn(3)
    policies[2, -1] = 3.5  # diverges
    found = rewards(rule, policies, losses, [5, 6], 30)
    for policy, reward in zip(policies[:2], found, strict=False):
        each = curves(Each(rule, policy), losses, [5, 6], 30)
        want = (each[:, :1].mean(0) / each[:, 1:].mean(0)).log().mean()
        torch.testing.assert_close(reward, want)
    assert float(found[2]) == policy_search.WORST


def test_a_policy_learns_and_a_killed_search_ends_the_same(tmp_path):
    losses, exam = quadratics(4, seed=1), quadratics(4, seed=2)
    asked = {"samples": 16, "problems": 3, "steps": 20, "examined": 8, "epsilon": 0.5}
    whole, parts = rules.step_size(rate=0.001), rules.step_size(rate=0.001)
    before = float(rewards(whole, whole.policy.detach()[None], exam, range(8), 20))
    done = learn(whole, losses, exam, updates=6, **asked)
    run = Run.create(tmp_path / "run", {})
    learn(parts, losses, exam, updates=3, run=run, **asked)
    again = rules.step_size(rate=0.001)
    learn(again, losses, exam, updates=6, run=run, **asked)
    assert torch.equal(whole.policy, again.policy)
    assert torch.equal(run.weights()["policy"], whole.policy)
    assert done.best["score"] > before + 0.5
    after = float(rewards(whole, whole.policy.detach()[None], exam, range(8), 20))
    assert after == pytest.approx(done.best["score"], rel=1e-4)
