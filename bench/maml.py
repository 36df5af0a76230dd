"""How fast second-order MAML learns here, in learn2learn, higher, torchopt and a plain loop: ``python bench/maml.py``.

Before anything is timed, everybody's gradients for the same tasks at the same weights are compared with those of a
plain loop in double precision: whoever is off gets no ratio. Rounds and sessions are those of ``prototypes.py``.
"""

from __future__ import annotations

import argparse
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import growth
import numpy as np
import torch
from records import save
from second_order import (
    CONTENDERS,
    SETTINGS,
    SHOT,
    WARM_UP,
    WAY,
    Setting,
    build,
    each,
    network,
    query_loss,
)
from summary import Key, Scores, Times, agreement, comparison, report
from torch import nn
from tqdm import tqdm
from weights import put
from worker import Worker, measure

from quickstudy.data.omniglot import omniglot
from quickstudy.tasks import episodes

OURS = [("quickstudy", "float32"), ("quickstudy", "bfloat16")]
PEERS = [(name, "float32") for name in CONTENDERS if name != "quickstudy"]
ALLOWED = 1e-3  # of the largest gradient, between float32 and float64
PACKAGES = ("quickstudy", "torch", "torchvision", "learn2learn", "higher", "torchopt")


class Found(NamedTuple):
    """What the sessions brought, by contender and session."""

    times: Times
    losses: Scores
    errors: dict[Key, list[float]]
    peaks: dict[Key, list[float]]  # MB


def session(setting: Setting, seed: int, threads: int, found: Found) -> None:
    """One training by each contender: gradients checked, updates timed, weights scored."""
    workers = {key: Worker(key[0], threads, build, *key, setting, seed) for key in (*OURS, *PEERS)}
    indices, exact = reference(setting, seed, threads)
    for key, worker in workers.items():
        loaded(worker)
        found.errors[key].append(error(worker.ask("gradients", indices), exact))
        worker.ask("train", WARM_UP)
    measured = measure(workers, setting.rounds, setting.updates)
    for key, worker in workers.items():
        found.times[key].append(measured[key])
        found.peaks[key].append(worker.ask("memory")["peak"])
        found.losses[key].append(score(loaded(worker), setting))
        worker.stop()


def reference(setting: Setting, seed: int, threads: int) -> tuple[list[int], list[np.ndarray]]:
    """Tasks on which gradients can be compared, and the plain loop's gradients for them in double precision."""
    worker = Worker("reference", threads, build, "torch", "float64", setting, seed)
    indices = worker.ask("smooth")
    gradients = worker.ask("gradients", indices)
    worker.stop()
    return indices, gradients


def error(gradients: list[np.ndarray], exact: list[np.ndarray]) -> float:
    """The largest difference, relative to the largest gradient."""
    differences = [np.abs(a - b).max() for a, b in zip(gradients, exact, strict=True)]
    return float(max(differences) / max(np.abs(b).max() for b in exact))


def loaded(worker: Worker) -> nn.Module:
    """The plain network with the worker's weights. Both must then be the same function."""
    net, pictures = network(), torch.rand(16, 1, 28, 28)
    put(map(torch.from_numpy, worker.ask("weights")), net)
    with torch.no_grad():
        theirs = torch.from_numpy(worker.ask("answers", pictures.numpy()))
        torch.testing.assert_close(net(pictures), theirs, rtol=1e-3, atol=1e-3)
    return net


def score(net: nn.Module, setting: Setting) -> np.ndarray:
    """(tasks,) losses on the queries of test tasks, after adapting to each."""
    tasks = episodes(omniglot().test, WAY, SHOT, setting.query).batch(range(setting.held_out))
    return np.array([query_loss(net, task, setting.steps).item() for task in each(tasks)])


def run(name: str, setting: Setting, options: argparse.Namespace) -> None:
    load_before, found = os.getloadavg()[0], Found(*({key: [] for key in (*OURS, *PEERS)} for _ in Found._fields))
    for seed in tqdm(range(options.sessions), unit="session", desc=name):
        session(setting, seed, options.threads, found)
    for key, peer in ((key, peer) for key in OURS for peer in PEERS):
        wrong = {name: max(found.errors[name, p]) for name, p in (key, peer) if p == "float32"}
        if max(wrong.values()) > ALLOWED:
            print(f"{key[1]:9}{peer[0]:12} no ratio: gradients off by {wrong}, allowed are {ALLOWED}")
            continue
        record = compared(key, peer, found, setting)
        record |= {"peer_version": version(peer[0]), "threads": options.threads, "load_before": load_before}
        save(options.out / f"maml-{name}-{key[1]}-{peer[0]}.json", record, PACKAGES)
        print(report(record, "loss", "gradients off by {ours:.1e} / {theirs:.1e}".format(**record["gradient_error"])))


def compared(key: Key, peer: Key, found: Found, setting: Setting) -> dict[str, Any]:
    """The record of one comparison. In bfloat16 the gradients are not exact, and the record says so."""
    exact = key[1] == "float32"
    work = setting.work if exact else f"{setting.work}, inexact"
    more = {
        "exact": exact,
        "updates_a_round": setting.updates,
        "gradient_error": {"ours": max(found.errors[key]), "theirs": max(found.errors[peer])},
        "peak_memory_mb": {"ours": max(found.peaks[key]), "theirs": max(found.peaks[peer])},
    }
    speeds = comparison(key, peer, found.times, work, "updates/s", setting.updates)
    return speeds | more | agreement("loss", found.losses[key], found.losses[peer])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    parser.add_argument("--sessions", type=int, default=3, help="fresh processes, each with a training of its own")
    parser.add_argument("--rounds", type=int, help="in a session, instead of the setting's own number")
    parser.add_argument("--updates", type=int, help="in a round, instead of the setting's own number")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--only", choices=(*SETTINGS, "growth"), help="one of the parts")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    given = {field: getattr(options, field) for field in ("rounds", "updates") if getattr(options, field)}
    for name, setting in SETTINGS.items():
        if options.only in (None, name):
            run(name, setting._replace(**given), options)
    if options.only in (None, "growth"):
        save(options.out / "maml-growth.json", growth.record(options.threads, given), PACKAGES)


if __name__ == "__main__":
    main()
