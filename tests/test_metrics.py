from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from quickstudy import metrics

shares = st.floats(0, 1, allow_subnormal=False)
scores = st.lists(shares, min_size=2, max_size=40)


@given(scores)
def test_the_interval_is_that_of_scipy(values):
    got = metrics.estimate(values)
    assert got.mean == pytest.approx(float(np.mean(values)))
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95) if np.ptp(values) else (got.mean, got.mean)
    assert got.interval95 == pytest.approx((high - low) / 2, abs=1e-12)


@pytest.mark.parametrize("tasks", [2, 3, 5, 200])
def test_the_interval_covers_the_mean_19_times_in_20(tasks):
    draws = np.random.default_rng(0).normal(0.8, 0.1, size=(4000, tasks))
    hits = [abs(mean - 0.8) <= interval for mean, interval in map(metrics.estimate, draws)]
    assert np.mean(hits) == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize(("seeds", "of_seeds"), [(2, 1), (3, 0.1), (5, 1), (5, 0.1)])
def test_the_interval_over_seeds_covers_the_mean_19_times_in_20(seeds, of_seeds):
    """The tasks may vary more or less than the seeds; an interval may be wider, and no narrower."""
    chance = np.random.default_rng(0)
    draws = chance.normal(size=(1000, 1, 30)) + of_seeds * chance.normal(size=(1000, seeds, 1))
    draws = draws + 0.5 * chance.normal(size=draws.shape)
    hits = [abs(mean) <= interval for mean, interval in map(metrics.over_seeds, draws)]
    assert np.mean(hits) >= 0.935


def test_one_task_has_no_interval_and_none_no_mean():
    assert metrics.estimate([0.5]).mean == 0.5
    assert math.isnan(metrics.estimate([0.5]).interval95)
    with pytest.raises(ValueError, match="at least one task"):
        metrics.estimate([])


@given(scores, st.randoms())
def test_a_paired_difference_is_that_of_the_t_test(values, random):
    others = [random.random() for _ in values]
    got = metrics.paired(values, others)
    assert got.mean == pytest.approx(np.mean(values) - np.mean(others), abs=1e-12)
    if np.std(np.subtract(values, others)) > 1e-6:
        test = stats.ttest_rel(values, others)
        assert [got.mean - got.interval95, got.mean + got.interval95] == pytest.approx([*test.confidence_interval()])
        assert (abs(got.mean) > got.interval95) == (test.pvalue < 0.05)


def test_a_pairing_needs_as_many():
    with pytest.raises(ValueError, match=r"the same tasks, got \(2,\) and \(3,\)"):
        metrics.paired([1, 2], [1, 2, 3])


def test_over_seeds_adds_the_squares_of_both_intervals():
    chance = np.random.default_rng(1)
    table = chance.random((4, 50)) + chance.random((4, 1))
    got = metrics.over_seeds(table)
    over_tasks = stats.t.ppf(0.975, 49) * stats.sem(table.mean(0))
    over_seeds = stats.t.ppf(0.975, 3) * stats.sem(table.mean(1))
    assert got.mean == pytest.approx(table.mean())
    assert got.interval95 == pytest.approx(math.hypot(over_tasks, over_seeds))


def test_pooled_estimates_are_at_least_as_wide_as_those_of_the_scores():
    chance = np.random.default_rng(1)
    table = chance.random((4, 50)) + chance.random((4, 1)) + chance.random(50)
    pooled, exact = metrics.pooled([metrics.estimate(row) for row in table]), metrics.over_seeds(table)
    assert pooled.mean == pytest.approx(exact.mean)
    assert exact.interval95 <= pooled.interval95 < 1.5 * exact.interval95
    assert metrics.pooled([exact]) == exact


def test_one_seed_is_an_estimate_over_tasks():
    values = [0.2, 0.8, 0.6]
    assert metrics.over_seeds([values]) == metrics.over_seeds(values) == metrics.estimate(values)


def test_calibration_error_by_hand():
    sure, right = [0.95, 0.92, 0.55, 0.15, 1.0], [1, 0, 1, 0, 1]
    top = abs((0.95 + 0.92 + 1.0) / 3 - 2 / 3)
    expected = (3 * top + abs(0.55 - 1) + abs(0.15 - 0)) / 5
    assert metrics.calibration_error(sure, right) == pytest.approx(expected)


def test_reliability_is_by_bins():
    means, rates, count = metrics.reliability([[0.0, 0.24], [0.26, 1.0]], [[True, False], [True, True]], bins=4)
    assert count.tolist() == [2, 1, 0, 1]
    np.testing.assert_allclose(means, [0.12, 0.26, np.nan, 1.0])
    np.testing.assert_allclose(rates, [0.5, 1.0, np.nan, 1.0])


@given(arrays.arrays(np.float64, st.integers(1, 60), elements=shares), st.integers(1, 20), st.randoms())
def test_calibration_error_equals_a_loop_over_bins(sure, bins, random):
    right = np.array([random.random() < 0.5 for _ in sure])
    total = 0.0
    for b in range(bins):
        inside = [i for i, s in enumerate(sure) if min(int(s * bins), bins - 1) == b]
        if inside:
            total += abs(sure[inside].mean() - right[inside].mean()) * len(inside)
    assert metrics.calibration_error(sure, right, bins=bins) == pytest.approx(total / len(sure), abs=1e-12)


def test_the_sure_and_right_are_calibrated():
    assert metrics.calibration_error(np.ones(9), np.ones(9)) == 0
    assert metrics.calibration_error(np.ones(9), np.zeros(9)) == 1
