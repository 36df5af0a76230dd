"""The net by which a learner sees."""

from __future__ import annotations

from torch import nn

from quickstudy.core import Learner

SEES = ("embed", "net")  # how learners call what they see by
HOLDS = ("reader", "learner")  # and what they are made around


def embedding(learner: Learner) -> nn.Module:
    """The part of a learner that turns inputs into features: its own, or that of the learner inside it.

    Raises ValueError for one that has none, such as a net that reads sequences.
    """
    parts = dict(learner.named_children())
    for name in SEES:
        if name in parts:
            return parts[name]
    for name in HOLDS:
        inner = parts.get(name)
        if isinstance(inner, Learner):
            return embedding(inner)
    raise ValueError(
        f"{type(learner).__name__} has no embedding of single inputs; choose a learner that sees them one by one, such "
        "as prototypes"
    )
