"""Beginning a training with the net of another: of a classifier of all classes, or of a learner of other tasks."""

from __future__ import annotations

import torch
from torch import nn

from quickstudy.core import Learner
from quickstudy.embedding import embedding
from quickstudy.storage import Run


def begin(learner: Learner, run: Run, source: Learner) -> None:
    """Gives every net in the learner that is made like the embedding of a finished run the weights of that embedding;
    statistics and heads stay its own. What reads sequences has no embedding: there all weights are given.

    ``source`` is the run's learner for the same pictures, with any weights. Nets may differ in how they normalize.
    Raises FileProblem where the run has not ended, ValueError where no net is made alike.
    """
    theirs, saved = _net(source), run.weights()
    part = next(f"{name}." if name else "" for name, module in source.named_modules() if module is theirs)
    weights = {name: saved[key] for name, _ in theirs.named_parameters() if (key := f"{part}{name}") in saved}
    shapes, layers = {name: weight.shape for name, weight in weights.items()}, _layers(theirs)
    alike = [module for module in learner.modules() if _shapes(module) == shapes and _layers(module) == layers]
    if not alike:
        raise ValueError(
            f"this learner has no net like that of {run.path}; train both with the same options of the net, such as "
            "width and stride, on pictures with as many channels; what reads sequences, with as many labels and pixels"
        )
    with torch.no_grad():
        for net in alike:
            for name, weight in net.named_parameters():
                weight.copy_(weights[name])


def _net(source: Learner) -> nn.Module:
    return source if source.reads == "sequences" else embedding(source)


def _layers(net: nn.Module) -> list[str]:
    """The layers of a net, apart from those that normalize."""
    leaves = [module for module in net.modules() if not any(True for _ in module.children())]
    return [str(layer) for layer in leaves if "Norm" not in type(layer).__name__]


def _shapes(net: nn.Module) -> dict[str, torch.Size]:
    return {name: weight.shape for name, weight in net.named_parameters()}
