"""What a command is asked about: a run folder, or a learner by name."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quickstudy import data, devices, experiment, learners
from quickstudy.commands.options import parse
from quickstudy.core import Learner
from quickstudy.data import Splits
from quickstudy.experiment import Experiment
from quickstudy.files import FileProblem
from quickstudy.storage import Run

BARE = Experiment(way=5, shot=1)  # the tasks of a learner that was never trained, unless told otherwise


@dataclass(frozen=True)
class Subject:
    """A learner to be measured, and how it came about."""

    learner: str
    name: str  # in tables: a run's says which
    asked: Experiment
    run: Run | None
    options: dict[str, Any]

    def about(self, data: str, pools: Splits) -> dict[str, Any]:
        """What was measured and on which data, as plain values."""
        run = str(self.run.path) if self.run else None
        split = {"split": pools.name, "split_sha256": pools.sha256}
        return {"learner": self.learner, "run": run, "data": data, **split}

    @property
    def answers(self) -> Path | None:
        """Where a long evaluation of a run keeps its answers until they are told, so that a killed one goes on."""
        return self.run.path / "answers.safetensors" if self.run and os.access(self.run.path, os.W_OK) else None

    def build(self, splits: Splits) -> Learner:
        """The learner itself. Raises ValueError for one that has weights and was never trained."""
        if self.run is not None:
            return experiment.trained(self.run, splits)
        made = experiment.learner(self.learner, splits, self.options, way=self.asked.way)
        if any(True for _ in made.parameters()):
            raise ValueError(f"{self.learner} has to be trained first: quickstudy train {self.learner}")
        return made


def subject(text: str, options: Sequence[str] = ()) -> Subject:
    """Raises FileProblem or ValueError where it is neither a run folder nor a learner's name."""
    path = Path(text)
    if text in learners.__all__ and not (path / "config.json").exists():
        return Subject(text, text, BARE, None, parse(options))
    if not path.exists():
        names = ", ".join(learners.__all__)
        raise FileProblem(f"{text} is neither a run folder nor a learner; learners are {names}")
    run = Run.open(path)
    if options:
        raise ValueError(f"{text} was trained with its own options; --options is for learners by name")
    asked = experiment.from_run(run)
    return Subject(asked.learner, f"{asked.learner} ({path.resolve().name})", asked, run, asked.options)


def several(texts: Sequence[str]) -> list[Subject]:
    """As ``subject``, each once; runs in folders of the same name are told by the whole of their paths."""
    found = {text: subject(text) for text in texts}
    names = Counter(one.name for one in found.values())
    spelled = {text: f"{one.learner} ({text})" for text, one in found.items() if names[one.name] > 1}
    return [dataclasses.replace(one, name=spelled.get(text, one.name)) for text, one in found.items()]


def common(subjects: Sequence[Subject], field: str, given: Any) -> Any:
    """What was given, or what all the trained ones share. Raises ValueError where they differ."""
    if given is not None:
        return given
    trained = [s for s in subjects if s.run is not None] or list(subjects)
    values = {getattr(s.asked, field): s.name for s in trained}
    if len(values) > 1:
        differing = ", ".join(f"{name} with {value}" for value, name in values.items())
        raise ValueError(f"the runs were trained with different {field}: {differing}; say which: --{field} VALUE")
    return next(iter(values))


def splits(subjects: Sequence[Subject], name: str | None, split: str | None, size: int | None) -> tuple[str, Splits]:
    """The data that all are measured on, and their name."""
    chosen = common(subjects, "data", name)
    own = name is None
    part = common(subjects, "split", split) if own else split
    side = common(subjects, "size", size) if own else size
    return chosen, data.load(chosen, size=side, split=part).to(devices.best())
