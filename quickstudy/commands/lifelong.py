"""Lives: contexts one after another."""

from __future__ import annotations

import dataclasses
import json as text
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Generator, Tensor

from quickstudy import learner_maps, learners, life_report, report
from quickstudy.commands.subjects import parse
from quickstudy.core import Learner
from quickstudy.learners.generative import Generated
from quickstudy.learners.replay import Replay
from quickstudy.learners.stepwise import Around
from quickstudy.lifelong import History
from quickstudy.lives import NAIVE, Lifelong, from_run
from quickstudy.storage import Run

SAMPLES = 48


def start(given: Sequence[Any], out: Path | None, resume: Path | None, json: bool) -> None:
    """``quickstudy lifelong METHOD``."""
    method, options, *rest = given
    if resume is not None:
        asked, out = from_run(Run.open(resume)), resume
    elif not method:
        raise ValueError(f"name a method: {', '.join([NAIVE, *learners.AROUND])}; or --resume RUN")
    else:
        asked = Lifelong(method, parse(options), *rest)
    stream = re.sub(r"[^\w.-]+", "-", asked.stream).strip("-")  # a folder's path is no name of one
    name = f"{asked.method}-{stream}-{asked.scenario}-seed{asked.seed}"
    folder = out or Path("runs") / "lifelong" / name
    watched = learner_maps.Watched(folder / "maps.json")
    learner, state, contexts, history = asked.go(folder, watch=watched, progress=sys.stderr.isatty())
    page = _page(asked, folder, history, _samples(learner, state), learner_maps.life(watched))
    report.save(folder / "report.html", page)
    if json:
        found = {"method": asked.method, "stream": asked.stream, "scenario": asked.scenario, "way": contexts.way}
        print(text.dumps(found | {"accuracy": history.accuracy, "measures": history.measures()}))
        return
    print(_worded(history))
    print(f"run folder: {folder}; its page: {folder / 'report.html'}", file=sys.stderr)


def _page(asked: Lifelong, folder: Path, history: History, samples: Tensor | None, moved: str) -> str:
    usual = dataclasses.asdict(Lifelong())
    facts = {key: str(value) for key, value in dataclasses.asdict(asked).items() if value != usual[key]}
    facts["command"] = f"quickstudy lifelong --resume {folder}"
    title = f"{asked.method} on {asked.stream}"
    return life_report.page(title, history, scenario=asked.scenario, facts=facts, samples=samples, sections=[moved])


def _samples(learner: Learner, state: Any) -> Tensor | None:
    """What a generator draws, where there is one."""
    while isinstance(learner, Around):
        if isinstance(learner, Replay) and isinstance(learner.memory, Generated):
            return learner.memory.sample(state.past, SAMPLES, Generator().manual_seed(0))
        learner, state = learner.learner, state.inner
    return None


def _worded(history: History) -> str:
    rows = [" ".join(f"{100 * share:6.2f}" for share in row) for row in history.accuracy[1:]]
    lines = [f"after {i + 1:2}: {row}" for i, row in enumerate(rows)]
    for name, value in history.measures().items():
        told = "none" if value is None else f"{value:,.0f}" if isinstance(value, int) else f"{value:.4f}"
        lines.append(f"{name.replace('_', ' ')}: {told}")
    return "\n".join(lines)
