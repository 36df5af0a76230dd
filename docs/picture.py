"""Writes docs/task.png: one task of the demo as its run answered it. ``python docs/picture.py runs/demo``."""

from __future__ import annotations

import sys
from pathlib import Path

from quickstudy import experiment, plot
from quickstudy.evaluate import evaluate
from quickstudy.storage import Run
from quickstudy.tasks import episodes


def main(folder: str) -> None:
    run = Run.open(Path(folder))
    splits = experiment.from_run(run).splits()
    tasks = episodes(splits.test, 10, 1, 4)
    result = evaluate(experiment.trained(run, splits), tasks, 1, shown=1)
    title = f"Ten letters never seen before, one example each: {100 * result.estimate.mean:.0f} % of these named right"
    plot.task(result.shown[0], title=title).savefig(Path(__file__).with_name("task.png"), dpi=110, bbox_inches="tight")


if __name__ == "__main__":
    main(sys.argv[1])
