"""What a measurement is written down with: where, with what and by which command it was made."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from quickstudy import devices
from quickstudy.files import write
from quickstudy.recipes.provenance import commit, hardware

ROOT = Path(__file__).resolve().parent.parent


def save(path: Path, record: dict[str, Any], packages: tuple[str, ...] = ("torch",)) -> None:
    """One comparison as JSON, with the circumstances."""
    write(path, json.dumps(record | circumstances(packages), indent=2) + "\n")


def on_one_thread(doc: str, rounds: int) -> argparse.Namespace:
    """What is asked at the command line, ``out`` and ``rounds``; what follows is measured on one thread."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    parser.add_argument("--rounds", type=int, default=rounds)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    devices.prepare()
    return asked


def compared_in_turn(
    ours: Callable[[], float], theirs: Callable[[], float], *, rounds: int, warm: int
) -> dict[str, Any]:
    """Both sides' seconds, measured in turn after ``warm`` rounds that do not count: medians, the median ratio of a
    round, and its quartiles."""
    seconds = [(ours(), theirs()) for _ in range(rounds + warm)][warm:]
    ratios = [yours / mine for mine, yours in seconds]
    mine, yours = (statistics.median(column) for column in zip(*seconds, strict=True))
    return {
        "precision": "float32",
        "ours": mine,
        "theirs": yours,
        "ratio": statistics.median(ratios),
        "ratio_quartiles": statistics.quantiles(ratios, n=4)[::2] if rounds > 1 else 2 * ratios,
        "rounds": rounds,
    }


def circumstances(packages: tuple[str, ...]) -> dict[str, Any]:
    return {
        "command": f"python {Path(sys.argv[0]).resolve().relative_to(ROOT)} {' '.join(sys.argv[1:])}".strip(),
        "commit": commit(),
        "versions": {"python": platform.python_version()} | {p: importlib.metadata.version(p) for p in packages},
        "hardware": hardware(),
    }
