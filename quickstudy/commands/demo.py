"""The demo: meta-train on some scripts, then read letters of others from one example each."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from quickstudy import devices, learners
from quickstudy.commands.evaluate import table, write_page
from quickstudy.evaluate import evaluate
from quickstudy.experiment import Experiment
from quickstudy.tasks import episodes
from quickstudy.train import Progress

WAY = 20


def run(out: Path, minutes: float, tasks: int) -> None:
    """Trains (or goes on with) the run in ``out``, compares it with the plain baselines, writes the page."""
    if minutes <= 0 or tasks < 1:
        raise ValueError(f"--minutes is a positive time, and --tasks at least 1, got {minutes} and {tasks}")
    asked = Experiment(way=30, precision=devices.native(), validations=5)
    pools = asked.splits()
    print(f"learning to learn from {len(pools.train)} characters of {_scripts(pools.train.names)}", file=sys.stderr)
    learner, done = asked.run(out, minutes=minutes, progress=sys.stderr.isatty())
    print(f"now {len(pools.test)} characters of scripts never seen: {_scripts(pools.test.names)}", file=sys.stderr)
    drawn = episodes(pools.test, WAY, 1, 10)
    shape = pools.test.shape
    rivals = {"prototypes": learner, "neighbours": learners.neighbours(shape), "density": learners.density(shape)}
    results = [evaluate(rival, drawn, tasks, name=name, progress=sys.stderr.isatty()) for name, rival in rivals.items()]
    page = out / "report.html"
    write_page(page, "Letters never seen before, from one example each", results, "glyphs", pools, _curves(done))
    print(table(results))
    print(f"\npage: {page.resolve()}")


def _curves(done: Progress) -> dict[str, list[dict[str, float]]]:
    return {"prototypes": done.curve}


def _scripts(names: tuple[str, ...]) -> str:
    scripts = sorted({name.split("/")[0] for name in names})
    width = shutil.get_terminal_size().columns
    text = ", ".join(scripts)
    return text if len(text) < width else f"{len(scripts)} scripts"
