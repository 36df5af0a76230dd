"""Pure functions of outcomes: accuracies, intervals, calibration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Estimate(NamedTuple):
    """A mean with the half-width of its 95 % interval."""

    mean: float
    interval95: float


def known(value: float) -> float | None:
    """None for what is no number, since JSON has none."""
    return value if math.isfinite(value) else None


def estimate(values: ArrayLike) -> Estimate:
    """Mean over tasks and its interval by Student's t: of many tasks 1.96 standard errors, as the papers report it, of
    five 2.78. The interval is nan for a single task, and where a value is infinite."""
    scores = np.asarray(values, dtype=np.float64)
    if scores.size == 0:
        raise ValueError("no values to estimate a mean from; evaluate at least one task")
    return Estimate(float(scores.mean()), _student(scores.size - 1) * standard_error(scores))


def standard_error(values: ArrayLike) -> float:
    """Of the mean; nan for a single value, and where one is infinite."""
    scores = np.asarray(values, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return float(scores.std(ddof=1) / np.sqrt(scores.size)) if scores.size > 1 else float("nan")


def _student(freedom: int) -> float:
    """How many standard errors from the mean 95 % of Student's distribution end; nan for no degree of freedom."""
    from scipy.special import stdtrit  # heavy, and a prediction has no interval

    return float(stdtrit(freedom, 0.975)) if freedom else float("nan")


def over_seeds(values: ArrayLike) -> Estimate:
    """Mean of (seeds, tasks) scores of the same tasks. From two seeds on, the interval covers the draw of the tasks and
    that of the seeds: the root of the sum of the squares of both intervals (Zou & Donner, 2008). That of two seeds is
    12.7 of their standard errors, that of five 2.78."""
    scores = np.atleast_2d(np.asarray(values, dtype=np.float64))
    tasks = estimate(scores.mean(axis=0))
    if len(scores) == 1:
        return tasks
    seeds = estimate(scores.mean(axis=1))
    return Estimate(tasks.mean, float(np.hypot(tasks.interval95, seeds.interval95)))


def pooled(estimates: Sequence[Estimate]) -> Estimate:
    """``over_seeds`` where only each seed's own mean and interval are known: its interval at most."""
    means, halves = zip(*estimates, strict=True)
    if len(means) == 1:
        return estimates[0]
    seeds = estimate(means)
    return Estimate(seeds.mean, float(np.hypot(np.mean(halves), seeds.interval95)))


def paired(a: ArrayLike, b: ArrayLike) -> Estimate:
    """The mean difference a - b over the same tasks. Raises ValueError where they are not as many."""
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError(f"a paired difference needs the same tasks, got {first.shape} and {second.shape} scores")
    return estimate(first - second)


def reliability(
    confidence: ArrayLike, right: ArrayLike, *, bins: int = 10
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(bins,) mean confidence, share right, and number of answers, by confidence from 0 to 1; nan where empty."""
    sure, hit = np.asarray(confidence, dtype=np.float64).ravel(), np.asarray(right, dtype=np.float64).ravel()
    place = np.clip((sure * bins).astype(int), 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        means = np.bincount(place, sure, bins) / count
        shares = np.bincount(place, hit, bins) / count
    return means, shares, count


def calibration_error(confidence: ArrayLike, right: ArrayLike, *, bins: int = 10) -> float:
    """Expected calibration error (Naeini et al., 2015): the mean gap of confidence and accuracy over equal bins."""
    means, shares, count = reliability(confidence, right, bins=bins)
    full = count > 0
    return float((np.abs(means - shares)[full] * count[full]).sum() / count.sum())


def of_a_life(accuracy: ArrayLike) -> dict[str, float | None]:
    """Measures of an accuracy matrix (contexts + 1, contexts), whose row i is after i contexts (Lopez-Paz & Ranzato,
    2017; Chaudhry et al., 2018).

    ``average_accuracy``: of all contexts at the end; ``learning_accuracy``: of each, right after it; ``forgetting``:
    how far each but the last is below its best since it came and before the end, negative where it has only got better;
    ``backward_transfer``: how far above its learning accuracy; ``forward_transfer``: how far above the untrained
    learner right before it came. The last three are None of a single context.
    """
    r = np.asarray(accuracy, dtype=np.float64)
    if r.ndim != 2 or len(r) != r.shape[1] + 1:
        raise ValueError(f"needs (contexts + 1, contexts) accuracies, got {r.shape}")
    first, after, end = r[0], r[1:], r[-1]
    learned, before = np.diag(after), np.diag(r[:-1])
    best = np.array([column[i:-1].max(initial=-np.inf) for i, column in enumerate(after.T)])
    return {
        "average_accuracy": float(end.mean()),
        "learning_accuracy": float(learned.mean()),
        "forgetting": _mean((best - end)[:-1]),
        "backward_transfer": _mean((end - learned)[:-1]),
        "forward_transfer": _mean((before - first)[1:]),
    }


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None
