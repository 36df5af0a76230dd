"""Lives beside each other, on the same streams."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from quickstudy import life_comparison, report
from quickstudy.commands import again
from quickstudy.commands.lifelong import command, named
from quickstudy.commands.options import told
from quickstudy.commands.tasks import TestTasks
from quickstudy.life_comparison import COSTS, Lived, lost, points
from quickstudy.lifelong import History
from quickstudy.lives import Lifelong, from_run, history
from quickstudy.metrics import Estimate, known
from quickstudy.storage import Run

SHOWN = ("mask", "steps", "batch", "rate", "widths", "seed", "run")  # where methods differ in them, beside the options


class Life(NamedTuple):
    """A folder that holds one, and what is in it."""

    run: Run
    asked: Lifelong
    history: History

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
    groups = _grouped([_life(text) for text in dict.fromkeys(texts)])
    _check_alike(groups)
    first, methods = groups[0][0].asked, _methods(groups)
    if as_json:
        results = [_plain(*pair, methods[0]) for pair in zip(methods, groups, strict=True)]
        print(json.dumps({"stream": first.stream, "scenario": first.scenario, "results": results}))
    else:
        print(table(methods, f"{first.stream}, scenario {first.scenario}"))
    if out is not None:
        report.save(out, _page(groups[0], methods))
        print(f"page: {out}", file=sys.stderr)


def table(methods: Sequence[Lived], title: str) -> str:
    """A row for each, with the paired difference to the first."""
    first = methods[0]
    rows = [["", "accuracy %", f"against {first.name}", "forgetting", *(name.replace(",", "") for name in COSTS)]]
    for one in methods:
        versus = "" if one is first else points(one.against(first))
        costs = [f"{one.cost(of):{form}}" for of, form in COSTS.values()]
        rows.append([one.name, points(one.end), versus, lost(one), *costs])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"{name:{widths[0]}}   {'   '.join(map(str.rjust, cells, widths[1:]))}" for name, *cells in rows]
    seeds = len(first.histories)
    basis = "a single life each" if seeds == 1 else f"means of {seeds} lives with 95 % intervals"
    return "\n".join([f"{title}, {len(first.matrix) - 1} contexts; {basis}", *lines])


def _life(text: str) -> Life:
    if not (Path(text) / "config.json").is_file():
        raise ValueError(f"lives are compared with lives, in their folders; {text} is none")
    run = Run.open(Path(text))
    return Life(run, from_run(run), history(run))


def _grouped(lives: Sequence[Life]) -> list[list[Life]]:
    """Those that differ in nothing but the seed, by the seed. Raises ValueError for a life that was lived twice."""
    groups: dict[str, dict[int, Life]] = {}
    for life in lives:
        group = groups.setdefault(command(dataclasses.replace(life.asked, seed=0)), {})
        if (seed := life.asked.seed) in group:
            raise ValueError(f"{group[seed].run.path} and {life.run.path} are the same life; leave one of them out")
        group[seed] = life
    return [[group[seed] for seed in sorted(group)] for group in groups.values()]


def _methods(groups: Sequence[Sequence[Life]]) -> list[Lived]:
    """Named by method and by folder or seeds; where that is the same for two, by the whole path or the options."""
    asked = [group[0].asked for group in groups]
    apart = [name for name in SHOWN if len({getattr(one, name) for one in asked}) > 1]
    options = [_said(one, apart) for one in asked]
    names = [_name(group) for group in groups]
    twice = {name for name, count in Counter(names).items() if count > 1}
    longer = zip(names, groups, options, strict=True)
    names = [_name(group, said) if name in twice else name for name, group, said in longer]
    histories = [tuple(life.history for life in group) for group in groups]
    return [Lived(*parts) for parts in zip(names, options, histories, strict=True)]


def _name(group: Sequence[Life], said: str | None = None) -> str:
    """``said``: its options, where the short name is another's too."""
    method, path = group[0].asked.method, group[0].run.path
    if len(group) > 1:
        seeds = ", ".join(str(life.asked.seed) for life in group)
        return f"{method} {said} (seeds {seeds})" if said else f"{method} (seeds {seeds})"
    return f"{method} ({path.resolve().name if said is None else path})"


def _said(asked: Lifelong, fields: Sequence[str]) -> str:
    """The options of a method, and these fields."""
    given = {name: getattr(asked, name) for name in fields}
    return " ".join(told(asked.options | {name: value for name, value in given.items() if value is not None}))


def _check_alike(groups: Sequence[Sequence[Life]]) -> None:
    """Raises ValueError where the methods were not lived on the same streams."""
    first, *others = groups
    for other in others:
        if [life.which for life in other] != [life.which for life in first]:
            both = " and ".join(f"{_name(group)} on {_streams(group)}" for group in (first, other))
            raise ValueError(
                f"only lives on the same streams can be compared, with the same contexts and pictures; these are {both}"
            )


def _streams(group: Sequence[Life]) -> str:
    asked, seeds = group[0].asked, ", ".join(str(life.asked.seed) for life in group)
    return f"{asked.stream} (scenario {asked.scenario}, seed {seeds}, examined on {asked.examine})"


def _plain(method: Lived, group: Sequence[Life], first: Lived) -> dict[str, Any]:
    """As JSON has it."""
    lives = [
        {
            "run": str(life.run.path),
            "seed": life.asked.seed,
            "accuracy": life.history.accuracy,
            "measures": life.history.measures(),
        }
        for life in group
    ]
    about = {"method": group[0].asked.method, "options": group[0].asked.options, "lives": lives}
    return about | {"average_accuracy": _estimate(method.end), "against_first": _estimate(method.against(first))}


def _estimate(value: Estimate) -> dict[str, float | None]:
    return {"mean": value.mean, "interval95": known(value.interval95)}


def _page(group: Sequence[Life], methods: Sequence[Lived]) -> str:
    """Of these methods, the first of which has these lives."""
    asked, streams = group[0].asked, dict.fromkeys(life.which for life in group)
    facts = {
        "stream": asked.stream,
        "scenario": asked.scenario,
        "stream SHA-256": ", ".join(dict.fromkeys(str(stream) for stream, _ in streams)),
        **again.facts(),
    }
    return life_comparison.page(
        f"Lives on {asked.stream}",
        methods,
        scenario=asked.scenario,
        contexts=named(asked.contexts()) if len(streams) == 1 else (),  # another seed has others
        facts=facts,
    )
