"""Which learner is meant, and how its inputs look."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from quickstudy import learners
from quickstudy.core import Learner
from quickstudy.data.pictures import check_size
from quickstudy.estimator import hub, shipped
from quickstudy.estimator.inputs import Looks, are_pictures, size_of
from quickstudy.estimator.recipe import GIVEN, PLAIN, READERS, Recipe, exported, reader
from quickstudy.estimator.taught import Taught

USUAL_SIZE = 28  # of pictures that are compared pixel by pixel, where nothing says it
LIKE_OMNIGLOT = ("omniglot", "glyphs")  # data whose paper is 0 and whose brightest ink is 1

Choice = str | Path | Learner | Callable[[tuple[int, ...]], Learner] | None


class Asked(NamedTuple):
    """What a user said of the learner."""

    learner: Choice = None
    embedding: str | nn.Module | None = None
    options: Mapping[str, Any] | None = None
    size: int | None = None


def untaught(asked: Asked, x: Any) -> Taught:
    """The learner that is meant for inputs like these, before it is taught.

    Raises ValueError, or FileProblem, where nothing fits.
    """
    options = dict(asked.options or {})
    if asked.size is not None:
        check_size(asked.size)
    if asked.embedding is not None:
        return _around(asked, options, x)
    if not are_pictures(x) and (asked.learner is None or asked.learner in READERS):
        return _plain(str(asked.learner or "prototypes"), options, x)
    if asked.learner is None or asked.learner in shipped.names():
        return _refuse_options(options, shipped.load(str(asked.learner or shipped.USUAL)))
    if isinstance(asked.learner, str | Path):
        return _named(str(asked.learner), options, asked.size, x)
    return _given(asked.learner, _shape(asked.size, x))


def _plain(name: str, options: dict[str, Any], x: Any) -> Taught:
    """A learner of features as they are."""
    features = int(x.shape[1])
    recipe = Recipe(name, Looks((features,)), options, PLAIN, features)
    return Taught(recipe, recipe.make())


def _around(asked: Asked, options: dict[str, Any], x: Any) -> Taught:
    """A reader of the features of an embedding."""
    name = asked.learner or "prototypes"
    if not isinstance(name, str):
        raise ValueError(f"with an embedding, the learner is one of {', '.join(READERS)} by name, got {name!r}")
    if isinstance(asked.embedding, str):
        found = hub.load(asked.embedding)
        module, looks, kind, config = found.module, found.looks, asked.embedding, found.config
    else:
        assert asked.embedding is not None
        module, looks, kind, config = asked.embedding, Looks(_shape(asked.size, x)), GIVEN, {}
    features = _features(module, looks.shape)
    recipe = Recipe(name, looks, options, kind, features, config)
    return Taught(recipe, reader(name, module, features, options))


def _named(name: str, options: dict[str, Any], size: int | None, x: Any) -> Taught:
    """A run folder, or a learner that needs no training."""
    if (Path(name) / "config.json").exists():
        return _refuse_options(options, of_run(Path(name)))
    side = (size_of(x) or (1, USUAL_SIZE))[1] if size is None else size
    looks = Looks((1, side, side))
    if name not in learners.__all__:
        raise ValueError(
            f"{name!r} is neither shipped weights ({', '.join(shipped.names())}), nor a run folder, nor a learner that "
            "needs no training (neighbours, density)"
        )
    recipe = Recipe(name, looks, options)
    made = exported(name, looks.shape, options)
    if any(True for _ in made.parameters()):
        raise ValueError(
            f"{name} has to be trained before it reads pictures: use shipped weights ({', '.join(shipped.names())}), a "
            f"folder of quickstudy train {name}, or an embedding"
        )
    return Taught(recipe, made)


def of_run(folder: Path) -> Taught:
    """The learner of a run, with its best weights."""
    from quickstudy import experiment
    from quickstudy.storage import Run

    run = Run.open(folder)
    asked = experiment.from_run(run)
    splits = asked.splits()
    told = experiment.told(asked.learner, asked.options, way=asked.way, classes=experiment.classes(run, splits))
    looks = Looks(splits.train.shape, contrast=asked.data in LIKE_OMNIGLOT)
    return Taught(Recipe(asked.learner, looks, told), experiment.trained(run, splits).cpu())


def _given(learner: Any, shape: tuple[int, ...]) -> Taught:
    made = learner if isinstance(learner, Learner) else learner(shape)
    if not isinstance(made, Learner):
        raise ValueError(
            f"a learner is a name, a run folder, a Learner, or a function from a shape to one; got {learner!r}"
        )
    return Taught(Recipe(type(made).__name__, Looks(shape), embedding=GIVEN), made)


def _shape(size: int | None, x: Any) -> tuple[int, ...]:
    """What a learner that does not say it will read: a square of the pictures' own size, or of ``size``."""
    if not are_pictures(x):
        return (int(x.shape[1]),)
    channels, side = size_of(x) or (3, size)
    if side is None:
        raise ValueError("how large are files to be shown to this learner? say size=, the side in pixels, such as 84")
    side = side if size is None else size
    return channels, side, side


def _features(module: nn.Module, shape: tuple[int, ...]) -> int:
    module.eval()
    with torch.no_grad():
        out = module(torch.zeros(1, *shape))
    if not isinstance(out, torch.Tensor) or out.dim() != 2:
        said = tuple(out.shape) if isinstance(out, torch.Tensor) else type(out).__name__
        raise ValueError(
            f"an embedding turns (n, {', '.join(map(str, shape))}) into (n, features), this one gave {said}"
        )
    return out.shape[1]


def _refuse_options(options: dict[str, Any], taught: Taught) -> Taught:
    if options:
        raise ValueError(f"weights were trained with their own options, got {options}; leave them out")
    return taught
