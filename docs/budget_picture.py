"""Writes docs/by-budget.png: what trainings had learned on their way. ``python docs/budget_picture.py``."""

from __future__ import annotations

from pathlib import Path

from generate import curves

from quickstudy import plot

DESCENT = ("MAML", "Meta-SGD", "Meta-LSTM", "ANIL")  # methods that descend in a task


def main() -> None:
    panels: dict[str, dict[str, list[list[float]]]] = {}
    for table, name, curve in curves():
        if title := _panel(table, name):
            panels.setdefault(title, {})[name] = curve
    figure = plot.by_budget(dict(sorted(panels.items())))
    figure.savefig(Path(__file__).with_name("by-budget.png"))


def _panel(table: str, name: str) -> str | None:
    """Lines that can be held against each other: of the same kind, and on tasks of about as many classes."""
    kind = "gradient descent" if name.startswith(DESCENT) else "without descent in a task"
    if table == "omniglot-fewshot":
        return f"Omniglot, {kind}, {'5 ways' if ' 5-way' in name else 'more ways'}"
    if table == "miniimagenet-fewshot":
        return f"miniImageNet, {kind}"
    return "streams of Omniglot" if table == "omniglot-instances" else None


if __name__ == "__main__":
    main()
