"""Beginning a training with the net of another: of a classifier of all classes, or of a learner of other data."""

from __future__ import annotations

import torch
from torch import nn

from quickstudy.core import Learner
from quickstudy.embedding import embedding
from quickstudy.storage import Run


def begin(learner: Learner, run: Run, source: Learner) -> None:
    """Gives the learner's embedding the weights of the embedding of a finished run; statistics and heads stay its own.

    ``source`` is the run's learner for the same pictures, with any weights. Raises FileProblem where the run has not
    ended, ValueError where the two nets differ, other than in how they normalize, or where there is none.
    """
    own, theirs, saved = embedding(learner), embedding(source), run.weights()
    part = next(name for name, module in source.named_modules() if module is theirs)
    weights = {name: saved[key] for name, _ in theirs.named_parameters() if (key := f"{part}.{name}") in saved}
    if _made_of(own) != _made_of(theirs) or _shapes(own) != {name: w.shape for name, w in weights.items()}:
        raise ValueError(
            f"the net of {run.path} is another than this learner's; train both with the same options of the net, such "
            "as width and stride, on pictures with as many channels"
        )
    with torch.no_grad():
        for name, weight in own.named_parameters():
            weight.copy_(weights[name])


def _made_of(net: nn.Module) -> list[str]:
    """The layers of a net, apart from those that normalize."""
    leaves = [module for module in net.modules() if not any(True for _ in module.children())]
    return [str(layer) for layer in leaves if "Norm" not in type(layer).__name__]


def _shapes(net: nn.Module) -> dict[str, torch.Size]:
    return {name: weight.shape for name, weight in net.named_parameters()}
