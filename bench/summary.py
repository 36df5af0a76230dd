"""From seconds and accuracies to what is reported."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np
from contenders import WIDTH, Setting

from quickstudy.metrics import over_seeds

Key = tuple[str, str]  # library, precision
Times = dict[Key, list[list[tuple[float, float]]]]  # by session and round: seconds, and those of them spent on sampling
Scores = dict[Key, list[np.ndarray]]  # by session: (tasks,) accuracies


def comparison(key: Key, peer: Key, times: Times, scores: Scores, setting: Setting) -> dict[str, Any]:
    """Ours in this precision against the peer as it ships, in float32; beside it the peer under autocast."""
    found = ratios(times, key, peer)
    record = {
        "work": f"prototypical training, {setting.way}-way {setting.shot}-shot, {setting.query} queries a class, "
        f"Conv4 with {WIDTH} filters, Omniglot in memory",
        "unit": "episodes/s",
        "precision": key[1],
        "peer": peer[0],
        "peer_precision": peer[1],
        "ours": rate(times[key], setting.episodes),
        "theirs": rate(times[peer], setting.episodes),
        "ratio": statistics.median(pooled(found)),
        "ratio_quartiles": statistics.quantiles(pooled(found), n=4)[::2],
        "ratios_by_session": [[round(ratio, 3) for ratio in part] for part in found],
        "rounds": sum(map(len, found)),
        "episodes_a_round": setting.episodes,
        "sampling_share": {"ours": sampling(times[key]), "theirs": sampling(times[peer])},
    }
    if key[1] != peer[1]:
        same = ratios(times, key, (peer[0], key[1]))
        record["ratio_to_peer_in_the_same_precision"] = statistics.median(pooled(same))
    return record | agreement(scores[key], scores[peer])


def agreement(ours: list[np.ndarray], theirs: list[np.ndarray]) -> dict[str, Any]:
    """Accuracies with 95 % intervals over test tasks and trainings. They agree if they differ by less than both."""
    mine, yours, difference = over_seeds(ours), over_seeds(theirs), over_seeds(np.subtract(ours, theirs))
    return {
        "accuracy_ours": list(mine),
        "accuracy_theirs": list(yours),
        "accuracy_difference": list(difference),
        "accuracy_agrees": abs(difference.mean) <= float(np.hypot(mine.interval95, yours.interval95)),
    }


def ratios(times: Times, key: Key, peer: Key) -> list[list[float]]:
    """How many times faster, by session and round."""
    sessions = zip(times[key], times[peer], strict=True)
    return [[b / a for (a, _), (b, _) in zip(ours, theirs, strict=True)] for ours, theirs in sessions]


def pooled(sessions: list[list[float]]) -> list[float]:
    return [ratio for rounds in sessions for ratio in rounds]


def rate(sessions: list[list[tuple[float, float]]], episodes: int) -> float:
    return statistics.median(episodes / seconds for rounds in sessions for seconds, _ in rounds)


def sampling(sessions: list[list[tuple[float, float]]]) -> float:
    """Share of the time."""
    whole, part = np.sum([pair for rounds in sessions for pair in rounds], axis=0)
    return float(part / whole)


def report(record: dict[str, Any]) -> str:
    ours, theirs, shares = record["accuracy_ours"], record["accuracy_theirs"], record["sampling_share"]
    low, high = record["ratio_quartiles"]
    return (
        f"{record['precision']:9}{record['peer']:12} {record['ours']:6.2f} / {record['theirs']:6.2f} episodes/s"
        f"  ratio {record['ratio']:.2f} ({low:.2f} to {high:.2f})"
        f"  sampling {shares['ours']:.2%} / {shares['theirs']:.2%}"
        f"  accuracy {ours[0]:.2%} ± {ours[1]:.2%} / {theirs[0]:.2%} ± {theirs[1]:.2%}"
        f" {'agree' if record['accuracy_agrees'] else 'DIFFER: the ratio does not count'}"
    )
