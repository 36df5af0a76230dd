"""How fast prototypical networks train here, in easyfsl and in learn2learn: ``python bench/prototypes.py``.

Every round asks every contender in turn for the same number of episodes; the order turns from round to round. The
episodes that are timed are a whole training, after which one evaluator scores everybody's weights on the same test
tasks: a faster step that learns less is no faster. This is repeated in fresh processes with another seed, for a
process keeps for life how its allocator happened to settle, and that alone moves a peer by a quarter.
"""

from __future__ import annotations

import argparse
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contenders import CONTENDERS, WARM_UP, WIDTH, Setting, build
from records import save
from summary import Key, Scores, Times, agreement, comparison, report, sampling
from tqdm import tqdm
from weights import put
from worker import Worker, measure

from quickstudy.data.omniglot import omniglot
from quickstudy.data.pool import Splits
from quickstudy.evaluate import evaluate
from quickstudy.learners import prototypes
from quickstudy.learners.prototypes import Prototypes
from quickstudy.tasks import Episodes
from quickstudy.train import calibrate

SETTINGS = {  # by what stands in the files' names
    "": Setting(5, 1, 15, rounds=5, episodes=40, tasks=150),
    "60way-": Setting(60, 5, 5, rounds=3, episodes=4, tasks=20),
}
PRECISIONS = ("float32", "bfloat16")
PACKAGES = ("quickstudy", "torch", "torchvision", "easyfsl", "learn2learn")
CALIBRATION = 20  # training tasks whose statistics batch normalization gets


def session(setting: Setting, splits: Splits, seed: int, threads: int, times: Times, scores: Scores) -> None:
    """One training by each contender, timed, then scored; appended to ``times`` and ``scores``."""
    workers = {key: Worker(key[0], threads, build, *key, setting, seed) for key in times}
    for worker in workers.values():
        worker.ask("train", WARM_UP)
    measured = measure(workers, setting.rounds, setting.episodes)
    for key, worker in workers.items():
        times[key].append(measured[key])
        scores[key].append(score(worker, splits, setting))
        worker.stop()


def score(worker: Worker, splits: Splits, setting: Setting) -> np.ndarray:
    """(tasks,) accuracies of the contender's weights in our network, normalized by the same training tasks."""
    learner = prototypes(splits.train.shape, width=WIDTH)
    load(learner, worker)
    calibrate(learner, Episodes(splits.train, *setting[:3], seed=7), range(CALIBRATION))
    return evaluate(learner, Episodes(splits.test, *setting[:3]), setting.tasks).accuracy


def load(learner: Prototypes, worker: Worker) -> None:
    """The worker's weights into the learner. Both must then be the same function: the same net in another order."""
    put(map(torch.from_numpy, worker.ask("weights")), learner)
    pictures = torch.rand(16, 1, 28, 28)
    theirs = torch.from_numpy(worker.ask("features", pictures.numpy()))
    with torch.no_grad():
        torch.testing.assert_close(learner.embed(pictures), theirs, rtol=1e-3, atol=1e-3)


def run(name: str, setting: Setting, options: argparse.Namespace) -> None:
    load_before, splits = os.getloadavg()[0], omniglot()
    keys = [(library, precision) for library in CONTENDERS for precision in PRECISIONS]
    times, scores = {key: [] for key in keys}, {key: [] for key in keys}
    for seed in tqdm(range(options.sessions), unit="session", desc=f"{setting.way}-way"):
        session(setting, splits, seed, options.threads, times, scores)
    for precision in PRECISIONS:
        for peer in [library for library in CONTENDERS if library != "quickstudy"]:
            record = compared(("quickstudy", precision), (peer, "float32"), times, scores, setting)
            record |= {"peer_version": version(peer), "threads": options.threads, "load_before": load_before}
            save(options.out / f"prototypes-{name}{precision}-{peer}.json", record, PACKAGES)
            shares = record["sampling_share"]
            print(report(record, "accuracy", f"sampling {shares['ours']:.2%} / {shares['theirs']:.2%}"))


def compared(key: Key, peer: Key, times: Times, scores: Scores, setting: Setting) -> dict[str, Any]:
    """The record of one comparison."""
    work = (
        f"prototypical training, {setting.way}-way {setting.shot}-shot, {setting.query} queries a class, "
        f"Conv4 with {WIDTH} filters, Omniglot in memory"
    )
    more = {
        "episodes_a_round": setting.episodes,
        "sampling_share": {"ours": sampling(times[key]), "theirs": sampling(times[peer])},
    }
    speeds = comparison(key, peer, times, work, "episodes/s", setting.episodes)
    return speeds | more | agreement("accuracy", scores[key], scores[peer])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    parser.add_argument("--sessions", type=int, default=3, help="fresh processes, each with a training of its own")
    parser.add_argument("--rounds", type=int, help="in a session, instead of the setting's own number")
    parser.add_argument("--episodes", type=int, help="in a round, instead of the setting's own number")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--only", choices=("5way", "60way"), help="one of the two settings")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    given = {field: getattr(options, field) for field in ("rounds", "episodes") if getattr(options, field)}
    for name, setting in SETTINGS.items():
        if options.only in (None, f"{setting.way}way"):
            run(name, setting._replace(**given), options)


if __name__ == "__main__":
    main()
