"""Writes docs/by-budget.png: what trainings had learned on their way. ``python docs/budget_picture.py``."""

from __future__ import annotations

from pathlib import Path
from typing import get_type_hints

from generate import Curve, curves

from quickstudy import learners, plot
from quickstudy.learners.gradient import Gradient

EPISODES = {"omniglot-fewshot": "Omniglot", "miniimagenet-fewshot": "miniImageNet"}


def main() -> None:
    panels: dict[str, dict[str, list[list[float]]]] = {}
    for curve in curves():
        if title := _panel(curve):
            panels.setdefault(title, {})[curve.name] = curve.points
    figure = plot.by_budget(dict(sorted(panels.items())))
    figure.savefig(Path(__file__).with_name("by-budget.png"))


def _panel(of: Curve) -> str | None:
    """Lines that can be held against each other: of the same kind, and on tasks of about as many classes."""
    if of.table == "omniglot-instances":
        return "streams of Omniglot"
    if of.table not in EPISODES:
        return None
    kind = "gradient descent" if _descends(of.learner) else "without descent in a task"
    ways = ("5 ways" if " 5-way" in of.name else "more ways") if of.table == "omniglot-fewshot" else ""
    return ", ".join(filter(None, (EPISODES[of.table], kind, ways)))


def _descends(learner: str) -> bool:
    """Whether it takes steps of gradient descent in a task."""
    return get_type_hints(getattr(learners, learner))["return"] is Gradient


if __name__ == "__main__":
    main()
