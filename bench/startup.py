"""How long one waits before anything happens: ``python bench/startup.py``. Medians over fresh processes."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from records import save

OMNIGLOT = """
import time
from quickstudy.data.omniglot import omniglot
begun = time.perf_counter()
omniglot()
print(time.perf_counter() - begun)
"""
FIRST_STEP = """
from quickstudy.learners import maml_regressor
from quickstudy.tasks import sines
from quickstudy.train import train
train(maml_regressor(), sines(5, 5), steps=1)
"""
TORCH = [sys.executable, "-c", "import torch"]


class Start(NamedTuple):
    """A command, and the seconds it may take; ``inside``: it prints the seconds that count."""

    work: str
    command: list[str]
    limit: float | None = None
    inside: bool = False


STARTS = {
    "import": Start("import quickstudy", [sys.executable, "-c", "import quickstudy"], 2.0),
    "import-train": Start(
        "import everything that a training uses",
        [sys.executable, "-c", "from quickstudy import data, evaluate, learners, tasks, train"],
    ),
    "first-step": Start("import what trains MAML on sinusoids, one step", [sys.executable, "-c", FIRST_STEP]),
    "help": Start("quickstudy --help", [sys.executable, "-m", "quickstudy", "--help"], 1.0),
    "omniglot": Start("load Omniglot from the cache", [sys.executable, "-c", OMNIGLOT], 1.0, inside=True),
}


def seconds(start: Start) -> float:
    """Of one fresh process."""
    begun = time.perf_counter()
    done = subprocess.run(start.command, capture_output=True, text=True, check=False)
    whole = time.perf_counter() - begun
    if done.returncode:
        raise SystemExit(f"{start.work} failed:\n{done.stderr}")
    return float(done.stdout) if start.inside else whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    scale = Start("import torch", TORCH)
    for start in (*STARTS.values(), scale):  # once, so that files are in memory and Omniglot is decoded
        seconds(start)
    rounds = [{name: seconds(s) for name, s in (STARTS | {"torch": scale}).items()} for _ in range(options.rounds)]
    theirs = statistics.median(each["torch"] for each in rounds)
    for name, start in STARTS.items():
        ours = statistics.median(each[name] for each in rounds)
        record = {
            "work": start.work,
            "unit": "seconds",
            "ours": ours,
            "limit": start.limit,
            "within_limit": start.limit is None or ours < start.limit,
            "peer": "import torch, for scale",
            "theirs": theirs,
            "ratio": statistics.median(each["torch"] / each[name] for each in rounds),
            "rounds": options.rounds,
            "load_before": load,
        }
        save(options.out / f"startup-{name}.json", record, ("quickstudy", "torch", "numpy"))
        allowed = f"of {start.limit} s allowed" if start.limit else ""
        print(f"{start.work:40} {ours:6.3f} s {allowed:20} import torch: {theirs:.3f} s")


if __name__ == "__main__":
    main()
