"""What a life was asked to be, as plain values that a folder can keep and a command line can give."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from quickstudy import data, devices, experiment, learners
from quickstudy.core import Learner
from quickstudy.data import Pool
from quickstudy.experiment import versions
from quickstudy.files import FileProblem
from quickstudy.lifelong import History, Watch, live
from quickstudy.storage import Run
from quickstudy.tasks import Stream, streams

NAIVE = "naive"
KINDS = ("split", "permuted", "rotated")
EACH = {"mini_imagenet": 5}  # classes a context of a split, where it is not 2
HELD = {"mini_imagenet": 100}  # pictures of a class that examine, where it is not 5, of data whose parts differ


@dataclass(frozen=True)
class Lifelong:
    """One life: a method, a stream, a budget."""

    method: str = NAIVE  # or wrappers from the inside to the outside, such as "ewc+replay"; or a learner's name
    options: dict[str, Any] = field(default_factory=dict)  # of the method's functions
    stream: str = "split-mnist"
    scenario: str = "class"
    mask: str | None = None  # of training: "own" in the task scenario, else "seen", unless given
    each: int | None = None  # classes a context
    examples: int | None = None  # at most so many of a class
    size: int | None = None
    steps: int = 2000  # a context
    batch: int = 128
    rate: float = 1e-3
    widths: tuple[int, ...] = (400, 400)
    seed: int = 0  # of the first weights, the batches and the stream
    run: str | None = None  # a run folder of the learner, meta-trained
    examine: str = "test"  # or "valid", by which strengths are chosen
    shuffled: bool = False  # the classes of a split are dealt to its contexts by the seed

    def contexts(self) -> Stream:
        """The stream. Raises ValueError for one that does not exist."""
        kind, _, name = self.stream.partition("-")
        if kind not in KINDS or not name:
            raise ValueError(
                f"a stream is {', '.join(f'{kind}-DATA' for kind in KINDS)}, such as split-mnist; got {self.stream!r}"
            )
        train, test = (self._few(pool) for pool in _pools(name, self.size, self.examine))
        together = name == "omniglot" and self.each is None
        if self.shuffled and (kind != "split" or together):
            raise ValueError(f"shuffled deals the classes of a split; {self.stream} has them together as they are")
        if kind == "permuted":
            return streams.permuted(train, test, scenario=self.scenario, seed=self.seed)
        if kind == "rotated":
            return streams.rotated(train, test, scenario=self.scenario)
        if together:
            return streams.alphabets(train, test, scenario=self.scenario)
        order = streams.shuffled(len(train), seed=self.seed) if self.shuffled else None
        return streams.split(train, test, self.each or EACH.get(name, 2), scenario=self.scenario, order=order)

    def build(self, stream: Stream) -> Learner:
        """The learner before any data. Raises ValueError for a method or an option that does not exist, and where
        they make no sense in this scenario."""
        self._check_sense()
        if self.method in learners.__all__:
            return self._few_shot(stream)
        mask = self.mask or ("own" if self.scenario == "task" else "seen")
        torch.manual_seed(self.seed)
        made: Learner = learners.continual(
            stream.shape,
            widths=self.widths,
            steps=self.steps,
            batch=self.batch,
            rate=self.rate,
            mask=mask,
            seed=self.seed,
        )
        parts = [_around(name) for name in self.method.split("+") if name != NAIVE]
        wanted = [set(inspect.signature(part).parameters) for part in parts]
        usual = {
            "shape": stream.shape,
            "widths": self.widths,
            "steps": self.steps,
            "batch": self.batch,
            "rate": self.rate,
        }
        if unknown := self.options.keys() - set().union(*wanted):
            raise ValueError(f"{self.method} has no option {', '.join(sorted(unknown))}; it has {_options(wanted)}")
        for part, names in zip(parts, wanted, strict=True):
            made = part(made, **{key: value for key, value in (usual | self.options).items() if key in names})
        return made.to(devices.best())

    def _check_sense(self) -> None:
        """Raises ValueError for what would run and mean nothing, with the reason."""
        parts = self.method.split("+")
        if self.mask == "own" and self.scenario == "class":
            raise ValueError(
                "trained with the mask own, the classes of two contexts are never compared, which is what the scenario "
                "class asks; choose the mask seen or all, or the scenario task"
            )
        if self.mask == "own" and self.scenario == "domain":
            raise ValueError("contexts that share their labels have no own classes; choose the mask seen or all")
        if len(parts) > 1 and (bounds := {"joint", "alone"} & {*parts}):
            told = {"joint": "joint keeps all data, and nothing has to be held", "alone": "alone forgets what is held"}
            raise ValueError(f"{told[min(bounds)]}; a bound is lived by itself, got {self.method}")
        if self.method in learners.__all__ and self.mask is not None:
            raise ValueError(f"{self.method} takes no steps that a training mask could change; leave mask out")
        if self.run is not None and self.method not in learners.__all__:
            raise ValueError(f"a run is of a learner such as prototypes; {self.method} starts from nothing")

    def go(
        self, folder: Path, *, watch: Watch | None = None, progress: bool = False
    ) -> tuple[Learner, Any, Stream, History]:
        """Lives into the folder, or goes on with what it holds."""
        stream = self.contexts()
        learner = self.build(stream)
        if not (folder / "config.json").exists():
            config = {"lifelong": dataclasses.asdict(self), "stream_sha256": stream.sha256, **versions()}
            Run.create(folder, config)
        run = Run.open(folder)
        if from_run(run) != self:
            raise FileProblem(f"{folder} holds a life that was asked something else; choose another folder")
        if run.config["stream_sha256"] != stream.sha256:
            raise FileProblem(f"{folder} was lived on another {self.stream}; the data have changed since")
        state, history = live(learner, stream, run=run, watch=watch, progress=progress)
        return learner, state, stream, history

    def _few_shot(self, stream: Stream) -> Learner:
        """A learner of few examples whose state adds up over contexts."""
        if self.run is not None:
            kept = experiment.from_run(Run.open(Path(self.run)))
            if kept.learner != self.method:
                raise ValueError(f"{self.run} holds {kept.learner}, not {self.method}")
            return experiment.trained(Run.open(Path(self.run)), kept.splits())
        made = experiment.learner(self.method, _as_splits(stream), self.options, way=stream.way)
        if any(True for _ in made.parameters()):
            raise ValueError(
                f"{self.method} has to be meta-trained first: quickstudy train {self.method}, then --run RUN"
            )
        return made

    def _few(self, pool: Pool) -> Pool:
        return (pool if self.examples is None else streams.fewer(pool, self.examples)).to(devices.best())


def from_run(run: Run) -> Lifelong:
    """What a life was asked. Raises FileProblem where its config lacks it."""
    try:
        asked = run.config["lifelong"]
        return Lifelong(**asked | {"widths": tuple(asked["widths"])})
    except (KeyError, TypeError) as error:
        raise FileProblem(f"{run.path / 'config.json'} is that of no life: {error}") from error


def _around(name: str) -> Callable[..., Learner]:
    if name not in learners.AROUND:
        names = ", ".join([NAIVE, *learners.AROUND])
        raise ValueError(f"no lifelong method is called {name!r}; there are {names}, joined by + where several meet")
    return getattr(learners, name)


def _options(wanted: Sequence[set[str]]) -> str:
    return ", ".join(sorted(set().union(*wanted) - {"learner", "shape"})) or "none"


def _pools(name: str, size: int | None, examine: str) -> tuple[Pool, Pool]:
    """What is learned and what is examined: the parts of the data, or halves of what has no such parts."""
    if examine not in ("test", "valid"):
        raise ValueError(f"a life is examined on test or on valid, got {examine!r}")
    if name == "omniglot" and examine == "test":
        return streams.halves(data.omniglot(size or 28, "lake", rotations=False).test, 5)
    pools = data.load(name, size=size)
    if pools.train.names == pools.test.names:
        return pools.train, pools.test if examine == "test" else pools.valid
    if examine != "test":
        raise ValueError(f"{name} has no validation part with the classes of its training part; examine test")
    return streams.halves(streams.joined(pools), HELD.get(name, 5))


def _as_splits(stream: Stream) -> data.Splits:
    return data.Splits(stream.train, stream.train, stream.test, "stream")
