"""Meta-training of an optimizer into a run folder."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quickstudy.commands.options import parse
from quickstudy.files import FileProblem
from quickstudy.optimizers import Training, from_run
from quickstudy.storage import Run
from quickstudy.train import Progress


def start(options: Sequence[str], out: Path | None, **asked: Any) -> None:
    """``quickstudy train learned-optimizer``."""
    training = Training(options=parse(options), **asked)
    folder = out or Path("runs") / f"{training.rule}-{training.problem}-seed{training.seed}"
    if (folder / "config.json").exists():
        raise FileProblem(f"{folder} holds a run already; go on with --resume {folder}, or choose another --out")
    _say(folder, training.run(folder, progress=sys.stderr.isatty())[1])


def go_on(folder: Path) -> None:
    """``quickstudy train learned-optimizer --resume RUN``."""
    _say(folder, from_run(Run.open(folder)).run(folder, progress=sys.stderr.isatty())[1])


def _say(folder: Path, done: Progress) -> None:
    best = done.best or {"score": float("nan"), "step": done.step}
    print(f"best loss at the end of validation descents: {-best['score']:.4g} at step {best['step']:.0f}")
    print(f"next: quickstudy.optim.LearnedOptimizer(net.parameters(), {str(folder)!r})", file=sys.stderr)
