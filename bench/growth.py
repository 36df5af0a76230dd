"""How the seconds and the memory of a MAML update grow with its tasks and with the inner steps."""

from __future__ import annotations

import os
import statistics
from importlib.metadata import version
from typing import Any

import numpy as np
from second_order import SETTINGS, WARM_UP, Setting, build
from summary import Key
from tqdm import tqdm
from worker import Worker, measure

TASKS, STEPS = (1, 2, 4, 8, 16, 32, 64, 128), (1, 2, 5, 10, 20)
OURS, PEER, INEXACT = ("quickstudy", "float32"), ("learn2learn", "float32"), ("quickstudy", "bfloat16")


def record(threads: int, given: dict[str, int]) -> dict[str, Any]:
    """All points, each measured in fresh processes; at the top what the largest number of tasks came to."""
    load_before = os.getloadavg()[0]
    wide = [Setting(1, 15, tasks, rounds=3, updates=max(1, 16 // tasks)) for tasks in TASKS]
    long = [Setting(steps, 15, rounds=3) for steps in STEPS]
    usual = [setting._replace(rounds=1, updates=3) for setting in SETTINGS.values()]
    with tqdm(total=len(wide + long + usual), unit="point", desc="growth") as bar:
        tasks, steps = ([point(s._replace(**given), threads, bar, OURS, PEER) for s in part] for part in (wide, long))
        memory = [point(s._replace(**given), threads, bar, OURS, INEXACT) for s in usual]
    ours, theirs = (tasks[-1][" ".join(key)]["seconds"] for key in (OURS, PEER))
    return {
        "work": wide[-1].work,
        "unit": "updates/s",
        "precision": OURS[1],
        "peer": PEER[0],
        "peer_version": version(PEER[0]),
        "ours": 1 / ours,
        "theirs": 1 / theirs,
        "ratio": theirs / ours,
        "rounds": given.get("rounds", wide[-1].rounds),
        "growth": {"tasks": exponents(tasks, "tasks"), "steps": exponents(steps, "steps")},
        "by_tasks": tasks,
        "by_steps": steps,
        "memory": memory,
        "threads": threads,
        "load_before": load_before,
    }


def point(setting: Setting, threads: int, bar: tqdm, *keys: Key) -> dict[str, Any]:
    """Median seconds an update, and MB of the process before the first one and at most."""
    workers = {key: Worker(key[0], threads, build, *key, setting) for key in keys}
    before = {key: worker.ask("memory")["now"] for key, worker in workers.items()}
    for worker in workers.values():
        worker.ask("train", WARM_UP)
    measured = measure(workers, setting.rounds, setting.updates)
    found: dict[str, Any] = {"tasks": setting.tasks, "steps": setting.steps, "queries": setting.query}
    for key, worker in workers.items():
        seconds = statistics.median(whole / setting.updates for whole, _ in measured[key])
        memory = {"memory_before_mb": before[key], "peak_memory_mb": worker.ask("memory")["peak"]}
        found[" ".join(key)] = {"seconds": seconds, **memory}
        worker.stop()
    bar.update()
    return found


def exponents(points: list[dict[str, Any]], what: str) -> dict[str, float]:
    """p of seconds ~ n^p, by least squares over the logarithms: 1 where twice as much takes twice as long."""
    sizes = np.log([point[what] for point in points])
    seconds = {key: np.log([point[" ".join(key)]["seconds"] for point in points]) for key in (OURS, PEER)}
    return {" ".join(key): float(np.polyfit(sizes, values, 1)[0]) for key, values in seconds.items()}
