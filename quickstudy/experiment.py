"""What a run was asked to do, as plain values that a folder can keep and a command line can give."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from quickstudy import data, devices, learners, outer, parallel, pretrained
from quickstudy.core import Learner
from quickstudy.data import Splits
from quickstudy.data.pool import Pool
from quickstudy.evaluate import accuracies
from quickstudy.files import FileProblem
from quickstudy.instances import accuracies as of_streams
from quickstudy.kinds import check_fields, check_options
from quickstudy.rules.applied import Applied
from quickstudy.storage import Run
from quickstudy.tasks import Batches, Episodes, Sequences, batches, episodes, sequences
from quickstudy.train import Progress, calibrate, pace, slow_weights, train

CALIBRATION = range(2**40, 2**40 + 16)  # training tasks that training itself will not reach
VALIDATION_TASKS = 60
MEETINGS = 10  # of each class in a stream, on average, unless its length is given


@dataclass(frozen=True)
class Experiment:
    """One training: a learner, the data, the episodes, the budget."""

    learner: str = "prototypes"
    options: dict[str, Any] = field(default_factory=dict)  # of the learner's function
    data: str = "glyphs"
    split: str | None = None
    size: int | None = None
    way: int = 30
    shot: int = 1
    query: int = 5
    batch: int = 1  # tasks a step
    steps: int = 2000
    rate: float = 1e-3
    precision: str = "float32"
    seed: int = 0
    validations: int = 10
    calibrated: bool = True  # batch statistics averaged over training tasks, so that evaluation is inductive
    estimator: str = "unroll"
    optimizer: str = "adam"
    length: int | None = None  # of a stream, for learners that read those; ten times way unless given
    labels: int | None = None  # that a stream's classes may get; as many as classes unless given
    letters: int | None = None  # of the strings that labels are, as frequent as each other in training
    pretrained: str | None = None  # the folder of a run with whose net the training begins

    def splits(self) -> Splits:
        return data.load(self.data, size=self.size, split=self.split).to(devices.best())

    def build(self, splits: Splits, classes: int | None = None) -> Learner:
        """The learner before training, on so many classes, those of the splits unless given. Raises ValueError for a
        name or an option that does not exist."""
        way = self.way if self.labels is None else self.labels
        with devices.seeded(self.seed):
            return learner(self.learner, splits, self.options, way=way, classes=classes)

    def tasks(self, splits: Splits, learner: Learner) -> Episodes | Batches | Sequences:
        """What it is trained on: episodes, labelled batches of as many pictures, or streams."""
        if learner.reads == "sequences":
            return self.streams(splits.train, letters=self.letters, seed=self.seed)
        if any(given is not None for given in (self.length, self.labels, self.letters)):
            raise ValueError(
                f"{self.learner} reads {learner.reads}; length, labels and letters are for learners of sequences"
            )
        if learner.reads == "episodes":
            return episodes(splits.train, self.way, self.shot, self.query, seed=self.seed)
        return batches(splits.train, self.way * (self.shot + self.query), seed=self.seed)

    def streams(self, pool: Pool, *, letters: int | None = None, seed: int = 0) -> Sequences:
        """Streams as long as those of the training, with as many classes and labels."""
        length = MEETINGS * self.way if self.length is None else self.length
        return sequences(pool, self.way, length, labels=self.labels, letters=letters, seed=seed)

    def validation(self, splits: Splits, learner: Learner) -> Episodes | Sequences:
        """Tasks of validation classes, which alone decide which weights are kept."""
        if learner.reads == "sequences":
            return self.streams(splits.valid)
        way = usual_way(learner, self.way, min(20, len(splits.valid)))
        return episodes(splits.valid, way, self.shot, min(self.query, 5))

    def scores(self, splits: Splits, learner: Learner) -> np.ndarray:
        """(VALIDATION_TASKS,) the accuracy on each validation task."""
        if self.calibrated:
            calibrate(learner, self.tasks(splits, learner), CALIBRATION)
        exam = self.validation(splits, learner)
        if isinstance(exam, Sequences):
            return of_streams(learner, exam, VALIDATION_TASKS)
        return accuracies(learner, exam, VALIDATION_TASKS)

    def run(
        self, folder: Path | str, *, minutes: float | None = None, progress: bool = False
    ) -> tuple[Learner, Progress]:
        """Trains into the folder, or goes on with what the folder holds. A time budget is turned into steps once."""
        folder = Path(folder)
        if min(self.steps, self.batch) < 1:
            raise ValueError(f"steps and batch are at least 1, got {self.steps} and {self.batch}")
        check_seed(self.seed)
        devices.prepare()
        with parallel.main_first():
            splits = self.splits()
        fresh = self.build(splits)
        tasks = self.tasks(splits, fresh)
        slow_weights(fresh)  # this and the next five refuse what cannot work before a folder is made
        Applied(fresh, self.optimizer, rate=self.rate)
        outer.estimator(self.estimator).check(fresh, fresh.objective(tasks.way))
        self.validation(splits, fresh)
        parallel.shard(range(self.batch))
        if self.pretrained is not None and not Run(folder).begun:
            before = self.before(Path(self.pretrained), splits)
            pretrained.begin(fresh, before, from_run(before).build(splits))
        if parallel.agreed(not (folder / "config.json").exists()):
            asked = self if minutes is None else self.within(minutes, splits, fresh)
            facts = {"split_sha256": splits.sha256, "classes": len(splits.train), **versions()}
            if parallel.main():
                Run.create(folder, {"experiment": dataclasses.asdict(asked), **facts})
            parallel.wait()
        run = Run.open(folder)
        kept = from_run(run)
        if _alike(kept, minutes) != _alike(self, minutes):
            raise FileProblem(f"{folder} holds a run that was asked something else; choose another folder")
        if run.config["split_sha256"] != splits.sha256:
            raise FileProblem(f"{folder} was trained on another split of {self.data}; the data have changed since")
        done = train(
            fresh,
            tasks,
            steps=kept.steps,
            batch=self.batch,
            rate=self.rate,
            estimator=outer.estimator(self.estimator),
            optimizer=self.optimizer,
            validate=lambda module: self.scores(splits, module),
            validations=self.validations,
            precision=self.precision,
            seed=self.seed,
            run=run,
            progress=progress,
        )
        return fresh, done

    def before(self, folder: Path, splits: Splits) -> Run:
        """The run that the training begins with. Raises ValueError where it may have learned test classes."""
        run = Run.open(folder)
        if from_run(run).data == self.data and run.config["split_sha256"] != splits.sha256:
            raise ValueError(
                f"{run.path} was trained on another split of {self.data}, whose training classes may be test classes "
                "here; train it on the same split"
            )
        return run

    def within(self, minutes: float, splits: Splits, learner: Learner) -> Experiment:
        """The same with as many steps as fit the minutes here, validation included: measured once, then kept."""
        trial = copy.deepcopy(learner)
        begun = time.perf_counter()
        self.scores(splits, trial)
        left = 60 * minutes - self.validations * (time.perf_counter() - begun)
        tasks, how = self.tasks(splits, learner), outer.estimator(self.estimator)
        each = pace(trial, tasks, batch=self.batch, precision=self.precision, estimator=how)
        return dataclasses.replace(self, steps=max(20, int(left / each)))


def usual_way(learner: Learner, way: int, most: int) -> int:
    """At most so many classes a task, unless the learner can answer for those it was trained on alone."""
    try:
        learner.init(min(way, most))
    except ValueError:
        return way
    return min(way, most)


def learner(name: str, splits: Splits, options: dict[str, Any], *, way: int, classes: int | None = None) -> Learner:
    """The exported learner of that name for pictures like these, told of the ``way`` of its tasks and of the number
    of training ``classes`` if it asks, those of the splits unless given. Raises ValueError where there is none."""
    wanted = told(name, options, way=way, classes=len(splits.train) if classes is None else classes)
    check_options(getattr(learners, name), options)
    try:
        return getattr(learners, name)(splits.train.shape, **wanted).to(splits.train.images.device)
    except TypeError as error:
        raise ValueError(f"{name} does not take these options: {error}") from error


def told(name: str, options: dict[str, Any], *, way: int, classes: int) -> dict[str, Any]:
    """The options, with what the learner of that name asks of the tasks. Raises ValueError where there is none."""
    if name not in learners.__all__:
        raise ValueError(f"no learner is called {name!r}; there are {', '.join(learners.__all__)}")
    known = {"way": way, "classes": classes}
    asked = inspect.signature(getattr(learners, name)).parameters
    return {key: value for key, value in known.items() if key in asked} | options


def from_run(run: Run) -> Experiment:
    """What a run was asked. Raises FileProblem for a run of another kind, and where its config is damaged."""
    if "lifelong" in run.config:
        raise FileProblem(f"{run.path} holds a life; its page is made by: quickstudy lifelong --resume {run.path}")
    if "experiment" not in run.config:
        raise FileProblem(f"{run.path} holds no learner that was meta-trained; quickstudy train LEARNER makes one")
    try:
        asked = Experiment(**run.config["experiment"])
        check_fields(asked)
        return asked
    except TypeError as error:
        raise FileProblem(f"{run.path / 'config.json'} is damaged: {error}; train anew") from error


def _alike(asked: Experiment, minutes: float | None) -> Experiment:
    """What has to be the same to go on: not the steps of a time budget, nor where the run now lies whose net it began
    with."""
    before = asked.pretrained and Path(asked.pretrained).name
    return dataclasses.replace(asked, steps=asked.steps if minutes is None else 0, pretrained=before)


def trained(run: Run, splits: Splits) -> Learner:
    """The run's learner with its best weights, for pictures like these. Raises FileProblem where they do not fit."""
    asked = from_run(run)
    made = asked.build(splits, classes(run, splits))
    try:
        made.load_state_dict(run.weights())
    except RuntimeError as error:
        channels, height, width = splits.train.shape
        raise FileProblem(
            f"{run.path} was trained on {asked.data} and fits no {height} x {width} pictures of {channels} channels; "
            f"measure it on pictures like those (--data, --size), or train anew"
        ) from error
    return made.eval()


def classes(run: Run, splits: Splits) -> int:
    """On how many classes a run was trained; those of the splits, where it is from before that was noted."""
    return run.config.get("classes", len(splits.train))


def check_seed(seed: int) -> None:
    """Raises ValueError for one that no generator takes."""
    if not 0 <= seed < 2**63:
        raise ValueError(f"a seed is at least 0 and below 2**63, got {seed}")


def versions() -> dict[str, Any]:
    """The versions that a figure depends on."""
    from quickstudy import __version__

    return {"versions": {"quickstudy": __version__, "torch": torch.__version__, "python": platform.python_version()}}
