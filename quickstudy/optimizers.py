"""What a meta-training of an optimizer was asked, as plain values that a folder keeps and a command line gives."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quickstudy import devices, rules
from quickstudy.experiment import check_seed, versions
from quickstudy.files import FileProblem
from quickstudy.kinds import check_options
from quickstudy.outer import Evolution, Truncated
from quickstudy.rules import Rule
from quickstudy.storage import Run
from quickstudy.tasks.losses import Losses, curves
from quickstudy.tasks.problems import problem
from quickstudy.tasks.scaled import Scaled
from quickstudy.train import Progress, train

CONFIG = "learned_optimizer"  # its part of a run's config
LEARNED: dict[str, Callable[..., Rule]] = {"lstm": rules.lstm, "mlp": rules.mlp, "rnnprop": rules.rnnprop}
VALID = 10**9  # the seed of problems that decide which weights are kept
LAST = 10  # steps of a validation descent whose losses are averaged: minibatches differ


@dataclass(frozen=True)
class Training:
    """One meta-training: a rule, the problems, the descents, the budget."""

    rule: str = "lstm"
    options: dict[str, Any] = field(default_factory=dict)  # of the rule's function
    problem: str = "mnist"
    scaled: float = 0.0  # spread of the random scales of coordinates; 0 for none
    horizons: tuple[int, ...] = (100,)
    each: int = 1  # descents of a horizon before the next
    segment: int = 20
    logarithm: bool = False  # of the losses, so that the end of a descent counts like its start
    estimator: str = "truncated"  # backpropagation; or persistent "evolution"
    sample: int | None = None  # coordinates that are gone back through
    spread: float = 0.01  # of the perturbations of evolution
    batch: int = 1  # problems at a time
    steps: int = 5000  # segments
    rate: float = 1e-3
    clip: float | None = None  # the longest gradient
    validations: int = 20
    examined: int = 8  # problems of a validation
    seed: int = 0

    def build(self) -> Rule:
        """The rule before training. Raises ValueError for a name or an option that does not exist."""
        if self.rule not in LEARNED:
            raise ValueError(f"no rule that is learned is called {self.rule!r}; there are {', '.join(LEARNED)}")
        check_options(LEARNED[self.rule], self.options)
        try:
            with devices.seeded(self.seed):
                return LEARNED[self.rule](**self.options)
        except TypeError as error:
            raise ValueError(f"{self.rule} does not take these options: {error}") from error

    def losses(self) -> Losses:
        """What it is trained on."""
        plain = problem(self.problem, seed=self.seed)
        return Scaled(plain, self.scaled, seed=self.seed) if self.scaled else plain

    def how(self, losses: Losses) -> Truncated | Evolution:
        """How the descents become gradients. Raises ValueError for a name that does not exist."""
        descents: dict[str, Any] = {
            "horizons": self.horizons,
            "each": self.each,
            "segment": self.segment,
            "logarithm": self.logarithm,
        }
        if self.estimator == "truncated":
            return Truncated(losses, **descents, sample=self.sample)
        if self.estimator == "evolution":
            return Evolution(losses, **descents, spread=self.spread)
        raise ValueError(f"no estimator of descents is called {self.estimator!r}; there are truncated and evolution")

    def score(self, exam: Losses, rule: Rule) -> float:
        """Minus the loss at the end of validation descents over the last horizon, of problems as they are."""
        found = curves(rule, exam, range(self.examined), self.horizons[-1])
        return -float(found[:, -LAST:].mean())

    def run(self, folder: Path, *, progress: bool = False) -> tuple[Rule, Progress]:
        """Trains into the folder, or goes on with what it holds."""
        check_seed(self.seed)
        devices.prepare()
        rule, losses, exam = self.build(), self.losses(), problem(self.problem, seed=VALID)
        how = self.how(losses)
        if not (folder / "config.json").exists():
            Run.create(folder, {CONFIG: dataclasses.asdict(self), **versions()})
        run = Run.open(folder)
        if from_run(run) != self:
            raise FileProblem(f"{folder} holds a run that was asked something else; choose another folder")
        done = train(
            rule,
            losses,
            steps=self.steps,
            batch=self.batch,
            rate=self.rate,
            clip=self.clip,
            objective=how.objective,
            estimator=how,
            validate=lambda module: self.score(exam, module),
            validations=self.validations,
            seed=self.seed,
            run=run,
            progress=progress,
        )
        return rule, done


def from_run(run: Run) -> Training:
    """What a run was asked. Raises FileProblem for a run of another kind, and where its config is damaged."""
    if CONFIG not in run.config:
        raise FileProblem(f"{run.path} holds no learned optimizer; quickstudy train-optimizer makes one")
    try:
        return from_plain(run.config[CONFIG])
    except (KeyError, TypeError) as error:
        raise FileProblem(f"{run.path / 'config.json'} is damaged: {error}; train anew") from error


def from_plain(asked: dict[str, Any]) -> Training:
    """What ``dataclasses.asdict`` made plain."""
    return Training(**asked | {"horizons": tuple(asked["horizons"])})


def trained(run: Run) -> Rule:
    """The run's rule with its best weights. Raises FileProblem where they do not fit."""
    made = from_run(run).build()
    try:
        made.load_state_dict(run.weights())
    except RuntimeError as error:
        raise FileProblem(f"{run.path / 'weights.safetensors'} does not fit its config.json; train anew") from error
    return made.eval()
