"""Lives beside each other, on the same stream."""

from __future__ import annotations

import json
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from quickstudy import life_comparison, report
from quickstudy.commands.lifelong import named
from quickstudy.commands.options import told
from quickstudy.commands.tasks import TestTasks
from quickstudy.experiment import versions
from quickstudy.life_comparison import Lived
from quickstudy.lives import Lifelong, from_run, history
from quickstudy.storage import Run

SHOWN = ("mask", "steps", "batch", "rate", "widths", "seed", "run")  # where lives differ in them, beside the options


class Life(NamedTuple):
    """A folder that holds one, and what is in it."""

    run: Run
    asked: Lifelong
    lived: Lived

    @property
    def which(self) -> tuple[Any, ...]:
        """What only the same stream shares."""
        return tuple(self.run.config[key] for key in ("stream_sha256", "pictures_sha256"))


def are_lives(texts: Sequence[str]) -> bool:
    """Whether one of them is the folder of a life."""
    folders = [Path(text) for text in texts]
    return any("lifelong" in Run(folder).config for folder in folders if (folder / "config.json").is_file())


def run(texts: Sequence[str], on: TestTasks, out: Path | None, as_json: bool) -> None:
    """``quickstudy compare`` of lives."""
    if on != TestTasks():
        raise ValueError("a life was examined when it was lived; leave out what says which tasks (--way, --tasks ...)")
    lives = _several(texts)
    _check_alike(lives)
    first = lives[0].asked
    if as_json:
        print(json.dumps({"stream": first.stream, "scenario": first.scenario, "results": [*map(_plain, lives)]}))
    else:
        print(table([life.lived for life in lives], f"{first.stream}, scenario {first.scenario}"))
    if out is not None:
        report.save(out, _page(lives))
        print(f"page: {out}", file=sys.stderr)


def table(lives: Sequence[Lived], title: str) -> str:
    """A row for each, with the difference to the first."""
    first = lives[0]
    head = ["", "accuracy %", f"against {first.name}", "forgetting", "state MB", "seconds"]
    rows = [head, *(_cells(life, first) for life in lives)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"{name:{widths[0]}}   {'   '.join(map(str.rjust, cells, widths[1:]))}" for name, *cells in rows]
    return "\n".join([f"{title}, {len(first.history.seconds)} contexts; a single life each", *lines])


def _cells(life: Lived, first: Lived) -> list[str]:
    lost = life.history.measures()["forgetting"]
    return [
        life.name,
        f"{100 * life.end:.2f}",
        "" if life is first else f"{100 * (life.end - first.end):+.2f}",
        "–" if lost is None else f"{100 * lost:.2f}",
        f"{life.history.nbytes[-1] / 1e6:,.1f}",
        f"{sum(life.history.seconds):,.0f}",
    ]


def _several(texts: Sequence[str]) -> list[Life]:
    """Each once; lives in folders of the same name are told by the whole of their paths."""
    if strangers := [text for text in texts if not (Path(text) / "config.json").is_file()]:
        raise ValueError(f"lives are compared with lives, in their folders; {strangers[0]} is none")
    runs = {text: Run.open(Path(text)) for text in texts}
    asked = {text: from_run(run) for text, run in runs.items()}
    names = {text: f"{one.method} ({Path(text).resolve().name})" for text, one in asked.items()}
    alike = Counter(names.values())
    names = {text: name if alike[name] == 1 else f"{asked[text].method} ({text})" for text, name in names.items()}
    apart = [name for name in SHOWN if len({getattr(one, name) for one in asked.values()}) > 1]
    return [
        Life(run, asked[text], Lived(names[text], _said(asked[text], apart), history(run)))
        for text, run in runs.items()
    ]


def _said(asked: Lifelong, fields: Sequence[str]) -> str:
    """The options of a method, and these fields."""
    given = {name: getattr(asked, name) for name in fields}
    return " ".join(told(asked.options | {name: value for name, value in given.items() if value is not None}))


def _check_alike(lives: Sequence[Life]) -> None:
    first, *others = lives
    for other in others:
        if other.which != first.which:
            both = " and ".join(f"{life.lived.name} on {_stream(life.asked)}" for life in (first, other))
            raise ValueError(
                f"only lives on the same stream can be compared, with the same contexts and pictures; these are {both}"
            )


def _stream(asked: Lifelong) -> str:
    return f"{asked.stream} (scenario {asked.scenario}, seed {asked.seed}, examined on {asked.examine})"


def _plain(life: Life) -> dict[str, Any]:
    """As JSON has it."""
    about = {"run": str(life.run.path), "method": life.asked.method, "options": life.asked.options}
    return about | {"accuracy": life.lived.history.accuracy, "measures": life.lived.history.measures()}


def _page(lives: Sequence[Life]) -> str:
    first = lives[0]
    facts = {
        "stream": first.asked.stream,
        "scenario": first.asked.scenario,
        "stream SHA-256": str(first.run.config["stream_sha256"]),
        "command": shlex.join(["quickstudy", *sys.argv[1:]]),
        "versions": ", ".join(f"{name} {version}" for name, version in versions()["versions"].items()),
    }
    return life_comparison.page(
        f"Lives on {first.asked.stream}",
        [life.lived for life in lives],
        scenario=first.asked.scenario,
        contexts=named(first.asked.contexts()),
        facts=facts,
    )
