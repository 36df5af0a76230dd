"""Weights that come with the package: small learners, meta-trained by us."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from quickstudy.estimator.recipe import from_plain
from quickstudy.estimator.taught import Taught
from quickstudy.storage import load_tensors, read_json

USUAL = "omniglot"


def folder() -> Path:
    """Where they lie in the package."""
    return Path(str(resources.files("quickstudy") / "shipped"))


def names() -> list[str]:
    """What there is, the usual one first."""
    return sorted((path.stem for path in folder().glob("*.safetensors")), key=lambda name: (name != USUAL, name))


def figures(name: str) -> dict[str, Any]:
    """What the weights reach, and the command that made them."""
    return read_json(folder() / f"{name}.json")


def load(name: str) -> Taught:
    """The learner of these weights, before it is taught. Raises FileProblem where they are damaged."""
    tensors, meta = load_tensors(folder() / f"{name}.safetensors")
    recipe = from_plain(meta["recipe"])
    learner = recipe.make()
    wide = {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in tensors.items()}
    learner.load_state_dict(wide)
    return Taught(recipe, learner)
