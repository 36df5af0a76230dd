"""How fast prototypical networks train here, in easyfsl and in learn2learn: ``python bench/prototypes.py``.

Every round asks every contender in turn for the same number of episodes; the order turns from round to round. What
counts is the median over the rounds of the ratio within a round. The episodes that are timed are the training: in the
end one evaluator scores the weights of all on the same test tasks, since a faster step that learns less is no faster.
"""

from __future__ import annotations

import argparse
import os
import statistics
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from contenders import CONTENDERS, WIDTH, Setting, parts
from records import save
from tqdm import tqdm
from worker import Worker

from quickstudy.data.omniglot import omniglot
from quickstudy.data.pool import Splits
from quickstudy.evaluate import Evaluation, compare, evaluate
from quickstudy.learners import prototypes
from quickstudy.learners.prototypes import Prototypes
from quickstudy.tasks import Episodes
from quickstudy.train import calibrate

SETTINGS = {"": Setting(5, 1, 15, 40, 300), "60way-": Setting(60, 5, 5, 4, 60)}  # by what stands in the files' names
PRECISIONS = ("float32", "bfloat16")
PACKAGES = ("quickstudy", "torch", "torchvision", "easyfsl", "learn2learn")
CALIBRATION = 50  # training tasks whose statistics batch normalization gets
Key = tuple[str, str]  # library, precision
Times = dict[Key, list[tuple[float, float]]]  # seconds and those of sampling, round by round


def measure(workers: dict[Key, Worker], rounds: int, episodes: int) -> Times:
    """Only one contender works at a time; who comes first changes from round to round."""
    times: Times = {key: [] for key in workers}
    keys = list(workers)
    for turn in tqdm(range(rounds), unit="round"):
        shift = turn % len(keys)
        for key in keys[shift:] + keys[:shift]:
            times[key].append(workers[key].ask("train", episodes))
    return times


def score(worker: Worker, splits: Splits, setting: Setting) -> Evaluation:
    """The contender's weights in our network, normalized by the same training tasks, on the same test tasks."""
    way, shot, query, _, tasks = setting
    learner = prototypes(splits.train.shape, width=WIDTH)
    load(learner, worker)
    calibrate(learner, Episodes(splits.train, way, shot, query, seed=7), range(CALIBRATION))
    return evaluate(learner, Episodes(splits.test, way, shot, query), tasks, name=worker.name)


def load(learner: Prototypes, worker: Worker) -> None:
    """The worker's weights into the learner. Both must then be the same function: the same net in another order."""
    arrays = worker.ask("weights")
    pictures = torch.rand(16, 1, 28, 28)
    with torch.no_grad():
        for own, array in zip(parts(learner), arrays, strict=True):
            own.copy_(torch.from_numpy(array))
        theirs = torch.from_numpy(worker.ask("embed", pictures.numpy()))
        torch.testing.assert_close(learner.embed(pictures), theirs, rtol=1e-3, atol=1e-3)


def ratios(ours: list[tuple[float, float]], theirs: list[tuple[float, float]]) -> list[float]:
    """How many times faster, round by round."""
    return [b / a for (a, _), (b, _) in zip(ours, theirs, strict=True)]


def rate(times: list[tuple[float, float]], episodes: int) -> float:
    return statistics.median(episodes / seconds for seconds, _ in times)


def sampling(times: list[tuple[float, float]]) -> float:
    """Share of the time."""
    return sum(part for _, part in times) / sum(seconds for seconds, _ in times)


def comparison(key: Key, peer: Key, times: Times, scores: dict[Key, Evaluation], setting: Setting) -> dict[str, Any]:
    """Ours in this precision against the peer as it ships, in float32; beside it the peer under autocast."""
    each = ratios(times[key], times[peer])
    low, _, high = statistics.quantiles(each, n=4)
    difference = compare(scores[key], scores[peer])
    joint = sum(scores[k].estimate.interval95 ** 2 for k in (key, peer)) ** 0.5
    episodes = setting.episodes
    record = {
        "work": f"prototypical training, {setting.way}-way {setting.shot}-shot, {setting.query} queries, Conv4 "
        f"{WIDTH} filters, Omniglot in memory",
        "unit": "episodes/s",
        "precision": key[1],
        "peer": peer[0],
        "peer_precision": peer[1],
        "ours": rate(times[key], episodes),
        "theirs": rate(times[peer], episodes),
        "ratio": statistics.median(each),
        "ratio_quartiles": [low, high],
        "rounds": len(each),
        "episodes_a_round": episodes,
        "sampling_share": {"ours": sampling(times[key]), "theirs": sampling(times[peer])},
        "accuracy_ours": list(scores[key].estimate),
        "accuracy_theirs": list(scores[peer].estimate),
        "accuracy_difference": list(difference),
        "accuracy_agrees": abs(difference.mean) <= joint,
    }
    if key[1] != "float32":
        record["ratio_to_peer_in_the_same_precision"] = statistics.median(ratios(times[key], times[peer[0], key[1]]))
    return record


def report(record: dict[str, Any]) -> str:
    ours, theirs = record["accuracy_ours"], record["accuracy_theirs"]
    shares = record["sampling_share"]
    return (
        f"{record['precision']:9}{record['peer']:12} {record['ours']:6.2f} / {record['theirs']:6.2f} episodes/s"
        f"  ratio {record['ratio']:.2f} ({record['ratio_quartiles'][0]:.2f} to {record['ratio_quartiles'][1]:.2f})"
        f"  sampling {shares['ours']:.2%} / {shares['theirs']:.2%}"
        f"  accuracy {ours[0]:.2%} ± {ours[1]:.2%} / {theirs[0]:.2%} ± {theirs[1]:.2%}"
        f" {'agree' if record['accuracy_agrees'] else 'DIFFER: the ratio does not count'}"
    )


def run(name: str, setting: Setting, options: argparse.Namespace) -> None:
    keys = [(library, precision) for library in CONTENDERS for precision in PRECISIONS]
    load = os.getloadavg()[0]
    workers = {key: Worker(key[0], setting, key[1], options.threads, options.rounds) for key in keys}
    times = measure(workers, options.rounds, setting.episodes)
    splits = omniglot()
    scores = {key: score(worker, splits, setting) for key, worker in workers.items()}
    for worker in workers.values():
        worker.stop()
    print(f"\n{setting.way}-way {setting.shot}-shot, {setting.query} queries; {options.rounds} rounds")
    for precision in PRECISIONS:
        for peer in [library for library in CONTENDERS if library != "quickstudy"]:
            record = comparison(("quickstudy", precision), (peer, "float32"), times, scores, setting)
            record |= {"peer_version": version(peer), "threads": options.threads, "load_before": load}
            save(options.out / f"prototypes-{name}{precision}-{peer}.json", record, PACKAGES)
            print(report(record))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    parser.add_argument("--rounds", type=int, default=12, help="multiples of 6: everyone in every place equally often")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--only", choices=("5way", "60way"), help="one of the two settings")
    parser.add_argument("--episodes", type=int, help="in a round, instead of the setting's own number")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for name, setting in SETTINGS.items():
        if options.only in (None, f"{setting.way}way"):
            run(name, setting._replace(episodes=options.episodes or setting.episodes), options)


if __name__ == "__main__":
    main()
