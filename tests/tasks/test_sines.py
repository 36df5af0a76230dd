"""Sinusoids are what they say they are, by their number."""

import numpy as np
import pytest
import torch
from scipy import stats

from quickstudy.checks import check_tasks
from quickstudy.tasks import sines


def test_battery():
    check_tasks(sines(5, 10), again=sines(5, 10))


def test_values_are_those_of_the_curve():
    tasks, indices = sines(3, 4, seed=2), range(50)
    for examples in tasks.batch(indices):
        amplitude, phase = torch.from_numpy(tasks.curves(indices)).unbind(1)
        expected = amplitude[:, None, None] * torch.sin(examples.x - phase[:, None, None])
        torch.testing.assert_close(examples.y, expected.float(), rtol=1e-5, atol=1e-5)


def test_shapes():
    task, stacked = sines(3, 4)[7], sines(3, 4).batch([7, 8])
    assert [part.x.shape for part in task] == [part.y.shape for part in task] == [(3, 1), (4, 1)]
    assert stacked.query.x.shape == (2, 4, 1)
    assert {leaf.dtype for part in stacked for leaf in part} == {torch.float32}
    assert sines(3, 4).way == 1


def test_what_is_drawn_is_uniform():
    tasks = sines(1, 1, seed=1)
    amplitude, phase = tasks.curves(range(3000)).T
    x = tasks.batch(range(3000)).query.x.double().flatten().numpy()
    for drawn, low, high in ((amplitude, 0.1, 5), (phase, 0, np.pi), (x, -5, 5)):
        assert stats.kstest(drawn, stats.uniform(low, high - low).cdf).pvalue > 0.01
    assert np.abs(np.corrcoef([amplitude, phase, x]) - np.eye(3)).max() < 0.05


def test_a_seed_has_its_own_sinusoids_whatever_the_number_of_examples():
    few, many, other = sines(1, 2), sines(10, 100), sines(1, 2, seed=1)
    assert np.array_equal(few.curves([3]), many.curves([3]))
    assert torch.equal(few[3].support.x, many[3].support.x[:1])
    assert not set(few.curves(range(100)).flatten()) & set(other.curves(range(100)).flatten())


def test_the_numbers_are_those_of_always():
    """Tasks that change would make every published figure another; NumPy promises the bits."""
    assert sines(1, 1, seed=5).curves([9]).tolist() == [[1.3432466248078159, 2.4082083299823958]]


def test_a_digest_says_which_tasks():
    digests = {tasks.sha256 for tasks in (sines(5, 9), sines(6, 9), sines(5, 8), sines(5, 9, seed=1))}
    assert len(digests) == 4
    assert sines(5, 9).sha256 in digests


@pytest.mark.parametrize("counts", [(0, 1), (1, 0)])
def test_nothing_to_learn_from_or_to_ask_is_refused(counts):
    with pytest.raises(ValueError, match="at least 1"):
        sines(*counts)
