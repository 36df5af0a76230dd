"""Training into a run folder."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from quickstudy import devices, experiment, learners, optimizers, parallel
from quickstudy.commands import optimizer as optimizer_command
from quickstudy.commands.options import parse
from quickstudy.core import Learner
from quickstudy.experiment import Experiment
from quickstudy.files import FileProblem
from quickstudy.storage import Run
from quickstudy.train import Progress

STEPS = 2000


def start(
    learner: str,
    data: str,
    split: str | None,
    size: int | None,
    way: int,
    shot: int,
    query: int,
    length: int | None,
    labels: int | None,
    letters: int | None,
    batch: int,
    steps: int | None,
    minutes: float | None,
    rate: float,
    estimator: str,
    optimizer: str,
    precision: str,
    seed: int,
    options: Sequence[str],
    pretrained: Path | None,
    out: Path | None,
) -> None:
    """``quickstudy train LEARNER``."""
    if not learner:
        raise ValueError(f"name a learner to train: {', '.join(learners.__all__)}; or --resume RUN")
    if steps is not None and minutes is not None:
        raise ValueError("--steps and --minutes are two ways to say how long; give one of them")
    if minutes is not None and minutes <= 0:
        raise ValueError(f"--minutes is a positive time, got {minutes}")
    asked = Experiment(
        learner=learner,
        options=parse(options),
        data=data,
        split=split,
        size=size,
        way=way,
        shot=shot,
        query=query,
        length=length,
        labels=labels,
        letters=letters,
        batch=batch,
        steps=STEPS if steps is None else steps,
        rate=rate,
        precision=devices.native() if precision == "auto" else precision,
        seed=seed,
        estimator=estimator,
        optimizer=optimizer,
        pretrained=str(pretrained) if pretrained else None,
    )
    folder = (
        out
        or Path("runs")
        / f"{learner}-{data.replace('folder:', '').strip('/').split('/')[-1]}-{way}way-{shot}shot-seed{seed}"
    )
    if parallel.agreed((folder / "config.json").exists()):
        raise FileProblem(f"{folder} holds a run already; go on with --resume {folder}, or choose another --out")
    _say(folder, *asked.run(folder, minutes=minutes, progress=sys.stderr.isatty()))


def go_on(folder: Path) -> None:
    """``quickstudy train --resume RUN``."""
    if optimizers.CONFIG in (run := Run.open(folder)).config:
        return optimizer_command.go_on(folder)
    asked = experiment.from_run(run)
    _say(folder, *asked.run(folder, progress=sys.stderr.isatty()))


def _say(folder: Path, learner: Learner, done: Progress) -> None:
    if not parallel.main():
        return
    best = done.best or {"score": float("nan"), "step": done.step}
    kept = f"the weights of step {best['step']:.0f}, {100 * best['score']:.2f} % on validation classes"
    print(f"kept: {kept}; run folder: {folder}")
    page = f"instances {folder} --out {folder / 'instances.html'}"
    looks = [page] if learner.reads == "sequences" else [f"evaluate {folder}", f"report {folder}"]
    print("next: " + "   |   ".join(f"quickstudy {look}" for look in looks), file=sys.stderr)
