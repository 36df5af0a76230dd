"""Writes docs/by-budget.png: what trainings had learned on their way. ``python docs/budget_picture.py``."""

from __future__ import annotations

from pathlib import Path

from generate import curves

from quickstudy import plot

DESCENT = ("MAML", "Meta-SGD", "ANIL")  # methods that descend in a task


def main() -> None:
    panels: dict[str, dict[str, list[list[float]]]] = {}
    for table, name, curve in curves():
        if title := _panel(table, name):
            panels.setdefault(title, {})[name] = curve
    figure = plot.by_budget(panels)
    figure.savefig(Path(__file__).with_name("by-budget.png"))


def _panel(table: str, name: str) -> str | None:
    if table == "omniglot-fewshot":
        return "Omniglot, gradient descent" if name.startswith(DESCENT) else "Omniglot, without descent in a task"
    return {"omniglot-instances": "Omniglot, streams", "miniimagenet-fewshot": "miniImageNet"}.get(table)


if __name__ == "__main__":
    main()
