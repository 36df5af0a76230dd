"""What a life was asked to be, as plain values that a folder can keep and a command line can give."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quickstudy import data, devices, experiment, learners
from quickstudy.core import Learner
from quickstudy.data import Pool
from quickstudy.experiment import check_seed, versions
from quickstudy.files import FileProblem
from quickstudy.kinds import check_fields, check_options
from quickstudy.lifelong import History, Watch, live
from quickstudy.recalled import recalling
from quickstudy.storage import Run, digest
from quickstudy.tasks import Stream, streams

NAIVE = "naive"
STEPPING = ("steps", "batch", "rate", "widths")  # what only a learner that takes steps reads
KINDS = ("split", "permuted", "rotated")
ALPHABETS = ("omniglot", "glyphs")  # an alphabet is a context of a split of these, where each is not given
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

    @property
    def reads(self) -> bool:
        """Whether the method is a learner of few examples, which takes no steps."""
        return self.method in learners.__all__

    def contexts(self) -> Stream:
        """The stream. Raises ValueError for one that does not exist."""
        check_seed(self.seed)
        kind, _, name = self.stream.partition("-")
        if kind not in KINDS or not name:
            raise ValueError(
                f"a stream is {', '.join(f'{kind}-DATA' for kind in KINDS)}, such as split-mnist; got {self.stream!r}"
            )
        pools = _pools(name, self.size, self.examine, unseen=self.run is not None)
        train, test = (self._few(pool) for pool in pools)
        together = name in ALPHABETS and self.each is None
        if self.shuffled and (kind != "split" or together):
            raise ValueError(f"shuffled deals the classes of a split; {self.stream} has them together as they are")
        if self.each is not None and (kind != "split" or self.each < 1):
            raise ValueError(f"each is how many classes of a split are a context, at least 1; got {self.each}")
        if kind == "permuted":
            return streams.permuted(train, test, scenario=self.scenario, seed=self.seed)
        if kind == "rotated":
            return streams.rotated(train, test, scenario=self.scenario)
        if together:
            return streams.alphabets(train, test, scenario=self.scenario)
        order = streams.shuffled(len(train), seed=self.seed) if self.shuffled else None
        each = EACH.get(name, 2) if self.each is None else self.each
        return streams.split(train, test, each, scenario=self.scenario, order=order)

    def build(self, stream: Stream) -> Learner:
        """The learner before any data. Raises ValueError for a method or an option that does not exist, and where
        they make no sense in this scenario."""
        self._check_sense()
        if self.reads:
            return self._few_shot(stream)
        mask = self.mask or ("own" if self.scenario == "task" else "seen")
        with devices.seeded(self.seed):
            return self._wrapped(stream, mask).to(devices.best())

    def _wrapped(self, stream: Stream, mask: str) -> Learner:
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
        if "learner" in self.options:
            raise ValueError(f"learner is no option: what {self.method} is around is named after a +")
        for part, names in zip(parts, wanted, strict=True):
            check_options(part, {key: value for key, value in self.options.items() if key in names})
            made = part(made, **{key: value for key, value in (usual | self.options).items() if key in names})
        return made

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
        if self.reads and self.mask is not None:
            raise ValueError(f"{self.method} takes no steps that a training mask could change; leave mask out")
        if self.reads and (given := [key for key in STEPPING if self._given(key)]):
            raise ValueError(f"{self.method} adds up what it reads and takes no steps; leave out {', '.join(given)}")
        if self.run is not None and not self.reads:
            raise ValueError(f"a run is of a learner such as prototypes; {self.method} starts from nothing")
        if self.run is not None and self.options:
            raise ValueError(f"{self.run} was trained with its own options; leave them out")

    def _given(self, key: str) -> bool:
        return getattr(self, key) != getattr(Lifelong, key)

    def go(
        self,
        folder: Path | str,
        *,
        watch: Watch | None = None,
        progress: bool = False,
        generators: Path | None = None,
    ) -> tuple[Learner, Any, Stream, History]:
        """Lives into the folder, or goes on with what it holds. ``generators`` is a folder for what other lives can
        recall."""
        folder, stream = Path(folder), self.contexts()
        learner = self.build(stream)
        if generators is not None:
            recalling(learner, generators)
        which = {
            "stream_sha256": stream.sha256,
            "pictures_sha256": digest({"train": stream.train.images, "test": stream.test.images}),
        }
        if not (folder / "config.json").exists():
            Run.create(folder, {"lifelong": dataclasses.asdict(self), **which, **versions()})
        run = Run.open(folder)
        if _plain(from_run(run)) != _plain(self):
            raise FileProblem(f"{folder} holds a life that was asked something else; choose another folder")
        if which != {key: run.config.get(key, value) for key, value in which.items()}:
            raise FileProblem(f"{folder} was lived on another {self.stream}; the data have changed since")
        state, history = live(learner, stream, run=run, watch=watch, progress=progress)
        return learner, state, stream, history

    def _few_shot(self, stream: Stream) -> Learner:
        """A learner of few examples whose state adds up over contexts."""
        if self.run is not None:
            return self._of_run(Run.open(Path(self.run)), stream)
        made = experiment.learner(self.method, _as_splits(stream), self.options, way=stream.way)
        if any(True for _ in made.parameters()):
            raise ValueError(
                f"{self.method} has to be meta-trained first: quickstudy train {self.method}, then --run RUN"
            )
        return made

    def _of_run(self, run: Run, stream: Stream) -> Learner:
        """Raises ValueError for another learner, other pictures, and where its training has seen what is examined."""
        kept = experiment.from_run(run)
        if kept.learner != self.method:
            raise ValueError(f"{run.path} holds {kept.learner}, not {self.method}")
        splits = kept.splits()
        if splits.train.shape != stream.shape:
            read, given = ("x".join(map(str, shape)) for shape in (splits.train.shape, stream.shape))
            raise ValueError(f"{run.path} reads pictures of {read}, {self.stream} has {given}; choose another size")
        seen = {*splits.train.names} & {*stream.test.names}
        if seen and self.stream.partition("-")[2] == kept.data:
            raise ValueError(
                f"{run.path} was trained on {len(seen)} of the {len(stream.test)} classes that this life examines; "
                "train it on others (of omniglot: quickstudy train --split lake)"
            )
        return experiment.trained(run, splits)

    def _few(self, pool: Pool) -> Pool:
        if self.examples is not None and self.examples < 1:
            raise ValueError(f"examples is how many of a class there are at most, at least 1; got {self.examples}")
        return (pool if self.examples is None else streams.fewer(pool, self.examples)).to(devices.best())


def from_run(run: Run) -> Lifelong:
    """What a life was asked. Raises FileProblem for a run of another kind, and where its config is damaged."""
    if "lifelong" not in run.config:
        raise FileProblem(f"{run.path} holds no life; quickstudy lifelong METHOD makes one")
    try:
        plain = run.config["lifelong"]
        asked = Lifelong(**plain | {"widths": tuple(plain["widths"])})
        check_fields(asked)
        return asked
    except (KeyError, TypeError) as error:
        raise FileProblem(f"{run.path / 'config.json'} is damaged: {error}; live it anew") from error


def history(run: Run) -> History:
    """What was measured along a life that has ended. Raises FileProblem where it has not, or is damaged."""
    if not run.finished:
        raise FileProblem(f"{run.path} has not ended; finish it with: quickstudy lifelong --resume {run.path}")
    kept = run.metrics
    try:
        found = History(**{one.name: kept[one.name] for one in dataclasses.fields(History)})
        found.measures()
        if {len(found.seconds), len(found.nbytes), len(found.examples)} != {len(found.accuracy) - 1}:
            raise ValueError("its lists are of different lengths")
        return found
    except (TypeError, ValueError, IndexError) as error:
        raise FileProblem(f"{run.path / 'metrics.json'} is damaged: {error}; live it anew") from error


def _around(name: str) -> Callable[..., Learner]:
    if name not in learners.AROUND:
        names = ", ".join([NAIVE, *learners.AROUND])
        raise ValueError(f"no lifelong method is called {name!r}; there are {names}, joined by + where several meet")
    return getattr(learners, name)


def _options(wanted: Sequence[set[str]]) -> str:
    return ", ".join(sorted(set().union(*wanted) - {"learner", "shape"})) or "none"


def _plain(asked: Lifelong) -> Any:
    """As a file holds it."""
    return json.loads(json.dumps(dataclasses.asdict(asked)))


def _pools(name: str, size: int | None, examine: str, *, unseen: bool) -> tuple[Pool, Pool]:
    """What is learned and what is examined: the parts of the data, or halves of what has no such parts; ``unseen``: of
    the test classes alone, since a training has seen the others."""
    if examine not in ("test", "valid"):
        raise ValueError(f"a life is examined on test or on valid, got {examine!r}")
    if name == "omniglot" and examine == "test":
        side = 28 if size is None else size
        return streams.halves(data.omniglot(side, "lake", rotations=False).test, 5)
    pools = data.load(name, size=size)
    if pools.train.names == pools.test.names:
        return pools.train, pools.test if examine == "test" else pools.valid
    if examine != "test":
        raise ValueError(f"{name} has no validation part with the classes of its training part; examine test")
    return streams.halves(pools.test if unseen else streams.joined(pools), HELD.get(name, 5))


def _as_splits(stream: Stream) -> data.Splits:
    return data.Splits(stream.train, stream.train, stream.test, "stream")
