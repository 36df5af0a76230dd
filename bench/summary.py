"""From seconds and results to what is reported."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np

from quickstudy.metrics import over_seeds

Key = tuple[str, str]  # library, precision
Times = dict[Key, list[list[tuple[float, float]]]]  # by session and round: seconds, and those of them spent on sampling
Scores = dict[Key, list[np.ndarray]]  # by session: (tasks,) accuracies or losses


def comparison(key: Key, peer: Key, times: Times, work: str, unit: str, count: int) -> dict[str, Any]:
    """Ours in this precision against the peer as it ships, in float32; where it ran, the peer under autocast beside it.

    ``count``: how many of the unit's things are in a round.
    """
    found = ratios(times, key, peer)
    record = {
        "work": work,
        "unit": unit,
        "precision": key[1],
        "peer": peer[0],
        "peer_precision": peer[1],
        "ours": rate(times[key], count),
        "theirs": rate(times[peer], count),
        "ratio": statistics.median(pooled(found)),
        "ratio_quartiles": quartiles(pooled(found)),
        "ratios_by_session": [[round(ratio, 3) for ratio in part] for part in found],
        "rounds": sum(map(len, found)),
    }
    alike = (peer[0], key[1])
    if alike != peer and alike in times:
        record["ratio_to_peer_in_the_same_precision"] = statistics.median(pooled(ratios(times, key, alike)))
    return record


def agreement(what: str, ours: list[np.ndarray], theirs: list[np.ndarray]) -> dict[str, Any]:
    """Both with 95 % intervals over test tasks and trainings. They agree if they differ by less than both."""
    mine, yours, difference = over_seeds(ours), over_seeds(theirs), over_seeds(np.subtract(ours, theirs))
    return {
        f"{what}_ours": list(mine),
        f"{what}_theirs": list(yours),
        f"{what}_difference": list(difference),
        f"{what}_agrees": abs(difference.mean) <= float(np.hypot(mine.interval95, yours.interval95)),
    }


def ratios(times: Times, key: Key, peer: Key) -> list[list[float]]:
    """How many times faster, by session and round."""
    sessions = zip(times[key], times[peer], strict=True)
    return [[b / a for (a, _), (b, _) in zip(ours, theirs, strict=True)] for ours, theirs in sessions]


def pooled(sessions: list[list[float]]) -> list[float]:
    return [ratio for rounds in sessions for ratio in rounds]


def quartiles(values: list[float]) -> list[float]:
    """The lower and the upper."""
    return statistics.quantiles(values, n=4)[::2] if len(values) > 1 else 2 * values


def rate(sessions: list[list[tuple[float, float]]], count: int) -> float:
    return statistics.median(count / seconds for rounds in sessions for seconds, _ in rounds)


def sampling(sessions: list[list[tuple[float, float]]]) -> float:
    """Share of the time."""
    whole, part = np.sum([pair for rounds in sessions for pair in rounds], axis=0)
    return float(part / whole)


def report(record: dict[str, Any], what: str, *notes: str) -> str:
    """One line; ``what``: the result that has to agree."""
    ours, theirs = record[f"{what}_ours"], record[f"{what}_theirs"]
    low, high = record["ratio_quartiles"]
    words = [
        f"{record['precision']:9}{record['peer']:12} {record['ours']:6.2f} / {record['theirs']:6.2f} {record['unit']}",
        f"ratio {record['ratio']:.2f} ({low:.2f} to {high:.2f})",
        *notes,
        f"{what} {ours[0]:.4f} ± {ours[1]:.4f} / {theirs[0]:.4f} ± {theirs[1]:.4f}",
    ]
    return "  ".join(words) + (" agree" if record[f"{what}_agrees"] else " DIFFER: the ratio does not count")
