"""Writes docs/by-budget.png: what trainings had learned on their way. ``python docs/budget_picture.py``."""

from __future__ import annotations

from pathlib import Path

from generate import curves

from quickstudy import plot

PANELS = {"omniglot-fewshot": "Omniglot, episodes", "omniglot-instances": "Omniglot, streams"}


def main() -> None:
    panels = {title: {name: curve for of, name, curve in curves() if of == table} for table, title in PANELS.items()}
    figure = plot.by_budget({title: lines for title, lines in panels.items() if lines})
    figure.savefig(Path(__file__).with_name("by-budget.png"))


if __name__ == "__main__":
    main()
