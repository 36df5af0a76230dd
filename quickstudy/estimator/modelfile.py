"""A taught learner as a file: weights, state, classes, preprocessing, versions, in safetensors; no code, no pickle."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from quickstudy import __version__, tree
from quickstudy.core import Examples
from quickstudy.estimator.recipe import from_plain
from quickstudy.estimator.taught import Measured, Said, Taught
from quickstudy.files import FileProblem
from quickstudy.storage import load_tensors, save_tensors

FORMAT = 1  # raised when an older reader would misread a newer file
KIND = "quickstudy model"
MADE = "quickstudy fit FOLDER --out {}"


def save(taught: Taught, path: Path, more: dict[str, Any] | None = None) -> None:
    """Writes it atomically; ``more``: what a caller wants to find again, as JSON."""
    if taught.state is None:
        raise ValueError("this learner was not taught anything yet; fit it first")
    parts = {
        "learner": dict(taught.learner.state_dict()),
        "state": taught.state,
        "kept": {"x": taught.kept.x, "y": taught.kept.y, "rows": taught.rows},
    }
    tensors = {name: leaf for name, leaf in tree.items(parts) if isinstance(leaf, Tensor)}
    about = {
        **header(KIND),
        "recipe": taught.recipe.plain(),
        "names": taught.names,
        "counts": taught.counts,
        "measured": dataclasses.asdict(taught.measured),
        "more": more or {},
    }
    save_tensors(path, tensors, about)


def load(path: Path, given: nn.Module | None = None) -> Taught:
    """What ``save`` wrote; ``given``: the module, where the file could not hold it.

    Raises FileProblem for a file that is missing, damaged, of another kind, or of a newer version.
    """
    return read(path, given)[0]


def read(path: Path, given: nn.Module | None = None) -> tuple[Taught, dict[str, Any]]:
    """The taught learner, and what its caller wanted to find again."""
    tensors, about = opened(path, KIND, MADE)
    try:
        return _made(path, tensors, about, given)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise FileProblem(f"{path} was changed ({error!r}); make it anew with {MADE.format(path)}") from error


def _made(
    path: Path, tensors: dict[str, Tensor], about: dict[str, Any], given: nn.Module | None
) -> tuple[Taught, dict[str, Any]]:
    recipe = from_plain(about["recipe"])
    learner = recipe.make(given)
    try:
        learner.load_state_dict(under("learner", tensors))
    except RuntimeError as error:
        raise FileProblem(f"the weights in {path} do not fit its learner, {recipe.learner}; teach it anew") from error
    taught = Taught(recipe, learner)
    taught.names, taught.counts = about["names"], about["counts"]
    taught.state = tree.restore(taught.reader.init(len(taught.names)), under("state", tensors))
    kept = under("kept", tensors)
    taught.kept, taught.rows = Examples(kept["x"], kept["y"]), kept["rows"]
    measured = about["measured"]
    taught.measured = Measured(**measured | {"said": [Said(*one) for one in measured["said"]]})
    return taught, about["more"]


def about(path: Path) -> dict[str, Any]:
    """All that a model file says of itself besides its tensors."""
    return opened(path, KIND, MADE)[1]


def header(kind: str) -> dict[str, Any]:
    """What every file of a taught learner begins with."""
    return {"kind": kind, "format": FORMAT, "quickstudy": __version__, "torch": torch.__version__}


def opened(path: Path, kind: str, made: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a file of this kind, and what it says of itself; ``made``: how another is made.

    Raises FileProblem for a file that is missing, damaged, of another kind, or of a newer version.
    """
    if not path.is_file():
        raise FileProblem(f"{path} is not there; {made.format(path)} makes it")
    tensors, about = load_tensors(path, f"make it anew with {made.format(path)}")
    if about.get("kind") != kind:
        raise FileProblem(f"{path} is no file of a {kind}; {made.format(path)} makes one")
    if about["format"] > FORMAT:
        raise FileProblem(
            f"{path} was written by quickstudy {about['quickstudy']} as a model file of format {about['format']}; this "
            f"is quickstudy {__version__}, which reads formats up to {FORMAT}: pip install --upgrade quickstudy"
        )
    return tensors, about


def under(part: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with that of the part, without it."""
    return {name.removeprefix(f"{part}."): tensor for name, tensor in tensors.items() if name.startswith(f"{part}.")}
