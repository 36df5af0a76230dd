"""Beginning a training with the net of another: of a classifier of all classes, or of a learner of other data."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from quickstudy.core import Learner
from quickstudy.embedding import embedding
from quickstudy.storage import Run


def begin(learner: Learner, run: Run) -> None:
    """Gives the learner's embedding the weights of the embedding of a finished run; statistics and heads stay its own.

    Raises FileProblem where the run has not ended, ValueError where the two nets differ or there is none.
    """
    own, theirs = dict(embedding(learner).named_parameters()), run.weights()
    found = [prefix for prefix in _prefixes(theirs, next(iter(own), "")) if _fits(theirs, prefix, own)]
    if not found:
        wanted = ", ".join(f"{name} {tuple(w.shape)}" for name, w in own.items())
        raise ValueError(
            f"the net of {run.path} is not that of this learner, which has {wanted or 'no weights'}; train both on "
            "pictures of one shape, with the same options of the net, such as width and stride"
        )
    with torch.no_grad():
        for name, weight in own.items():
            weight.copy_(theirs[found[0] + name])


def _prefixes(theirs: Mapping[str, Tensor], name: str) -> list[str]:
    """The names of the parts that hold a weight of that name."""
    return [key.removesuffix(name) for key in theirs if key.endswith(f".{name}")]


def _fits(theirs: Mapping[str, Tensor], part: str, own: Mapping[str, Tensor]) -> bool:
    return all(f"{part}{name}" in theirs and theirs[f"{part}{name}"].shape == w.shape for name, w in own.items())
