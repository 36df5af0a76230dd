"""Lives: contexts one after another."""

from __future__ import annotations

import json as text
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quickstudy import learners
from quickstudy.commands.subjects import parse
from quickstudy.lifelong import History
from quickstudy.lives import NAIVE, Lifelong, from_run
from quickstudy.storage import Run


def start(given: Sequence[Any], out: Path | None, resume: Path | None, json: bool) -> None:
    """``quickstudy lifelong METHOD``."""
    method, options, *rest = given
    if resume is not None:
        asked, out = from_run(Run.open(resume)), resume
    elif not method:
        raise ValueError(f"name a method: {', '.join([NAIVE, *learners.AROUND])}; or --resume RUN")
    else:
        asked = Lifelong(method, parse(options), *rest)
    name = f"{asked.method}-{asked.stream}-{asked.scenario}-seed{asked.seed}"
    folder = out or Path("runs") / "lifelong" / name
    _, _, stream, history = asked.go(folder, progress=sys.stderr.isatty())
    if json:
        found = {"method": asked.method, "stream": asked.stream, "scenario": asked.scenario, "way": stream.way}
        print(text.dumps(found | {"accuracy": history.accuracy, "measures": history.measures()}))
        return
    print(_worded(history))
    print(f"run folder: {folder}", file=sys.stderr)


def _worded(history: History) -> str:
    rows = [" ".join(f"{100 * share:6.2f}" for share in row) for row in history.accuracy[1:]]
    lines = [f"after {i + 1:2}: {row}" for i, row in enumerate(rows)]
    for name, value in history.measures().items():
        told = "none" if value is None else f"{value:,.0f}" if isinstance(value, int) else f"{value:.4f}"
        lines.append(f"{name.replace('_', ' ')}: {told}")
    return "\n".join(lines)
