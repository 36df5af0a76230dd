"""Where the weights of a learned optimizer come from: the package, a run folder, a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from torch import Tensor

from quickstudy.files import FileProblem
from quickstudy.optimizers import Training, from_plain, from_run, trained
from quickstudy.rules.coordinatewise import Coordinatewise
from quickstudy.storage import Run, load_tensors, read_json, save_tensors, write_json

USUAL = "rnnprop"


def folder() -> Path:
    """Where those of the package lie."""
    return Path(str(resources.files("quickstudy") / "shipped" / "optimizers"))


def names() -> list[str]:
    """Those that come with the package, the usual one first."""
    return sorted((path.stem for path in folder().glob("*.safetensors")), key=lambda name: (name != USUAL, name))


def figures(name: str) -> dict[str, Any]:
    """How the package's weights of that name were made."""
    return read_json(folder() / f"{name}.json")


def rule(weights: str | Path | None = None) -> Coordinatewise:
    """The learned rule of a run folder, of a file that ``ship`` wrote, or of the package, by its name.

    Raises FileProblem where there is none, or it is damaged.
    """
    path = Path(USUAL if weights is None else weights)
    if weights is not None and path.is_dir():
        made = trained(Run.open(path))
    elif weights is not None and path.is_file():
        made = _of_file(path)
    elif str(path) in names():
        made = _of_file(folder() / f"{path}.safetensors")
    else:
        raise FileProblem(f"no learned optimizer at {path}: give a run folder, a file, or one of {', '.join(names())}")
    if not isinstance(made, Coordinatewise):
        raise FileProblem(f"{path} holds a {type(made).__name__}, which does not treat all coordinates alike")
    return made.requires_grad_(False)


def ship(run: Path, target: Path, *, about: Mapping[str, Any]) -> None:
    """Writes the run's best weights as one small file, and beside it as JSON how they came to be."""
    opened = Run.open(run)
    asked = dataclasses.asdict(from_run(opened))
    save_tensors(target, opened.weights(), {"training": asked})
    metrics = opened.metrics
    came = {"training": asked, "minutes": round(metrics["seconds"] / 60, 1), "best": metrics["best"]}
    write_json(target.with_suffix(".json"), {**came, "kilobytes": round(target.stat().st_size / 1000), **about})


def _of_file(path: Path) -> Any:
    tensors, meta = load_tensors(path, "install quickstudy anew")
    if "training" not in meta:
        raise FileProblem(f"{path} holds no learned optimizer; give a run folder, or a file that was shipped from one")
    return _filled(from_plain(meta["training"]), tensors, path)


def _filled(asked: Training, tensors: dict[str, Tensor], path: Path) -> Any:
    made = asked.build()
    try:
        made.load_state_dict(tensors)
    except RuntimeError as error:
        raise FileProblem(f"{path} does not fit the optimizer it says it is; install quickstudy anew") from error
    return made.eval()
