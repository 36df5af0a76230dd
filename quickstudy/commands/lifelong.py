"""Lives: contexts one after another."""

from __future__ import annotations

import dataclasses
import json as text
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

from torch import Generator, Tensor

from quickstudy import learner_maps, learners, life_report, report
from quickstudy.commands.options import parse, told
from quickstudy.core import Learner
from quickstudy.learners.generative import Generated
from quickstudy.learners.replay import Replay
from quickstudy.learners.stepwise import Around
from quickstudy.lifelong import History
from quickstudy.lives import NAIVE, STEPPING, Lifelong, from_run
from quickstudy.storage import Run
from quickstudy.tasks import Stream

SAMPLES = 48
MOST = 48  # letters of what a context is


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
    names = named(contexts)
    page = life_report.page(
        f"{asked.method} on {asked.stream}",
        history,
        scenario=asked.scenario,
        contexts=names,
        facts=_facts(asked, Run.open(folder)),
        samples=_samples(learner, state),
        sections=[learner_maps.life(watched, names)],
    )
    report.save(folder / "report.html", page)
    if json:
        found = {"method": asked.method, "stream": asked.stream, "scenario": asked.scenario, "way": contexts.way}
        titles = [contexts.title(i) for i in range(len(contexts))]
        known = {"contexts": titles, "accuracy": history.accuracy, "measures": history.measures()}
        print(text.dumps(found | known))
        return
    print(_worded(history))
    print(f"run folder: {folder}; its page: {folder / 'report.html'}", file=sys.stderr)


def named(contexts: Stream) -> list[str]:
    """What each context is, for a page."""
    titles = [shorten(contexts.title(i), MOST, placeholder=" …") for i in range(len(contexts))]
    return [f"context {i}: {title}" for i, title in enumerate(titles, 1)]


def _facts(asked: Lifelong, run: Run) -> dict[str, str]:
    """What the life was asked, on which stream it was lived, and by what."""
    given = {name: value for name, value in dataclasses.asdict(asked).items() if _says(asked, name)}
    facts = {name: "yes" if value is True else " ".join(_words(value)) for name, value in given.items()}
    versions = run.config.get("versions", {})
    return facts | {
        "stream SHA-256": str(run.config.get("stream_sha256", "unknown")),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "command": command(asked),
    }


def _says(asked: Lifelong, name: str) -> bool:
    """Whether a field says something of this life."""
    return getattr(asked, name) not in (None, {}, False) and not (asked.reads and name in STEPPING)


def command(asked: Lifelong) -> str:
    """How to live this life at the command line."""
    words = ["quickstudy", "lifelong", asked.method]
    for name, value in dataclasses.asdict(asked).items():
        if name != "method" and value != getattr(Lifelong(), name):
            words += [f"--{name}", *_words(value)]
    return shlex.join(words)


def _words(value: Any) -> list[str]:
    """As it is given at the command line."""
    if isinstance(value, dict):
        return told(value)
    if isinstance(value, tuple | list):
        return [str(one) for one in value]
    return [] if value is True else [str(value)]


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
