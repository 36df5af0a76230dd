"""Makes shipped weights of a training: ``python docs/ship.py RUN NAME`` after ``quickstudy train ... --out RUN``.

Writes quickstudy/shipped/NAME.safetensors, in half precision, and NAME.json with what these weights reach on test
classes. Temperature and novelty, for when nothing can be left out, are measured on validation classes.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from quickstudy import tasks
from quickstudy.core import Learner
from quickstudy.data import Splits
from quickstudy.estimator import confidence, shipped
from quickstudy.estimator.choosing import of_run
from quickstudy.evaluate import evaluate
from quickstudy.experiment import Experiment, from_run
from quickstudy.recipes.provenance import hardware
from quickstudy.storage import Run, save_tensors, write_json

WAY, QUERY, TASKS, MEASURING = 20, 5, 300, 60
SHOTS = (1, 2, 3, 4, 5)
SETTINGS = ((5, 1), (5, 5), (20, 1), (20, 5))
PARAMETERS = {  # of the command, by the field of the experiment
    "data": "glyphs",
    "split": None,
    "way": 30,
    "shot": 1,
    "steps": 2000,
    "precision": "",
    "seed": 0,
}


def main(path: Path, name: str) -> None:
    run = Run.open(path)
    asked = from_run(run)
    splits = asked.splits()
    taught = of_run(path)
    half = {k: t.half() if t.is_floating_point() else t for k, t in taught.learner.state_dict().items()}
    whole = figures(taught.learner, splits, SETTINGS[2:3])
    taught.learner.load_state_dict({k: t.float() if t.is_floating_point() else t for k, t in half.items()})
    temperatures, novelty = measured(taught.learner, splits)
    recipe = dataclasses.replace(taught.recipe, temperatures=tuple(temperatures), novelty=tuple(novelty))
    target = shipped.folder() / f"{name}.safetensors"
    save_tensors(target, half, {"recipe": recipe.plain()})
    about = {
        "learner": asked.learner,
        "data": f"{asked.data}, split {splits.name}",
        "split_sha256": splits.sha256,
        "kilobytes": round(target.stat().st_size / 1000),
        "figures": figures(taught.learner, splits, SETTINGS),
        "in_single_precision": whole,
        "tasks": TASKS,
        "temperatures": temperatures,
        "command": command(asked),
        "steps": asked.steps,
        "minutes": round(run.metrics["seconds"] / 60, 1),
        "versions": run.config["versions"],
        "hardware": hardware(),
    }
    write_json(target.with_suffix(".json"), about)
    print(target, about["kilobytes"], "kB", about["figures"], whole, temperatures)


def figures(learner: Learner, splits: Splits, settings: Sequence[tuple[int, int]]) -> dict[str, str]:
    """Per cent correct on test classes, with the 95 % interval."""
    found = {}
    for way, shot in settings:
        mean, interval = evaluate(learner, tasks.episodes(splits.test, way, shot, 15), TASKS, shown=0).estimate
        found[f"{way}-way {shot}-shot"] = f"{100 * mean:.2f} ± {100 * interval:.2f} %"
    return found


def measured(learner: Learner, splits: Splits) -> tuple[list[float], list[float]]:
    """The best temperature of validation tasks with 1, 2, ... examples a class, and the novelty of queries at each per
    cent where there is one."""
    found = [answers(learner, tasks.episodes(splits.valid, WAY, shot, QUERY)) for shot in SHOTS]
    temperatures = [round(confidence.best_temperature(logits, y), 4) for logits, y, _ in found]
    shares = np.quantile(found[0][2].numpy(), np.linspace(0, 1, 101))
    return temperatures, [round(float(x), 4) for x in shares]


def answers(learner: Learner, exam: tasks.Episodes) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits, labels and novelty of all queries of the first tasks."""
    said, labels = [], []
    with torch.no_grad():
        for task in (exam[i] for i in range(MEASURING)):
            state = learner.adapt(learner.init(exam.way), task.support)
            said.append(confidence.said(learner, state, task.query.x).double())
            labels.append(task.query.y)
    both = torch.cat(said)
    return both[:, :-1], torch.cat(labels), both[:, -1]


def command(asked: Experiment) -> str:
    """What was typed."""
    given = {key: value for key, value in dataclasses.asdict(asked).items() if key in PARAMETERS}
    words = [f"--{key} {value}" for key, value in given.items() if value != PARAMETERS[key]]
    return " ".join(["quickstudy train", asked.learner, *words])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
