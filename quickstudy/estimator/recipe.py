"""How a learner is made, as plain values that a model file keeps: no code is stored and none is run."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from quickstudy import learners
from quickstudy.core import Learner
from quickstudy.estimator import hub
from quickstudy.estimator.inputs import Looks
from quickstudy.kinds import check_options
from quickstudy.learners.density import Density
from quickstudy.learners.gradient import Gradient
from quickstudy.learners.matching import Matching
from quickstudy.learners.neighbours import Neighbours
from quickstudy.learners.prototypes import Prototypes
from quickstudy.nets.heads import Fresh
from quickstudy.rules import adam

OWN, PLAIN, GIVEN = "own", "plain", "given"  # where an embedding comes from, beside hub.NAMED


@dataclass(frozen=True)
class Recipe:
    """A learner by its name and options, around an embedding: its ``own``, none (``plain`` features), one of a hub, or
    one that was ``given`` as a module and has to be given again."""

    learner: str
    looks: Looks
    options: dict[str, Any] = field(default_factory=dict)
    embedding: str = OWN
    features: int = 0  # of an embedding that is not the learner's own
    config: dict[str, Any] = field(default_factory=dict)  # of an embedding of a hub
    temperatures: tuple[float, ...] = ()  # the best ones on classes of validation, with 1, 2, ... examples a class
    novelty: tuple[float, ...] = ()  # likewise: how novel inputs of a class that was taught look, at each per cent

    def make(self, given: nn.Module | None = None) -> Learner:
        """The learner, with the weights of its constructor. ``given``: the learner or the embedding that was given.

        Raises ValueError for a name or an option that does not exist, or where nothing was given.
        """
        if self.embedding == GIVEN and given is None:
            raise ValueError(
                "this model was taught with a module that its file cannot hold, only its weights; load it in Python "
                "with FewShotClassifier.load(path, given=your_module)"
            )
        if isinstance(given, Learner):
            return given
        if self.embedding == OWN:
            return exported(self.learner, self.looks.shape, self.options)
        embed = nn.Identity() if self.embedding == PLAIN else given or hub.module(self.config)
        return reader(self.learner, embed, self.features, self.options)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return dataclasses.asdict(self)


def from_plain(values: dict[str, Any]) -> Recipe:
    """What ``plain`` gave. Raises TypeError where it is something else."""
    looks: dict[str, Any] = {
        key: tuple(part) if isinstance(part, list) else part for key, part in values["looks"].items()
    }
    made: dict[str, Any] = {"looks": Looks(**looks)}
    made |= {key: tuple(values[key]) for key in ("temperatures", "novelty")}
    return Recipe(**(values | made))


def exported(name: str, shape: tuple[int, ...], options: dict[str, Any]) -> Learner:
    """The learner of that name with its own net. Raises ValueError where there is none."""
    if name not in learners.__all__:
        raise ValueError(f"no learner is called {name!r}; there are {', '.join(learners.__all__)}")
    return _made(getattr(learners, name), name, options, shape)


def _linear(embed: nn.Module, features: int, *, steps: int = 100, rate: float = 0.1) -> Gradient:
    """A new softmax layer, by ``steps`` of Adam."""
    return Gradient(embed, Fresh(features), adam(rate), steps=steps, only=("head",))


def _density(embed: nn.Module, features: int, *, bandwidth: float = 1.0) -> Density:
    return Density(embed, features, bandwidth=bandwidth)


READERS: dict[str, Callable[..., Learner]] = {  # what reads the features of any embedding
    "prototypes": Prototypes,
    "neighbours": Neighbours,
    "matching": Matching,
    "density": _density,
    "linear": _linear,
}


def reader(name: str, embed: nn.Module, features: int, options: dict[str, Any]) -> Learner:
    """The learner that reads these features. Raises ValueError for a name or an option that does not exist."""
    if name not in READERS:
        raise ValueError(
            f"features of an embedding, or of a table, are read by {', '.join(READERS)}; got the learner {name!r}"
        )
    return _made(READERS[name], name, options, embed, features)


def _made(make: Callable[..., Learner], name: str, options: dict[str, Any], *given: Any) -> Learner:
    known = [
        key for key, one in inspect.signature(make).parameters.items() if one.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    if wrong := [key for key in options if key not in known]:
        raise ValueError(f"{name} has no option {wrong[0]!r}; it has {', '.join(known) or 'none'}")
    check_options(make, options)
    try:
        return make(*given, **options)
    except TypeError as error:
        raise ValueError(f"{name} does not take these options: {error}") from error
